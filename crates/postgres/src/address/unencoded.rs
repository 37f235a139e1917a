//! Passwords with characters that must be percent-encoded in a URL. No error shows a part of one.

use super::parameters::part;
use crate::error::UrlError;

/// A `/` ends the host, so in a password it makes the user a host and the rest a port. That is no valid
/// address: it has no `@` before the `/`, a port that is no number, and an `@` after it.
pub(super) fn refuse_unencoded_slash(text: &str) -> Result<(), UrlError> {
    let Some((authority, path)) = text.split_once('/') else {
        return Ok(());
    };
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let is_port = port.chars().all(|c| c.is_ascii_digit());
    if is_port || port.ends_with(']') || authority.contains('@') || !path.contains('@') {
        return Ok(());
    }
    // These are harmless by themselves, and are not by the rules of URLs.
    let (mut characters, mut codes) = (vec!["'/'"], vec!["%2F"]);
    if port.contains('#') {
        characters.push("'#'");
        codes.push("%23");
    }
    let pronoun = if codes.len() == 1 { "it" } else { "them" };
    Err(part(format!(
        "the password contains {}: percent-encode {pronoun} as {}",
        characters.join(" and "),
        codes.join(" and ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_in_a_password_is_refused_and_not_one_in_a_path() {
        for (text, codes) in [("u:a/b@h/e", "%2F"), ("u:a#/b@h:5/e?x=y", "%2F and %23")] {
            let line = refuse_unencoded_slash(text).unwrap_err().to_string();
            assert!(line.ends_with(codes), "{line}");
        }
        for valid in [
            "h/e",
            "h:5432/e@x",
            "u:p@h/e@x",
            "[::1]:5/a@b",
            "[::1]/a@b",
            "h,i:1/e",
        ] {
            assert!(refuse_unencoded_slash(valid).is_ok(), "{valid}");
        }
    }
}
