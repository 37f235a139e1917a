//! The origins of web pages that may use the API.

use std::str::FromStr;

use url::{Origin, Url};

/// Origins in the form in which browsers send them (`https://app.example.com`), separated by commas, or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// `*`: every origin.
    Any,
    /// These origins.
    Listed(Vec<String>),
}

impl CorsOrigins {
    /// Whether a page of this origin may use the API.
    #[must_use]
    pub fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(origins) => origins.iter().any(|listed| listed == origin),
        }
    }
}

impl FromStr for CorsOrigins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let items: Vec<_> = text.split(',').map(str::trim).collect();
        match items.as_slice() {
            ["*"] => Ok(Self::Any),
            items if items.contains(&"*") => {
                Err("* already allows every origin: use * alone, or only origins".to_owned())
            }
            items => {
                let origins = items.iter().map(|item| origin(item));
                origins.collect::<Result<_, _>>().map(Self::Listed)
            }
        }
    }
}

/// Checks that a browser sends an origin in exactly this form. Otherwise no request would ever match it.
fn origin(text: &str) -> Result<String, String> {
    const RULE: &str = "is no origin such as https://app.example.com";
    if text.contains('*') {
        return Err(format!("{text:?} {RULE}: patterns are not supported"));
    }
    let url = Url::parse(text).map_err(|_| format!("{text:?} {RULE}"))?;
    let origin = match (url.scheme(), url.origin()) {
        ("http" | "https", origin @ Origin::Tuple(..)) => origin.ascii_serialization(),
        _ => return Err(format!("{text:?} {RULE}")),
    };
    // The value may contain a password, so it is not shown.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!(
            "an origin has no user and no password: use {origin}"
        ));
    }
    if origin == text {
        Ok(origin)
    } else {
        Err(format!("{text:?} is no origin: use {origin}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_exactly() {
        let origins: CorsOrigins = "https://app.example.com, http://localhost:3000"
            .parse()
            .unwrap();
        assert!(origins.allow("https://app.example.com"));
        assert!(origins.allow("http://localhost:3000"));
        for other in [
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.example",
            "https://example.com",
            "http://localhost",
            "null",
            "",
        ] {
            assert!(!origins.allow(other), "{other}");
        }
        assert!(
            "*".parse::<CorsOrigins>()
                .unwrap()
                .allow("https://any.example")
        );
    }

    #[test]
    fn a_form_that_no_browser_sends_is_refused_with_the_right_one() {
        for (bad, reason) in [
            ("", "is no origin"),
            ("app.example.com", "is no origin"),
            ("null", "is no origin"),
            ("file:///tmp", "is no origin"),
            ("ftp://example.com", "is no origin"),
            ("https://*.example.com", "patterns are not supported"),
            ("https://a.example,", "is no origin"),
            ("*, https://a.example", "use * alone"),
            ("https://a.example/", "use https://a.example"),
            ("https://a.example/app?x#y", "use https://a.example"),
            ("https://a.example:443", "use https://a.example"),
            ("HTTPS://A.example", "use https://a.example"),
            (
                "https://bücher.example",
                "use https://xn--bcher-kva.example",
            ),
            ("https://user:secret@a.example", "use https://a.example"),
        ] {
            let error = bad.parse::<CorsOrigins>().unwrap_err();
            assert!(error.contains(reason), "{bad}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
