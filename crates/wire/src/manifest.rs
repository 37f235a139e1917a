//! The manifest of an export: which files were delivered, with their sizes and digests, optionally signed.
//!
//! The signature is over the manifest without the member `signature`, in the canonical form of RFC 8785 (JSON
//! Canonicalization Scheme).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use exports_domain::time::to_wire;
use exports_domain::{Export, ExportState};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::export_files::FileJson;
use crate::export_json::ExportJson;

/// What comes before the 32 bytes of an Ed25519 key in its `SubjectPublicKeyInfo` (RFC 8410).
const PUBLIC_KEY_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The manifest of a completed export
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportManifest)]
pub struct ManifestJson {
    export: ExportJson,
    /// All files of the export, in order; one, unless it is split
    files: Vec<FileJson>,
    /// When the manifest was made
    #[schema(format = DateTime, example = "2025-12-06T12:10:00Z")]
    generated_at: String,
    /// The Ed25519 signature in Base64, if the service has a key for it: over this object without `signature`, in the
    /// canonical form of RFC 8785
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

impl ManifestJson {
    /// The manifest of a completed export; `None` in any other state.
    #[must_use]
    pub fn of(
        export: &Export,
        generated_at: DateTime<Utc>,
        key: Option<&ManifestKey>,
    ) -> Option<Self> {
        let ExportState::Completed(file) = &export.state else {
            return None;
        };
        let mut manifest = Self {
            export: ExportJson::from(export),
            files: FileJson::all_of(export, file),
            generated_at: to_wire(generated_at),
            signature: None,
        };
        if let Some(key) = key {
            let value = serde_json::to_value(&manifest).expect("the keys of all objects are texts");
            manifest.signature = Some(key.sign(&signed_bytes(value)));
        }
        Some(manifest)
    }
}

/// The bytes of a manifest that its signature is over.
///
/// For the values of a manifest, `serde_json` writes what RFC 8785 demands: numbers are integers, and texts have only the
/// escapes that they need. The order of names is that of UTF-16, which for ASCII names is that of bytes.
#[must_use]
pub fn signed_bytes(mut manifest: Value) -> Vec<u8> {
    if let Value::Object(members) = &mut manifest {
        members.remove("signature");
    }
    let mut canonical = String::new();
    push_canonical(&mut canonical, &manifest);
    canonical.into_bytes()
}

/// Sorts the names itself: whether `serde_json` does depends on the features of other crates in the build.
fn push_canonical(text: &mut String, value: &Value) {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<_, _> = members.iter().collect();
            let mut separator = '{';
            for (name, value) in &sorted {
                text.push(separator);
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                push_canonical(text, value);
                separator = ',';
            }
            text.push_str(if sorted.is_empty() { "{}" } else { "}" });
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                push_canonical(text, item);
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

/// A key that is no Ed25519 key in PEM. The message says the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No private key.
    #[error(
        "must be an Ed25519 private key in PEM (PKCS #8), as 'openssl genpkey -algorithm ed25519' writes it"
    )]
    Private,
    /// No public key.
    #[error(
        "must be an Ed25519 public key in PEM, as /.well-known/exports-manifest-key returns it"
    )]
    Public,
}

/// The private key that signs manifests.
#[derive(Debug)]
pub struct ManifestKey(Ed25519KeyPair);

impl ManifestKey {
    /// Parses a key in PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key =
            PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::Private)?;
        // OpenSSL writes keys without the public part.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der());
        pair.map(Self).map_err(|_| KeyError::Private)
    }

    fn sign(&self, bytes: &[u8]) -> String {
        STANDARD.encode(self.0.sign(bytes))
    }

    /// The public key in PEM.
    #[must_use]
    pub fn public_pem(&self) -> String {
        let key = [&PUBLIC_KEY_PREFIX, self.0.public_key().as_ref()].concat();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(key)
        )
    }
}

/// The public key that verifies manifests.
#[derive(Debug)]
pub struct ManifestPublicKey(UnparsedPublicKey<Vec<u8>>);

impl ManifestPublicKey {
    /// Parses a key in PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| KeyError::Public)?;
        match der.strip_prefix(&PUBLIC_KEY_PREFIX) {
            Some(key) if key.len() == 32 => {
                Ok(Self(UnparsedPublicKey::new(&ED25519, key.to_vec())))
            }
            _ => Err(KeyError::Public),
        }
    }

    /// Whether the signature, in Base64, is over these bytes and by this key.
    #[must_use]
    pub fn verifies(&self, bytes: &[u8], signature: &str) -> bool {
        let signature = STANDARD.decode(signature);
        signature.is_ok_and(|signature| self.0.verify(bytes, &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As `openssl genpkey -algorithm ed25519` wrote it.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIFHKNQJ8z4Lq26RbvgAXGqxW9r9IC93IJUIsc7wrUe/q\n\
        -----END PRIVATE KEY-----\n";
    /// Of the same key, as `openssl pkey -pubout` wrote it.
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAj8msiWHlUVmEGZTLlN0aRAvbivuO1UnBryIa/3KrSnE=\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn the_canonical_form_is_that_of_rfc_8785() {
        let manifest = json!({
            "signature": "x",
            "files": [{"number": 2, "name": "\u{e9}\u{1f600}\"\\/\u{7f}\u{8}\t\n\u{1f}"}],
            "export": {"b": false, "a": 9_007_199_254_740_991_u64, "c": {}, "d": []},
        });
        let expected = "{\"export\":{\"a\":9007199254740991,\"b\":false,\"c\":{},\"d\":[]},\
            \"files\":[{\"name\":\"\u{e9}\u{1f600}\\\"\\\\/\u{7f}\\b\\t\\n\\u001f\",\"number\":2}]}";
        assert_eq!(String::from_utf8(signed_bytes(manifest)).unwrap(), expected);
    }

    #[test]
    fn a_signature_is_valid_only_for_its_bytes_and_its_key() {
        let key = ManifestKey::from_pem(PRIVATE).unwrap();
        assert_eq!(key.public_pem(), PUBLIC);
        let public = ManifestPublicKey::from_pem(PUBLIC).unwrap();
        let signature = key.sign(b"{}");
        assert!(public.verifies(b"{}", &signature));
        assert!(!public.verifies(b"{ }", &signature));
        for other in ["", "!", "AAAA", &signature[4..]] {
            assert!(!public.verifies(b"{}", other), "{other}");
        }
    }

    #[test]
    fn other_texts_are_no_keys() {
        for pem in ["", "text", PUBLIC] {
            assert_eq!(ManifestKey::from_pem(pem).unwrap_err(), KeyError::Private);
        }
        for pem in ["", "text", PRIVATE] {
            assert_eq!(
                ManifestPublicKey::from_pem(pem).unwrap_err(),
                KeyError::Public
            );
        }
    }
}
