//! "Did you mean": the known name that a word was meant to be.
//!
//! Invariant: what is suggested is one of the known names.

/// How alike the words must be, by Jaro and Winkler, where no few slips explain the difference.
const ALIKE: f64 = 0.8;

/// "did you mean" for the nearest of `known`, else the list of what is known.
#[must_use]
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    if let Some(candidate) = nearest(word, known) {
        return format!("did you mean `{candidate}`?");
    }
    if known.is_empty() || known.len() > 24 {
        return String::new();
    }
    format!("expected one of: {}", known.join(", "))
}

/// The nearest of `known`, where one is near.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    slip(word, known).or_else(|| alike(word, known))
}

/// The name that a few slips (a letter too many, too few, another one, two swapped) make the word of; of dotted names also where
/// only the last part was meant.
fn slip<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let slips = |word: &str, name: &str| {
        let slips = strsim::osa_distance(word, name);
        (slips <= (word.chars().count() / 4).clamp(1, 3) && word.len() > 2).then_some(slips)
    };
    let nearest = known.iter().filter_map(|name| {
        let whole = slips(word, name);
        // A wrong place in the tree is a slip of its own.
        let last = match (word.rsplit_once('.'), name.rsplit_once('.')) {
            (Some((_, word)), Some((_, name))) => slips(word, name).map(|slips| slips + 1),
            _ => None,
        };
        let slips = whole.into_iter().chain(last).min()?;
        Some((slips, name.len(), *name))
    });
    nearest.min().map(|(.., name)| name)
}

/// The name that begins as the word does, in the main.
fn alike<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    // Every data category begins with `user.`: that says nothing.
    let tail = |text: &'k str| text.rsplit('.').next().unwrap_or(text);
    let word = word.rsplit('.').next().unwrap_or(word);
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(word, tail(name)), *name))
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;
    use cofferdam_model::Category;

    #[test]
    fn the_name_that_was_meant_is_found() {
        let categories: Vec<&str> = Category::all().map(Category::key).collect();
        let keys = [
            "listen",
            "admin_listen",
            "public_url",
            "tls_cert_file",
            "retention_days",
        ];
        let verbs = ["clear", "token", "country", "withheld"];
        for (word, known, meant) in [
            ("user.emial", &categories[..], "user.contact.email"),
            ("user.behaviour", &categories, "user.behavior"),
            ("user.contact.emial", &categories, "user.contact.email"),
            (
                "user.phone_number",
                &categories,
                "user.contact.phone_number",
            ),
            ("usre.name", &categories, "user.name"),
            ("behavior", &categories, "user.behavior"),
            ("listem", &keys, "listen"),
            ("retention", &keys, "retention_days"),
            ("celar", &verbs, "clear"),
            ("contry", &verbs, "country"),
        ] {
            let said = did_you_mean(word, known);
            assert_eq!(said, format!("did you mean `{meant}`?"), "{word}");
        }
        assert_eq!(did_you_mean("xyz", &["a", "b"]), "expected one of: a, b");
        assert_eq!(did_you_mean("user.shoe_size", &categories), "");
    }
}
