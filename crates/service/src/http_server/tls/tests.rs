//! Certificates and keys that are replaced.

use std::path::{Path, PathBuf};

use super::*;

/// A file of the tests of TLS.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/certificates")
        .join(name)
}

fn content(certificate: &str, key: &str) -> Content {
    let files = Files {
        certificate: file(certificate),
        key: file(key),
    };
    files.read().unwrap()
}

fn used(tls: &Tls) -> Vec<u8> {
    tls.key.current().cert[0].to_vec()
}

#[test]
fn a_pair_that_cannot_be_used_is_refused_with_the_variable_and_the_reason() {
    for (certificate, key, variable, reason) in [
        (
            "missing.pem",
            "server.key",
            "EXPORTS_TLS_CERT",
            "cannot read",
        ),
        (
            "server.pem",
            "missing.key",
            "EXPORTS_TLS_KEY",
            "cannot read",
        ),
        (
            "server.key",
            "server.key",
            "EXPORTS_TLS_CERT",
            "no certificate",
        ),
        ("server.pem", "ca.pem", "EXPORTS_TLS_KEY", "no private key"),
        (
            "libpq/authority.pem",
            "server.key",
            "EXPORTS_TLS_KEY",
            "does not belong",
        ),
    ] {
        let error = Tls::open(file(certificate), file(key)).unwrap_err();
        assert_eq!(error.variable(), variable, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_new_pair_is_used_when_it_was_read_twice_and_is_usable() {
    let mut tls = Tls::open(file("server.pem"), file("server.key")).unwrap();
    let first = used(&tls);
    // Only one of the two files is replaced so far.
    let half = content("libpq/ip-san.pem", "server.key");
    let whole = content("libpq/ip-san.pem", "libpq/leaf.key");
    tls.seen(Ok(half.clone()));
    tls.seen(Ok(whole.clone()));
    assert_eq!(used(&tls), first);
    tls.seen(Ok(whole));
    let second = used(&tls);
    assert_ne!(second, first);

    let missing = TlsError::Key("cannot read it".to_owned());
    for broken in [Ok(half), Err(missing)] {
        tls.seen(broken.clone());
        tls.seen(broken);
        assert_eq!(used(&tls), second);
    }
    let back = content("server.pem", "server.key");
    tls.seen(Ok(back.clone()));
    tls.seen(Ok(back));
    assert_eq!(used(&tls), first);
}
