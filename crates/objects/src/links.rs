//! Signatures of the links to files in a directory, which the API serves itself.
//!
//! Owns what is signed and how it is compared; not the URL around it, and not the clock: whether `expires` is past is for
//! the caller, who answers a forged link and an expired one differently. Buckets sign their own links: see
//! [`Store::sign`](crate::Store::sign).

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Keeps these signatures apart from anything else that is ever signed with the same key.
const DOMAIN: &[u8] = b"exports file link v1";

/// Signs and verifies with one secret key (HMAC-SHA256).
#[derive(Clone)]
pub struct LinkSigner {
    keyed: Hmac<Sha256>,
}

impl LinkSigner {
    /// A signer with this key. How long a key must be is for the settings to say.
    #[must_use]
    pub fn new(signing_key: &[u8]) -> Self {
        let keyed = Hmac::new_from_slice(signing_key).expect("HMAC takes a key of any length");
        Self { keyed }
    }

    /// The signature, 64 lowercase hex digits, of a link to the file `key` of export `export_id` that is good until
    /// `expires` (Unix seconds).
    #[must_use]
    pub fn sign(&self, export_id: &str, key: &str, expires: i64) -> String {
        hex::encode(self.mac(export_id, key, expires).finalize().into_bytes())
    }

    /// Whether `signature` was made by [`sign`](Self::sign) for exactly these values. Takes the same time wherever the
    /// difference is. Says nothing about the time: compare `expires` with the clock as well.
    #[must_use]
    pub fn verify(&self, export_id: &str, key: &str, expires: i64, signature: &str) -> bool {
        // One spelling only: a link that verifies is the link that was given out.
        if signature.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return false;
        }
        match hex::decode(signature) {
            Ok(tag) => self.mac(export_id, key, expires).verify_slice(&tag).is_ok(),
            Err(_) => false,
        }
    }

    fn mac(&self, export_id: &str, key: &str, expires: i64) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        // Each part is preceded by its length, so that no two different triples give the same bytes.
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
    fn a_signature_verifies_for_what_it_was_made_for() {
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
            "other processes agree"
        );
    }

    #[test]
    fn any_changed_part_is_refused() {
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
    fn only_the_whole_lowercase_signature_counts() {
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
    fn bytes_cannot_move_between_parts() {
        let signer = LinkSigner::new(b"secret");
        assert_ne!(signer.sign("ab", "c", 1), signer.sign("a", "bc", 1));
        assert_ne!(signer.sign("", "abc", 1), signer.sign("abc", "", 1));
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(
            format!("{:?}", LinkSigner::new(b"secret")),
            "LinkSigner { .. }"
        );
    }
}
