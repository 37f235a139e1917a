//! Signatures of the download links that the API serves itself. Buckets sign their own links: see
//! [`Store::sign`](crate::Store::sign).
//!
//! The caller builds the URL and compares `expires` with the clock, because it responds differently to an invalid signature and
//! to an expired link.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Domain separation: other uses of the same key never produce these signatures.
const DOMAIN: &[u8] = b"exports file link v1";

/// Signs with one secret key (HMAC-SHA256), and verifies with that and the previous one.
#[derive(Clone)]
pub struct LinkSigner {
    keyed: Hmac<Sha256>,
    /// The same with the previous key.
    previous: Option<Box<Self>>,
}

impl LinkSigner {
    /// Creates a signer with this key. The settings enforce its minimum length.
    #[must_use]
    pub fn new(signing_key: &[u8]) -> Self {
        let keyed = Hmac::new_from_slice(signing_key).expect("HMAC takes a key of any length");
        Self {
            keyed,
            previous: None,
        }
    }

    /// Also accepts what `previous_key` has signed, so that links stay valid when the key is replaced.
    #[must_use]
    pub fn also_verifying(self, previous_key: &[u8]) -> Self {
        Self {
            previous: Some(Box::new(Self::new(previous_key))),
            ..self
        }
    }

    /// Signs a link to the file `key` of export `export_id` that is valid until `expires` (Unix seconds). Returns 64 lowercase hex
    /// digits.
    #[must_use]
    pub fn sign(&self, export_id: &str, key: &str, expires: i64) -> String {
        hex::encode(self.mac(export_id, key, expires).finalize().into_bytes())
    }

    /// Whether `signature` is the result of [`sign`](Self::sign) for these values. Runs in constant time. It does not compare
    /// `expires` with the clock.
    #[must_use]
    pub fn verify(&self, export_id: &str, key: &str, expires: i64, signature: &str) -> bool {
        // Only one spelling of a signature is valid.
        if signature.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return false;
        }
        match hex::decode(signature) {
            Ok(tag) => self.has_signed(export_id, key, expires, &tag),
            Err(_) => false,
        }
    }

    fn has_signed(&self, export_id: &str, key: &str, expires: i64, tag: &[u8]) -> bool {
        let by_this = self.mac(export_id, key, expires).verify_slice(tag).is_ok();
        let previous = self.previous.as_ref();
        by_this || previous.is_some_and(|it| it.has_signed(export_id, key, expires, tag))
    }

    fn mac(&self, export_id: &str, key: &str, expires: i64) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        // Each part has a length prefix, so that different values never produce the same bytes.
        for part in [
            DOMAIN,
            export_id.as_bytes(),
            key.as_bytes(),
            &expires.to_be_bytes(),
        ] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for LinkSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkSigner").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190a1b2-0000-7000-8000-000000000001";
    const KEY: &str = "proj_1/0190a1b2/1-token.csv";
    const EXPIRES: i64 = 1_790_000_000;

    #[test]
    fn a_signature_verifies_for_the_signed_values() {
        let signer = LinkSigner::new(b"secret");
        let signature = signer.sign(ID, KEY, EXPIRES);
        assert_eq!(signature.len(), 64);
        assert!(
            signature
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        );
        assert!(signer.verify(ID, KEY, EXPIRES, &signature));
        assert_eq!(
            signature,
            LinkSigner::new(b"secret").sign(ID, KEY, EXPIRES),
            "the signature is deterministic"
        );
    }

    #[test]
    fn any_changed_value_is_rejected() {
        let signer = LinkSigner::new(b"secret");
        let signature = signer.sign(ID, KEY, EXPIRES);
        assert!(!signer.verify(
            "0190a1b2-0000-7000-8000-000000000002",
            KEY,
            EXPIRES,
            &signature
        ));
        assert!(!signer.verify(ID, "proj_1/0190a1b2/2-token.csv", EXPIRES, &signature));
        assert!(!signer.verify(ID, KEY, EXPIRES + 1, &signature));
        assert!(!LinkSigner::new(b"other").verify(ID, KEY, EXPIRES, &signature));
        for at in 0..signature.len() {
            let mut forged = signature.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(!signer.verify(ID, KEY, EXPIRES, &forged), "digit {at}");
        }
    }

    #[test]
    fn links_of_the_previous_key_are_valid_and_new_ones_have_the_current_key() {
        let (old, new) = (LinkSigner::new(b"old"), LinkSigner::new(b"new"));
        let both = new.clone().also_verifying(b"old");
        let by_old = old.sign(ID, KEY, EXPIRES);
        assert!(both.verify(ID, KEY, EXPIRES, &by_old));
        assert!(!new.verify(ID, KEY, EXPIRES, &by_old));
        assert!(!both.verify(ID, KEY, EXPIRES + 1, &by_old));
        assert_eq!(both.sign(ID, KEY, EXPIRES), new.sign(ID, KEY, EXPIRES));
        assert!(both.verify(ID, KEY, EXPIRES, &both.sign(ID, KEY, EXPIRES)));
        let third = LinkSigner::new(b"third").sign(ID, KEY, EXPIRES);
        assert!(!both.verify(ID, KEY, EXPIRES, &third));
    }

    #[test]
    fn only_the_complete_lowercase_signature_is_valid() {
        let signer = LinkSigner::new(b"secret");
        let signature = signer.sign(ID, KEY, EXPIRES);
        for wrong in [
            "",
            "zz",
            &signature[..62],
            &signature.to_uppercase(),
            &format!("{signature}00"),
        ] {
            assert!(!signer.verify(ID, KEY, EXPIRES, wrong), "{wrong:?}");
        }
    }

    #[test]
    fn the_signature_separates_the_id_from_the_key() {
        let signer = LinkSigner::new(b"secret");
        assert_ne!(signer.sign("ab", "c", 1), signer.sign("a", "bc", 1));
        assert_ne!(signer.sign("", "abc", 1), signer.sign("abc", "", 1));
    }

    #[test]
    fn debug_output_hides_the_key() {
        assert_eq!(
            format!("{:?}", LinkSigner::new(b"secret")),
            "LinkSigner { .. }"
        );
    }
}
