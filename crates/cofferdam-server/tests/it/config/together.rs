//! Many mistakes in many files at once: all are told.

use super::{ACME, MAIN, edited, load_with};

/// One mistake hides no other: neither in its own file, nor in another, nor of another kind; and none is told twice.
#[test]
fn all_mistakes_of_all_files_are_told_together() {
    let folder = edited(&[
        (
            MAIN,
            "[vault]",
            "[limits]\nbody_bytes_maxx = \"many\"\nevents_per_minute_max = \"few\"\n[vault]",
        ),
        (MAIN, "\"user.contact\" ", "\"user.emial\" "),
        (ACME, "kind =", "knid ="),
        (
            ACME,
            "endpoint = \"https://api-eu.mixpanel.com\"",
            "endpoint = 5\ncolour = \"red\"",
        ),
        (ACME, "analytics.reporting", "analytics.reportin"),
        (
            ACME,
            "retention_days = 90",
            "retention_days = \"90\"\nretention_verifeid = true",
        ),
        (
            "fields.toml",
            "# \"properties.plan\" = \"user.behavior\"",
            "\"plan\" = \"user.behavior\"\n\"properties.plan\" = 1",
        ),
    ]);
    folder.write("vendors/broken.toml", "name = \"Broken\"\nkind = \n");
    folder.write("vendors/empty.toml", "naem = \"Empty\"\n");
    let loaded = load_with(&folder, &[]);
    assert!(!loaded.is_usable());
    let found: Vec<(String, &str, &str)> = loaded
        .problems
        .iter()
        .map(|problem| {
            let text = std::fs::read_to_string(&problem.file).unwrap();
            let line = text.lines().nth(problem.line.wrapping_sub(1));
            let word = line.unwrap_or_default().split([' ', '=']).next();
            let name = problem.file.file_name().unwrap().to_str().unwrap();
            let word = word.unwrap_or_default().trim_matches('"').to_owned();
            (
                word,
                problem.code,
                if name == "acme.toml" { "acme" } else { name },
            )
        })
        .collect();
    let wanted = [
        ("body_bytes_maxx", "unknown_key", MAIN),
        ("body_bytes_maxx", "invalid_value", MAIN),
        ("events_per_minute_max", "invalid_value", MAIN),
        ("user.emial", "unknown_category", MAIN),
        ("plan", "invalid_path", "fields.toml"),
        ("properties.plan", "invalid_value", "fields.toml"),
        ("knid", "unknown_key", "acme"),
        ("endpoint", "invalid_value", "acme"),
        ("colour", "unknown_key", "acme"),
        ("purpose", "unknown_purpose", "acme"),
        ("retention_days", "invalid_value", "acme"),
        ("retention_verifeid", "unknown_key", "acme"),
        ("kind", "invalid_value", "broken.toml"),
        ("naem", "unknown_key", "empty.toml"),
        ("naem", "invalid_value", "empty.toml"),
    ];
    let mut wanted = wanted.map(|(word, code, file)| (word.to_owned(), code, file));
    let mut sorted = found.clone();
    sorted.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted, "{:#?}", loaded.problems);
}
