//! A bounded memory of what was computed; what was not asked for longest goes first.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
struct Entry {
    value: Arc<dyn Any + Send + Sync>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<String, Entry>,
    /// Keys, the one asked for last at the end.
    order: VecDeque<String>,
    bytes: usize,
}

/// What is kept, by key.
#[derive(Debug)]
pub(super) struct Kept {
    bytes_max: usize,
    state: Mutex<State>,
}

impl Kept {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            state: Mutex::default(),
        }
    }

    /// What is kept under a key, where it is of this type.
    pub(super) fn get<T: Send + Sync + 'static>(&self, key: &str) -> Option<Arc<T>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let value = Arc::clone(&state.entries.get(key)?.value);
        state.order.retain(|known| known != key);
        state.order.push_back(key.to_owned());
        value.downcast().ok()
    }

    /// Keeps a value of so many bytes, its key not counted.
    pub(super) fn put<T: Send + Sync + 'static>(&self, key: String, value: Arc<T>, bytes: usize) {
        let bytes = bytes + 2 * key.len();
        if bytes > self.bytes_max / 4 {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        if let Some(before) = state.entries.insert(key.clone(), Entry { value, bytes }) {
            state.bytes -= before.bytes;
            state.order.retain(|known| *known != key);
        }
        state.bytes += bytes;
        state.order.push_back(key);
        while state.bytes > self.bytes_max {
            let Some(oldest) = state.order.pop_front() else {
                break;
            };
            if let Some(gone) = state.entries.remove(&oldest) {
                state.bytes -= gone.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kept;
    use std::sync::Arc;

    #[test]
    fn what_was_not_asked_for_longest_goes_first() {
        let kept = Kept::new(400);
        for name in ["a", "b", "c"] {
            kept.put(name.to_owned(), Arc::new(name.to_owned()), 98);
        }
        assert_eq!(kept.get::<String>("a").as_deref(), Some(&"a".to_owned()));
        for name in ["d", "e"] {
            kept.put(name.to_owned(), Arc::new(name.to_owned()), 98);
        }
        let has = |name: &str| kept.get::<String>(name).is_some();
        assert_eq!(
            ["a", "b", "c", "d", "e"].map(has),
            [true, false, true, true, true]
        );
    }

    #[test]
    fn a_value_that_would_push_out_most_others_is_not_kept_and_one_of_another_type_is_not_given() {
        let kept = Kept::new(400);
        kept.put("large".to_owned(), Arc::new(1_u8), 200);
        assert!(kept.get::<u8>("large").is_none());
        kept.put("small".to_owned(), Arc::new(1_u8), 1);
        assert!(kept.get::<u16>("small").is_none());
        kept.put("small".to_owned(), Arc::new(2_u8), 1);
        assert_eq!(kept.get::<u8>("small").as_deref(), Some(&2));
    }
}
