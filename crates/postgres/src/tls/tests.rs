//! Which certificates are accepted, compared with libpq.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::settings::Verify;
use super::verifier::Verifier;

fn certificate(name: &str) -> CertificateDer<'static> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/certificates/libpq");
    CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).unwrap()
}

struct Case {
    server: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
    root: &'static str,
    host: &'static str,
    now: UnixTime,
}

fn case(server: &str, root: &'static str) -> Case {
    Case {
        server: certificate(server),
        intermediates: Vec::new(),
        root,
        host: "localhost",
        now: UnixTime::now(),
    }
}

/// The errors of `verify-ca` and `verify-full`; empty if they accept the certificate.
fn verdicts(case: &Case) -> [String; 2] {
    [Verify::Authority, Verify::AuthorityAndName].map(|verify| {
        let roots = vec![certificate(case.root)];
        let verifier = Verifier::new(verify, roots, Arc::new(default_provider()));
        let host = ServerName::try_from(case.host).unwrap();
        let verdict =
            verifier.verify_server_cert(&case.server, &case.intermediates, &host, &[], case.now);
        verdict.map_or_else(|error| error.to_string(), |_| String::new())
    })
}

fn accepted(case: &Case) -> [bool; 2] {
    verdicts(case).map(|verdict| verdict.is_empty())
}

#[test]
fn certificates_that_libpq_accepts_are_accepted() {
    for (server, root) in [
        ("v1", "authority"),
        ("v1-rsa", "authority"),
        ("v1-by-v1", "v1-authority"),
        ("self-signed", "self-signed"),
        ("v1-self-signed", "v1-self-signed"),
        ("cn-only", "authority"),
    ] {
        assert_eq!(verdicts(&case(server, root)), ["", ""], "{server}");
    }
    let mut by_intermediate = case("v1-by-intermediate", "authority");
    by_intermediate.intermediates = vec![certificate("intermediate")];
    assert_eq!(verdicts(&by_intermediate), ["", ""]);
    let mut by_address = case("ip-san", "authority");
    by_address.host = "127.0.0.1";
    assert_eq!(verdicts(&by_address), ["", ""]);
}

#[test]
fn only_verify_full_rejects_another_host_name() {
    for server in ["v1-other-name", "other-san", "ip-san"] {
        let case = case(server, "authority");
        assert_eq!(accepted(&case), [true, false], "{server}");
        assert!(
            verdicts(&case)[1].contains("not valid for name"),
            "{server}"
        );
    }
    for (server, host, is_for) in [
        // A wildcard matches one label.
        ("other-san", "a.example.com", true),
        ("other-san", "a.b.example.com", false),
        ("other-san", "example.com", false),
        ("cn-only", "LOCALHOST", true),
        ("cn-only", "127.0.0.1", false),
        ("v1", "localhost.example", false),
    ] {
        let mut case = case(server, "authority");
        case.host = host;
        assert_eq!(accepted(&case), [true, is_for], "{server} {host}");
    }
}

#[test]
fn untrusted_certificates_are_rejected() {
    for (server, root) in [
        ("v1", "v1-authority"),
        // An authority with the same name and another key.
        ("v1", "same-name-authority"),
        ("v1-by-v1", "authority"),
        ("v1-by-intermediate", "authority"),
        ("v1-by-no-authority", "no-authority"),
        ("self-signed", "authority"),
        ("v1-self-signed", "authority"),
        ("client-only", "authority"),
        // The certificate is not an authority, so it cannot be its own root.
        ("v1", "v1"),
    ] {
        assert_eq!(
            accepted(&case(server, root)),
            [false, false],
            "{server} {root}"
        );
    }
    let mut by_no_authority = case("v1-by-no-authority", "authority");
    by_no_authority.intermediates = vec![certificate("no-authority")];
    assert_eq!(accepted(&by_no_authority), [false, false]);
}

#[test]
fn expired_early_and_altered_certificates_are_rejected() {
    for (server, root) in [
        ("v1", "authority"),
        ("self-signed", "self-signed"),
        ("v1-self-signed", "v1-self-signed"),
        ("cn-only", "authority"),
    ] {
        let mut late = case(server, root);
        late.now = UnixTime::since_unix_epoch(Duration::from_secs(20_000_000_000));
        assert_eq!(accepted(&late), [false, false], "{server}");
        let mut early = case(server, root);
        early.now = UnixTime::since_unix_epoch(Duration::from_secs(1_000_000_000));
        assert_eq!(accepted(&early), [false, false], "{server}");
        // Every signed byte and every byte of the signature.
        let whole = certificate(server);
        let parsed = super::keys::parse(&whole).unwrap();
        let signed = parsed.tbs_certificate.as_ref().len();
        let end = whole.len() - parsed.signature_value.data.len();
        for at in (4..signed).chain(end..whole.len()) {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 1;
            let mut altered = case(server, root);
            altered.server = bytes.into();
            assert_eq!(accepted(&altered), [false, false], "{server}, byte {at}");
        }
    }
}
