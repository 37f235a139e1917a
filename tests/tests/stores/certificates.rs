//! A store with a certificate of a private certificate authority.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use exports_objects::{Store, StoreConfig};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

fn file(name: &str) -> String {
    format!("{}/certificates/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Starts a TLS server that answers every request with an empty list. It ends with the test process.
fn serve() -> u16 {
    // An error means that another test has installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain = CertificateDer::pem_file_iter(file("server.pem")).unwrap();
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(tls, connection.unwrap());
            // A client that does not trust the certificate disconnects.
            if stream.read(&mut [0; 8192]).is_ok() {
                let list = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
                let length = list.len();
                let head =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}");
                stream
                    .write_all(format!("{head}\r\n\r\n{list}").as_bytes())
                    .unwrap();
            }
        }
    });
    port
}

fn open(port: u16, bundle: Option<String>) -> Result<Store, exports_objects::OpenError> {
    let config = StoreConfig {
        url: "s3://exports".to_owned(),
        public_endpoint: None,
    };
    let endpoint = format!("https://localhost:{port}");
    let variables = [
        ("AWS_ENDPOINT_URL", Some(endpoint)),
        ("AWS_ACCESS_KEY_ID", Some("key".to_owned())),
        ("AWS_SECRET_ACCESS_KEY", Some("secret".to_owned())),
        ("AWS_CA_BUNDLE", bundle),
    ];
    let variables = variables
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Store::open_with(&config, variables)
}

#[tokio::test]
async fn aws_ca_bundle_makes_a_private_authority_trusted() {
    let port = serve();
    let trusted = open(port, Some(format!("{}\n", file("ca.pem")))).unwrap();
    trusted.check().await.unwrap();
    for bundle in [None, Some(file("other-ca.pem"))] {
        let error = open(port, bundle).unwrap().check().await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[test]
fn an_unusable_ca_bundle_is_reported_by_variable_name() {
    for (bundle, reason) in [
        ("server.key", "no certificate"),
        ("nowhere", "it does not exist"),
    ] {
        let refused = open(9, Some(file(bundle))).unwrap_err().to_string();
        assert!(refused.starts_with("AWS_CA_BUNDLE: "), "{refused}");
        assert!(refused.contains(reason), "{refused}");
    }
}
