//! HTTPS: the certificate of the receiver is verified.

use std::path::Path;
use std::sync::Arc;

use exports_tests::Fixture;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio_rustls::TlsAcceptor;

use crate::receiver::{Answer, Receiver};
use crate::support::{create, fixture, path, until_delivery};

pub(crate) fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("certificates");
    folder.join(name).to_str().unwrap().to_owned()
}

/// A receiver with the certificate of `localhost`.
pub(crate) async fn receiver() -> Receiver {
    let chain = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    Receiver::serve(Some(tls), |_| Answer::Status(200)).await
}

async fn test_with(ca: &str, status: &str) -> (Fixture, Receiver) {
    let fixture = fixture()
        .worker_env("SSL_CERT_FILE", &file(ca))
        .start()
        .await;
    let receiver = receiver().await;
    let url = format!("https://localhost:{}/webhooks?of=tests", receiver.port());
    let (id, _) = create(&fixture, &url, &["export.completed"]).await;
    let test = format!("{}/test", path(&id));
    assert_eq!(fixture.api().post(&test, &json!({})).await.status, 202);
    until_delivery(&fixture, &id, status).await;
    (fixture, receiver)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_with_a_trusted_certificate_is_delivered_to() {
    let (_fixture, receiver) = test_with("ca.pem", "delivered").await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_with_an_unknown_authority_gets_nothing() {
    let (fixture, receiver) = test_with("other-ca.pem", "failed").await;
    assert!(receiver.received().is_empty());
    let error = fixture
        .database()
        .value("SELECT error FROM webhook_deliveries")
        .await;
    assert!(error.as_str().unwrap().contains("certificate"), "{error}");
}
