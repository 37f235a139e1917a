//! Forms of a time that are not RFC 3339, as common libraries write them: what the RFC 3339 form of each would be.

use chrono::{DateTime, NaiveDate};

/// What a text that is not RFC 3339 seems to mean.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// This time. Only the seconds are missing, which Java leaves out if they are zero.
    WithoutSeconds(String),
    /// Perhaps this time, in RFC 3339.
    Time(String),
    /// Perhaps this time in UTC, but there is no offset.
    WithoutOffset(String),
    /// A date without a time.
    Date(NaiveDate),
}

/// `None` if the text is not similar to a time.
pub(super) fn meaning(text: &str) -> Option<Meaning> {
    let trimmed = text.trim_ascii();
    let (date_text, rest) = trimmed.split_at_checked("2025-12-01".len())?;
    // Two digits each, which `parse_from_str` does not require.
    let date = NaiveDate::parse_from_str(date_text, "%Y-%m-%d").ok()?;
    if date.format("%Y-%m-%d").to_string() != date_text {
        return None;
    }
    if rest.is_empty() {
        return Some(Meaning::Date(date));
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (time, zone) = rest.split_at(
        rest.find(|c: char| !c.is_ascii_digit() && !":.,".contains(c))
            .unwrap_or(rest.len()),
    );
    let has_seconds = time.bytes().filter(|byte| *byte == b':').count() > 1;
    let time = time.replace(',', ".");
    let seconds = if has_seconds { "" } else { ":00" };
    let (offset, is_exact) = offset(zone)?;
    let full = format!("{date_text}T{time}{seconds}{offset}");
    DateTime::parse_from_rfc3339(&full).ok()?;
    Some(if zone.is_empty() {
        Meaning::WithoutOffset(full)
    } else if is_exact && !has_seconds && trimmed == text {
        Meaning::WithoutSeconds(full)
    } else {
        Meaning::Time(full)
    })
}

/// The offset in RFC 3339, and whether it was written so. No offset counts as UTC.
fn offset(zone: &str) -> Option<(String, bool)> {
    // Java appends the name of the zone: `+01:00[Europe/Berlin]`.
    let (zone, has_name) = match zone.split_once('[') {
        Some((zone, name)) if name.ends_with(']') => (zone, true),
        Some(_) => return None,
        None => (zone, false),
    };
    if matches!(zone, "Z" | "z") {
        return Some(("Z".to_owned(), !has_name));
    }
    let zone = zone.trim_ascii();
    if matches!(zone, "" | "Z" | "z" | "UTC" | "GMT") {
        return Some(("Z".to_owned(), false));
    }
    let digits = zone.strip_prefix(['+', '-'])?;
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = match minutes {
        "" => "00",
        minutes => minutes.strip_prefix(':').unwrap_or(minutes),
    };
    if minutes.len() != 2 {
        return None;
    }
    let offset = format!("{}{hours}:{minutes}", &zone[..1]);
    let is_exact = !has_name && offset == zone;
    Some((offset, is_exact))
}
