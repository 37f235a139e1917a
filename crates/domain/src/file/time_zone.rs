//! The time zone of the times in a file.

use std::fmt;
use std::str::FromStr;

use chrono_tz::Tz;

use crate::suggestion::most_similar;

/// A time zone of the IANA database, which is a part of the program: no file of the system is read.
///
/// Names have the spelling of the database, such as `Europe/Berlin`: another case is another name. Links of the database,
/// such as `Asia/Calcutta`, are names too, and keep their spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileTimeZone(Tz);

/// No time zone has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an IANA time zone name, such as UTC or Europe/Berlin{}", suggested(*.suggestion))]
pub struct UnknownTimeZone {
    suggestion: Option<&'static str>,
}

fn suggested(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(": did you mean {name}?"))
}

impl FileTimeZone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(Tz::UTC);

    /// The name, as it was given.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The rules of the zone.
    #[must_use]
    pub const fn tz(self) -> Tz {
        self.0
    }
}

impl FromStr for FileTimeZone {
    type Err = UnknownTimeZone;

    fn from_str(name: &str) -> Result<Self, UnknownTimeZone> {
        if let Ok(zone) = name.parse() {
            return Ok(Self(zone));
        }
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let suggestion = names()
            .find(|known| known.eq_ignore_ascii_case(name))
            // Comparing a long text with each of 600 names would take long.
            .or_else(|| most_similar(name.get(..name.len().min(64))?, names()));
        Err(UnknownTimeZone { suggestion })
    }
}

impl fmt::Display for FileTimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "must be an IANA time zone name, such as UTC or Europe/Berlin";

    #[test]
    fn names_of_the_iana_database_are_time_zones() {
        for name in [
            "UTC",
            "Etc/UTC",
            "Europe/Berlin",
            "America/Argentina/Buenos_Aires",
            "Asia/Calcutta",
            "Etc/GMT+5",
        ] {
            let zone: FileTimeZone = name.parse().unwrap();
            assert_eq!((zone.name(), zone.to_string().as_str()), (name, name));
        }
        assert_eq!("UTC".parse(), Ok(FileTimeZone::UTC));
    }

    #[test]
    fn another_name_is_refused_with_a_suggestion() {
        let refusal = |name: &str| name.parse::<FileTimeZone>().unwrap_err().to_string();
        for (name, suggestion) in [
            ("europe/berlin", "Europe/Berlin"),
            ("Europe/Berln", "Europe/Berlin"),
            ("utc", "UTC"),
        ] {
            assert_eq!(refusal(name), format!("{RULE}: did you mean {suggestion}?"));
        }
        for name in ["+01:00", "", "\u{1f4e6}"] {
            assert_eq!(refusal(name), RULE, "{name:?}");
        }
        assert!(refusal(&"é".repeat(40_000)).starts_with(RULE));
    }
}
