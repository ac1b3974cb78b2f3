//! The people and organizations of the demo, and the seeded randomness that moves them.

use super::Scale;

/// A small, seeded generator (`SplitMix64`); good enough for a story, never for a key.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits (Steele, Lea, Flood 2014).
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw().checked_rem(bound).unwrap_or(0)
    }

    /// Whether something with that many per cent happens.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of the choices; the empty text where there is none.
    pub fn pick(&mut self, choices: &[&'static str]) -> &'static str {
        let index = usize::try_from(self.below(choices.len() as u64)).unwrap_or(0);
        choices.get(index).copied().unwrap_or("")
    }

    /// A made-up API key.
    pub fn key(&mut self, prefix: &str) -> String {
        format!("{prefix}{:016x}{:016x}", self.draw(), self.draw())
    }

    /// A random UUID, version 4.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.draw(), self.draw());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            8 + (low >> 62),
            (low >> 48) & 0xfff,
            low & 0xffff_ffff_ffff
        )
    }
}

/// An organization.
#[derive(Clone, Debug)]
pub struct Organization {
    /// Its id at the company, e.g. `org-17`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its plan.
    pub plan: &'static str,
    /// Its seats.
    pub seats: u64,
}

/// A person.
#[derive(Clone, Debug)]
pub struct Member {
    /// The user id at the company.
    pub user_id: String,
    /// The browser's device id.
    pub device_id: String,
    /// Name.
    pub name: String,
    /// Address.
    pub email: String,
    /// Phone number.
    pub phone: String,
    /// Role in the organization.
    pub role: &'static str,
    /// Index of the organization.
    pub organization: usize,
    /// First day in the story.
    pub first_day: i64,
    /// Chance of a visit a day.
    pub percent_active: u64,
    /// Whether the account is older than the story.
    pub knows_us_already: bool,
    /// Whether a visitor ever signs up.
    pub signs_up: bool,
    /// Whether this person set the organization up.
    pub founds: bool,
}

/// Everybody.
#[derive(Clone, Debug)]
pub struct Cast {
    /// The organizations.
    pub organizations: Vec<Organization>,
    /// The people.
    pub people: Vec<Member>,
}

const FIRST: &[&str] = &[
    "Ada", "Bela", "Chidi", "Dana", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaja",
    "Lina", "Mateo", "Noor", "Olga", "Pavel",
];
const LAST: &[&str] = &[
    "Adler",
    "Brandt",
    "Castro",
    "Dubois",
    "Eriksen",
    "Ferrari",
    "Garcia",
    "Hoffmann",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindqvist",
];
const TRADE: &[&str] = &[
    "Robotics",
    "Logistics",
    "Health",
    "Maps",
    "Games",
    "Energy",
    "Books",
    "Weather",
    "Legal",
    "Music",
];

impl Cast {
    pub(super) fn new(scale: Scale, random: &mut Random) -> Self {
        let organizations: Vec<Organization> = (0..scale.organizations)
            .map(|number| Organization {
                id: format!("org-{number}"),
                name: format!("{} {}", random.pick(LAST), random.pick(TRADE)),
                plan: random.pick(&["free", "free", "team", "enterprise"]),
                seats: 1 + random.below(80),
            })
            .collect();
        let people = (0..scale.people)
            .map(|number| member(number, scale, random))
            .collect();
        Self {
            organizations,
            people,
        }
    }

    /// The organization of a person.
    #[must_use]
    pub fn organization<'a>(&'a self, member: &Member) -> &'a Organization {
        const NONE: &Organization = &Organization {
            id: String::new(),
            name: String::new(),
            plan: "free",
            seats: 0,
        };
        self.organizations.get(member.organization).unwrap_or(NONE)
    }
}

fn member(number: usize, scale: Scale, random: &mut Random) -> Member {
    let (first, last) = (random.pick(FIRST), random.pick(LAST));
    let organization = usize::try_from(random.below(scale.organizations as u64)).unwrap_or(0);
    let knows_us_already = random.chance(45);
    let first_day =
        i64::try_from(random.below(u64::try_from(scale.days).unwrap_or(1))).unwrap_or(0);
    Member {
        user_id: format!("user-{:06}", 100_000 + number * 7),
        device_id: random.uuid(),
        name: format!("{first} {last}"),
        email: format!(
            "{}.{}{number}@org{organization}.example",
            first.to_lowercase(),
            last.to_lowercase()
        ),
        phone: format!("+49 30 555 {:04}", random.below(10_000)),
        role: random.pick(&["developer", "developer", "owner", "finance"]),
        organization,
        first_day: if knows_us_already {
            first_day / 6
        } else {
            first_day
        },
        percent_active: 8 + random.below(52),
        knows_us_already,
        signs_up: random.chance(70),
        founds: number < scale.organizations,
    }
}
