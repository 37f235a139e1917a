//! Failed attempts: HTTP statuses and error texts.
//!
//! The texts contain everything that a CSV writer must handle: commas, quotes, both kinds of line ends, tabs, Unicode, and texts
//! that a spreadsheet treats as a formula.

use super::random::Random;

/// A failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    /// The HTTP status, if there was a response.
    pub(super) response: Option<i32>,
    /// The error text.
    pub(super) text: &'static str,
}

const fn answer(response: i32, text: &'static str) -> Fault {
    Fault {
        response: Some(response),
        text,
    }
}

const fn silence(text: &'static str) -> Fault {
    Fault {
        response: None,
        text,
    }
}

/// Retryable.
const PASSING: [Fault; 14] = [
    answer(500, "Internal Server Error"),
    answer(
        500,
        "Error: \"items\", \"total\" and \"tax\" do not add up\n    at validate (/app/order.js:118:13)\n    at next (/app/router.js:9:5)",
    ),
    answer(500, "サーバー内部エラー:注文を処理できません"),
    answer(
        502,
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n",
    ),
    answer(503, "Service Unavailable, retry after 30 seconds"),
    answer(
        503,
        "{\"error\":\"maintenance\",\"until\":\"02:00\",\"contact\":\"ops@example.com\"}",
    ),
    answer(504, "upstream request timeout"),
    answer(429, "Too many requests; limit is 100/min, burst 20"),
    answer(429, "@everyone slow down 🚦"),
    silence("connection refused"),
    silence("connection reset by peer after 0 bytes"),
    silence("timeout: no response within 30 s"),
    silence("dns: lookup hooks.example: no such host, tried 3 servers"),
    silence("-1: unexpected end of stream"),
];

/// Permanent.
const LASTING: [Fault; 8] = [
    answer(
        400,
        "{\"error\":\"invalid payload\",\"fields\":[\"amount\",\"currency\"]}",
    ),
    answer(400, "=SUM(A1:A9) is not a valid amount"),
    answer(401, "signature \"v1\" is missing, or wrong"),
    answer(404, "Not Found"),
    answer(410, "+1 555 0100 has unsubscribed"),
    answer(
        422,
        "Unzulässiger Betrag: „12,50 €“ – erwartet wird »12.50«",
    ),
    answer(422, "\tfield 'email':\r\tmust not be empty"),
    silence("tls: certificate of hooks.example has expired, \"CN=hooks.example\""),
];

pub(super) fn passing(random: &mut Random) -> Fault {
    *random.pick(&PASSING)
}

pub(super) fn lasting(random: &mut Random) -> Fault {
    *random.pick(&LASTING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_contain_every_special_case_of_csv() {
        let has = |what: &dyn Fn(&str) -> bool| {
            PASSING.iter().chain(&LASTING).any(|fault| what(fault.text))
        };
        for needle in [",", "\"", "\n", "\r\n", "\t", "🚦", "€", "注"] {
            assert!(has(&|text| text.contains(needle)), "{needle:?}");
        }
        for start in ["=", "+", "-", "@", "\t"] {
            assert!(has(&|text| text.starts_with(start)), "{start:?}");
        }
    }
}
