//! Families of browsers, systems and devices, from names, versions and user agent strings.
//!
//! Invariant: only names from the tables come out, so that a name that someone made up never passes as a family.

use crate::rules::FieldKind;
use std::sync::LazyLock;
use woothee::parser::Parser;

/// Part of a name, lower case, and its family. The first that fits wins.
type Families = &'static [(&'static str, &'static str)];

const BROWSERS: Families = &[
    ("edg", "Edge"),
    ("opera", "Opera"),
    ("opr", "Opera"),
    ("samsung", "Samsung Internet"),
    ("uc browser", "UC Browser"),
    ("ucbrowser", "UC Browser"),
    ("brave", "Brave"),
    ("vivaldi", "Vivaldi"),
    ("duckduckgo", "DuckDuckGo"),
    ("yandex", "Yandex"),
    ("whale", "Whale"),
    ("facebook", "Facebook"),
    ("instagram", "Instagram"),
    ("internet explorer", "Internet Explorer"),
    ("ie", "Internet Explorer"),
    ("firefox", "Firefox"),
    ("chromium", "Chrome"),
    ("headlesschrome", "Chrome"),
    ("chrome", "Chrome"),
    ("safari", "Safari"),
    ("android browser", "Android Browser"),
    ("webview", "WebView"),
    ("silk", "Silk"),
    ("konqueror", "Konqueror"),
    ("blackberry", "BlackBerry"),
    ("mozilla", "Mozilla"),
];

const SYSTEMS: Families = &[
    ("windows phone", "Windows Phone"),
    ("windows mobile", "Windows Phone"),
    ("win", "Windows"),
    ("iphone", "iOS"),
    ("ipad", "iOS"),
    ("ipod", "iOS"),
    ("ios", "iOS"),
    ("mac", "macOS"),
    ("os x", "macOS"),
    ("android", "Android"),
    ("chrome os", "Chrome OS"),
    ("chromeos", "Chrome OS"),
    ("cros", "Chrome OS"),
    ("ubuntu", "Linux"),
    ("debian", "Linux"),
    ("fedora", "Linux"),
    ("linux", "Linux"),
    ("freebsd", "BSD"),
    ("openbsd", "BSD"),
    ("bsd", "BSD"),
    ("blackberry", "BlackBerry"),
    ("tizen", "Tizen"),
    ("kaios", "KaiOS"),
    ("harmony", "HarmonyOS"),
    ("tvos", "tvOS"),
    ("watchos", "watchOS"),
    ("visionos", "visionOS"),
    ("playstation", "PlayStation"),
    ("xbox", "Xbox"),
    ("nintendo", "Nintendo"),
];

const DEVICES: Families = &[
    ("iphone", "iPhone"),
    ("ipad", "iPad"),
    ("ipod", "iPod"),
    ("macbook", "Mac"),
    ("imac", "Mac"),
    ("mac", "Mac"),
    ("watch", "Watch"),
    ("pixel", "Pixel"),
    ("nexus", "Nexus"),
    ("galaxy", "Samsung"),
    ("samsung", "Samsung"),
    ("sm-", "Samsung"),
    ("xiaomi", "Xiaomi"),
    ("redmi", "Xiaomi"),
    ("huawei", "Huawei"),
    ("honor", "Honor"),
    ("oneplus", "OnePlus"),
    ("oppo", "Oppo"),
    ("vivo", "Vivo"),
    ("motorola", "Motorola"),
    ("moto", "Motorola"),
    ("lg", "LG"),
    ("sony", "Sony"),
    ("xperia", "Sony"),
    ("nokia", "Nokia"),
    ("kindle", "Kindle"),
    ("blackberry", "BlackBerry"),
    ("android", "Android"),
    ("windows", "Windows"),
    ("linux", "Linux"),
    ("chromebook", "Chromebook"),
    ("mobile", "Mobile"),
    ("phone", "Mobile"),
    ("tablet", "Tablet"),
    ("desktop", "Desktop"),
    ("pc", "Desktop"),
    ("tv", "TV"),
    ("console", "Console"),
    ("apple", "Apple"),
    ("google", "Google"),
    ("web", "Web"),
    ("ios", "iOS"),
];

/// A user agent, browser, system, version or device as its family (and major version).
#[must_use]
pub fn family(kind: FieldKind, value: &str) -> Option<String> {
    match kind {
        FieldKind::UserAgent => user_agent(value),
        FieldKind::Browser => find(BROWSERS, value).map(str::to_owned),
        FieldKind::System => find(SYSTEMS, value).map(str::to_owned),
        FieldKind::Device => find(DEVICES, value).map(str::to_owned),
        FieldKind::Version => major(value).map(str::to_owned),
        _ => None,
    }
}

/// The family of the first part that stands at the start of a word.
fn find(families: Families, value: &str) -> Option<&'static str> {
    let value = value.trim();
    if value.is_empty() || value.len() > 64 {
        return None;
    }
    let value = value.as_bytes();
    let starts = || word_starts(value).filter_map(|at| value.get(at..));
    families
        .iter()
        .find(|(part, _)| starts().any(|word| begins(word, part.as_bytes())))
        .map(|(_, family)| *family)
}

/// Where something begins behind no letter or digit.
fn word_starts(value: &[u8]) -> impl Iterator<Item = usize> {
    let before = std::iter::once(&b' ').chain(value);
    let ends = before.map(|byte| !byte.is_ascii_alphanumeric());
    ends.enumerate()
        .filter_map(|(at, is_start)| is_start.then_some(at))
}

fn begins(word: &[u8], part: &[u8]) -> bool {
    word.get(..part.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(part))
}

/// The major number of a version of at most four digits: `126.0.6478.127` → `126`.
fn major(value: &str) -> Option<&str> {
    let value = value.trim().trim_start_matches(['v', 'V']);
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let next = value.as_bytes().get(digits).copied().unwrap_or(b'.');
    ((1..=4).contains(&digits) && matches!(next, b'.' | b'_' | b'-' | b' ' | b'('))
        .then(|| value.get(..digits))
        .flatten()
}

/// `Chrome 126; Windows`, `Safari 17; iOS; mobile`.
fn user_agent(value: &str) -> Option<String> {
    static PARSER: LazyLock<Parser> = LazyLock::new(Parser::new);
    if value.len() > 1024 {
        return None;
    }
    let parsed = PARSER.parse(value)?;
    let browser = find(BROWSERS, parsed.name)?;
    let mut family = browser.to_owned();
    if let Some(major) = major(parsed.version) {
        family.push(' ');
        family.push_str(major);
    }
    if let Some(system) = find(SYSTEMS, parsed.os) {
        family.push_str("; ");
        family.push_str(system);
    }
    if matches!(parsed.category, "smartphone" | "mobilephone") {
        family.push_str("; mobile");
    }
    Some(family)
}
