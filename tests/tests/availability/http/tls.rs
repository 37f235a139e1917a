//! HTTPS on the API's own port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use exports_tests::{Process, TIMEOUT, eventually, http_client, program};
use reqwest::{Certificate, Client, Version};
use tempfile::TempDir;

use super::support::{address, environment, fixture};

fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("certificates");
    folder.join(name)
}

/// The files of the API, which are replaced.
struct Files(TempDir);

impl Files {
    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn set(&self, certificate: &str, key: &str) {
        std::fs::copy(file(certificate), self.path("tls.crt")).unwrap();
        std::fs::copy(file(key), self.path("tls.key")).unwrap();
    }
}

/// Requests over a new connection that trusts only this authority.
async fn get(authority: &str, host: &str, address: SocketAddr) -> reqwest::Result<Version> {
    // Installs the provider of cryptography.
    drop(http_client());
    let pem = std::fs::read(file(authority)).unwrap();
    let client = Client::builder()
        .tls_certs_only([Certificate::from_pem(&pem).unwrap()])
        .resolve("localhost", address)
        .no_proxy()
        .build()?;
    let url = format!("https://{host}:{}/healthz", address.port());
    let response = client.get(url).send().await?;
    assert_eq!(response.status(), 200);
    Ok(response.version())
}

#[tokio::test]
async fn https_is_served_and_a_new_certificate_is_used_without_a_restart() {
    let fixture = fixture().await;
    let files = Files(TempDir::new().unwrap());
    files.set("server.pem", "server.key");
    let (certificate, key) = (files.path("tls.crt"), files.path("tls.key"));
    let tls = [
        ("EXPORTS_TLS_CERT", &*certificate),
        ("EXPORTS_TLS_KEY", &key),
    ];
    let mut api = Process::start("exports-api", &[], environment(&fixture, &tls));
    let base = api.wait_for_address().await;
    assert!(base.starts_with("https://"), "{base}");
    let address = address(&mut api).await;
    let version = get("ca.pem", "localhost", address).await.unwrap();
    assert_eq!(version, Version::HTTP_11);
    get("other-ca.pem", "localhost", address).await.unwrap_err();
    let plain = http_client().get(format!("http://{address}/healthz"));
    plain.send().await.unwrap_err();
    assert!(healthcheck(address, &tls), "the probe speaks HTTPS");
    assert!(!healthcheck(address, &[]), "the probe does not speak HTTPS");

    files.set("libpq/ip-san.pem", "libpq/leaf.key");
    eventually("the new certificate is used", TIMEOUT, async || {
        get("libpq/authority.pem", "127.0.0.1", address).await.ok()
    })
    .await;

    files.set("libpq/ip-san.pem", "libpq/rsa.key");
    api.wait_for_line("the previous pair stays in use").await;
    get("libpq/authority.pem", "127.0.0.1", address)
        .await
        .unwrap();
    files.set("server.pem", "server.key");
    eventually("the first certificate is used again", TIMEOUT, async || {
        get("ca.pem", "localhost", address).await.ok()
    })
    .await;
    let log = api.log();
    assert_eq!(
        log.matches("the previous pair stays in use").count(),
        1,
        "{log}"
    );
    api.terminate();
    assert_eq!(api.wait().await.code(), Some(0));
}

/// Whether `exports-api healthcheck` finds the API ready.
fn healthcheck(address: SocketAddr, variables: &[(&str, &str)]) -> bool {
    let mut command = Command::new(program("exports-api"));
    command.env_clear().envs(variables.iter().copied());
    command.env("EXPORTS_LISTEN", address.to_string());
    let output = command.arg("healthcheck").output().unwrap();
    output.status.success()
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused_in_one_line() {
    let fixture = fixture().await;
    let (certificate, key) = (file("server.pem"), file("libpq/leaf.key"));
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    for (variables, line) in [
        (
            vec![("EXPORTS_TLS_CERT", certificate)],
            "EXPORTS_TLS_KEY must be set with EXPORTS_TLS_CERT",
        ),
        (
            vec![("EXPORTS_TLS_CERT", certificate), ("EXPORTS_TLS_KEY", key)],
            "does not belong to the certificate of EXPORTS_TLS_CERT",
        ),
    ] {
        let mut api = Process::start("exports-api", &[], environment(&fixture, &variables));
        assert_eq!(api.wait().await.code(), Some(1));
        assert_eq!(api.log().lines().count(), 1, "{}", api.log());
        assert!(api.log().contains(line), "{}", api.log());
    }
}
