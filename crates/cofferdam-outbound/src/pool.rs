//! Connections by purpose and origin: the idle ones for reuse, all of them for the cut.
//!
//! Invariant: a connection is registered under the same lock that holds the cut flags, so that none slips past a cut.

use crate::destination::Origin;
use crate::exchange::Connection;
use crate::socket::{Gate, WeakGate};
use crate::{NotSent, Purpose};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug, Default)]
struct State {
    idle: HashMap<(Purpose, Origin), Vec<(Connection, Instant)>>,
    open: HashMap<Purpose, Vec<WeakGate>>,
    cut: HashSet<Purpose>,
    /// How often each purpose was cut.
    generations: HashMap<Purpose, u64>,
}

impl State {
    /// Whether the purpose is cut, or was since the request was prepared.
    fn refuses(&self, purpose: &Purpose, generation: Option<u64>) -> bool {
        let present = self.generations.get(purpose).copied().unwrap_or(0);
        self.cut.contains(purpose) || generation.is_some_and(|prepared| prepared != present)
    }
}

/// All connections of one client.
#[derive(Debug)]
pub(crate) struct Pool {
    state: Mutex<State>,
    idle_max: usize,
    idle_timeout: Duration,
}

impl Pool {
    pub(crate) fn new(idle_max: usize, idle_timeout: Duration) -> Self {
        Self {
            state: Mutex::default(),
            idle_max,
            idle_timeout,
        }
    }

    /// An idle connection that is still open, if there is one.
    pub(crate) fn take(
        &self,
        purpose: &Purpose,
        generation: Option<u64>,
        origin: &Origin,
    ) -> Result<Option<Connection>, NotSent> {
        let mut state = self.lock();
        if state.refuses(purpose, generation) {
            return Err(NotSent::Cut);
        }
        let key = (purpose.clone(), origin.clone());
        let Some(idle) = state.idle.get_mut(&key) else {
            return Ok(None);
        };
        let now = Instant::now();
        while let Some((connection, since)) = idle.pop() {
            if connection.is_open() && now.duration_since(since) < self.idle_timeout {
                return Ok(Some(connection));
            }
        }
        Ok(None)
    }

    /// Registers a new connection; closes and refuses it where the purpose has been cut meanwhile.
    pub(crate) fn register(
        &self,
        purpose: &Purpose,
        generation: Option<u64>,
        gate: &Gate,
    ) -> Result<(), NotSent> {
        let mut state = self.lock();
        if state.refuses(purpose, generation) {
            gate.cut();
            return Err(NotSent::Cut);
        }
        let open = state.open.entry(purpose.clone()).or_default();
        open.retain(|gate| !gate.is_gone());
        open.push(gate.downgrade());
        Ok(())
    }

    /// Gives a connection back whose answer was read to its end.
    pub(crate) fn put(&self, purpose: &Purpose, origin: &Origin, connection: Connection) {
        let mut state = self.lock();
        if state.cut.contains(purpose) {
            return;
        }
        let idle = state
            .idle
            .entry((purpose.clone(), origin.clone()))
            .or_default();
        if idle.len() < self.idle_max {
            idle.push((connection, Instant::now()));
        }
    }

    /// Closes every connection of the purpose and refuses new ones until [`Pool::restore`].
    pub(crate) fn cut(&self, purpose: &Purpose) {
        let mut state = self.lock();
        state.cut.insert(purpose.clone());
        *state.generations.entry(purpose.clone()).or_default() += 1;
        for gate in state.open.remove(purpose).unwrap_or_default() {
            if let Some(gate) = gate.upgrade() {
                gate.cut();
            }
        }
        state.idle.retain(|(of, _), _| of != purpose);
    }

    pub(crate) fn restore(&self, purpose: &Purpose) {
        self.lock().cut.remove(purpose);
    }

    /// How often the purpose was cut.
    pub(crate) fn generation(&self, purpose: &Purpose) -> u64 {
        self.lock().generations.get(purpose).copied().unwrap_or(0)
    }

    pub(crate) fn is_cut(&self, purpose: &Purpose) -> bool {
        self.lock().cut.contains(purpose)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
