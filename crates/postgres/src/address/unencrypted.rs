//! Which servers of an address may be reached without encryption over a network.

use std::net::IpAddr;

use super::types::{Address, Endpoint, Host};
use crate::tls::SslMode;

impl Address {
    /// The servers on other machines, if `sslmode` does not require TLS.
    pub(crate) fn unencrypted_servers(&self) -> Vec<String> {
        if self.tls.mode >= SslMode::Require {
            return Vec::new();
        }
        let remote = self.hosts.iter().filter(|host| !host.is_local());
        remote.map(Host::shown).collect()
    }
}

impl Host {
    /// Whether its bytes stay on this machine.
    fn is_local(&self) -> bool {
        match &self.endpoint {
            Endpoint::Unix(_) => true,
            Endpoint::Tcp(to) => match to.parse::<IpAddr>() {
                Ok(address) => address.to_canonical().is_loopback(),
                Err(_) => to.eq_ignore_ascii_case("localhost"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Environment;

    fn unencrypted(url: &str) -> Vec<String> {
        let address = Address::parse_in(url, &Environment::default()).unwrap();
        address.unencrypted_servers()
    }

    #[test]
    fn a_server_on_another_machine_needs_tls() {
        for (url, expected) in [
            ("postgres://db.example.com/e", &["db.example.com:5432"][..]),
            (
                "postgres://10.0.0.7:6432/e?sslmode=disable",
                &["10.0.0.7:6432"],
            ),
            ("postgres://db/e?sslmode=allow", &["db:5432"]),
            ("postgres://localhost,db/e?sslmode=prefer", &["db:5432"]),
            (
                "postgres://localhost/e?hostaddr=10.0.0.7",
                &["localhost:5432 (10.0.0.7)"],
            ),
        ] {
            assert_eq!(unencrypted(url), expected, "{url}");
        }
    }

    #[test]
    fn loopback_unix_sockets_and_required_tls_are_protected() {
        for url in [
            "postgres://localhost/e",
            "postgres://127.8.0.1/e?sslmode=disable",
            "postgres://[::1]/e",
            "postgres:///e?host=/run/postgresql",
            "postgres://db/e?hostaddr=127.0.0.1",
            "postgres://db/e?sslmode=require",
            "postgres://db/e?sslmode=verify-ca",
            "postgres://db/e?sslmode=verify-full",
        ] {
            assert_eq!(unencrypted(url), [""; 0], "{url}");
        }
    }
}
