//! The address of a server: port, password, URL.

use std::fmt;
use std::net::{Ipv4Addr, TcpListener};

use url::Url;

use crate::error::Error;

/// The superuser of every private server.
pub(crate) const SUPERUSER: &str = "postgres";

/// Below the ports of outgoing connections (Linux: from 32768), so that the port of a stopped server stays free.
const PORTS: std::ops::RangeInclusive<u16> = 15_000..=29_999;
const PORT_TRIES: u32 = 200;

/// A password that does not print.
#[derive(Clone)]
pub(crate) struct Password(String);

impl Password {
    /// 128 random bits as hexadecimal digits, which need no escaping.
    pub(crate) fn random() -> Self {
        Self(random_name())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// 32 random hexadecimal digits.
pub(crate) fn random_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// A server on loopback.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) port: u16,
    pub(crate) password: Password,
}

impl Address {
    /// The URL of a database on the server.
    pub(crate) fn url_for(&self, database: &str) -> String {
        let base = format!(
            "postgres://{SUPERUSER}:{}@127.0.0.1:{}/",
            self.password.reveal(),
            self.port
        );
        let url = Url::parse(&base).expect("hexadecimal digits and a number make a valid URL");
        with_database(&url, database)
    }
}

/// The same URL with another database's name, escaped.
pub(crate) fn with_database(url: &Url, database: &str) -> String {
    let mut url = url.clone();
    url.path_segments_mut()
        .expect("a URL with `//` has a path")
        .clear()
        .push(database);
    url.into()
}

/// A port that is free now. Another process can take it before the server starts, so callers retry.
pub(crate) fn free_port() -> Result<u16, Error> {
    (0..PORT_TRIES)
        .map(|_| rand::random_range(PORTS))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or(Error::NoFreePort {
            first: *PORTS.start(),
            last: *PORTS.end(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_name_is_escaped() {
        let address = Address {
            port: 15_432,
            password: Password("abc".into()),
        };
        assert_eq!(
            address.url_for("one/two %?#"),
            "postgres://postgres:abc@127.0.0.1:15432/one%2Ftwo%20%25%3F%23"
        );
    }

    #[test]
    fn the_password_is_not_printed() {
        let address = Address {
            port: 1,
            password: Password::random(),
        };
        assert!(!format!("{address:?}").contains(address.password.reveal()));
    }
}
