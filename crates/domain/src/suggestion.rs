//! Suggests the name that a misspelt one probably means.

/// Less similar names are other names. The same value as in clap.
const SIMILAR: f64 = 0.7;

/// The known name that is most similar to an unknown one, if there is a similar one.
#[must_use]
pub fn most_similar<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let rated = known
        .into_iter()
        .map(|name| (strsim::jaro(unknown, name), name));
    let best = rated.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(similarity, _)| *similarity > SIMILAR)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_name_is_suggested() {
        let known = ["READERS", "RECORD_TTL", "LEASE", "LISTEN"];
        for (unknown, expected) in [
            ("READRES", Some("READERS")),
            ("LEESE", Some("LEASE")),
            ("LISTN", Some("LISTEN")),
            ("WIBBLE", None),
            ("", None),
        ] {
            assert_eq!(most_similar(unknown, known), expected, "{unknown}");
        }
        assert_eq!(most_similar("LEASE", []), None);
    }
}
