//! Signatures of the download links that the API serves itself. Buckets sign their own links: see
//! [`Store::sign`](crate::Store::sign).
//!
//! A signature is a digest of the object's key, and a MAC of this digest, the export's id and the time of expiry. So the
//! API verifies a link before it looks up anything: only who has a valid link can cause a query, or find out whether an
//! export exists. After the query, the digest shows whether the link is for the export's present object.
//!
//! The caller builds the URL and compares `expires` with the clock, because it responds differently to an invalid signature and
//! to an expired link.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Domain separation: other uses of the same key never produce these signatures.
const DOMAIN: &[u8] = b"exports file link v2";
/// The length of the digest of an object's key, in bytes. It only tells apart the objects of one export.
const DIGEST: usize = 8;
const MAC: usize = 32;

/// Signs with one secret key (HMAC-SHA256), and verifies with that and the previous one.
#[derive(Clone)]
pub struct LinkSigner {
    keyed: Hmac<Sha256>,
    /// The same with the previous key.
    previous: Option<Box<Self>>,
}

/// The object that a verified signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedObject([u8; DIGEST]);

impl SignedObject {
    /// Whether it is the object with this key.
    #[must_use]
    pub fn is(self, key: &str) -> bool {
        self == Self::of(key)
    }

    fn of(key: &str) -> Self {
        let digest = Sha256::digest(key);
        let (short, _) = digest.split_first_chunk().expect("SHA-256 has 32 bytes");
        Self(*short)
    }
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

    /// Signs a link to the file `key` of export `export_id` that is valid until `expires` (Unix seconds). Returns 80 lowercase hex
    /// digits.
    #[must_use]
    pub fn sign(&self, export_id: &str, key: &str, expires: i64) -> String {
        let object = SignedObject::of(key);
        let mac = self.mac(export_id, object, expires).finalize();
        hex::encode(object.0) + &hex::encode(mac.into_bytes())
    }

    /// The object that `signature` is for, if it is a result of [`sign`](Self::sign) for this export and time. Runs in constant
    /// time. It does not compare `expires` with the clock.
    #[must_use]
    pub fn verify(&self, export_id: &str, expires: i64, signature: &str) -> Option<SignedObject> {
        // Only one spelling of a signature is valid.
        if signature.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let bytes = hex::decode(signature).ok()?;
        let bytes: [u8; DIGEST + MAC] = bytes.try_into().ok()?;
        let (digest, mac) = bytes.split_first_chunk()?;
        let object = SignedObject(*digest);
        self.has_signed(export_id, object, expires, mac)
            .then_some(object)
    }

    fn has_signed(&self, id: &str, object: SignedObject, expires: i64, mac: &[u8]) -> bool {
        let by_this = self.mac(id, object, expires).verify_slice(mac).is_ok();
        let previous = self.previous.as_ref();
        by_this || previous.is_some_and(|it| it.has_signed(id, object, expires, mac))
    }

    fn mac(&self, export_id: &str, object: SignedObject, expires: i64) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        // Each part has a length prefix, so that different values never produce the same bytes.
        for part in [
            DOMAIN,
            export_id.as_bytes(),
            &object.0,
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

    fn verifies(signer: &LinkSigner, id: &str, key: &str, expires: i64, signature: &str) -> bool {
        let object = signer.verify(id, expires, signature);
        object.is_some_and(|object| object.is(key))
    }

    #[test]
    fn a_signature_verifies_for_the_signed_values() {
        let signer = LinkSigner::new(b"secret");
        let signature = signer.sign(ID, KEY, EXPIRES);
        assert_eq!(signature.len(), 80);
        assert!(
            signature
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        );
        assert!(verifies(&signer, ID, KEY, EXPIRES, &signature));
        assert_eq!(
            signature,
            LinkSigner::new(b"secret").sign(ID, KEY, EXPIRES),
            "the signature is deterministic"
        );
    }

    #[test]
    fn another_object_of_the_export_is_told_apart_after_verification() {
        let signer = LinkSigner::new(b"secret");
        let signature = signer.sign(ID, KEY, EXPIRES);
        let object = signer.verify(ID, EXPIRES, &signature).unwrap();
        assert!(object.is(KEY));
        assert!(!object.is("proj_1/0190a1b2/2-token.csv"));
        // The digest cannot be replaced: the MAC covers it.
        let other = signer.sign(ID, "proj_1/0190a1b2/2-token.csv", EXPIRES);
        let mixed = format!("{}{}", &other[..16], &signature[16..]);
        assert_eq!(signer.verify(ID, EXPIRES, &mixed), None);
    }

    #[test]
    fn any_changed_value_is_rejected() {
        let signer = LinkSigner::new(b"secret");
        let signature = signer.sign(ID, KEY, EXPIRES);
        let other = "0190a1b2-0000-7000-8000-000000000002";
        assert_eq!(signer.verify(other, EXPIRES, &signature), None);
        assert_eq!(signer.verify(ID, EXPIRES + 1, &signature), None);
        let stranger = LinkSigner::new(b"other");
        assert_eq!(stranger.verify(ID, EXPIRES, &signature), None);
        for at in 0..signature.len() {
            let mut forged = signature.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(signer.verify(ID, EXPIRES, &forged), None, "digit {at}");
        }
    }

    #[test]
    fn links_of_the_previous_key_are_valid_and_new_ones_have_the_current_key() {
        let (old, new) = (LinkSigner::new(b"old"), LinkSigner::new(b"new"));
        let both = new.clone().also_verifying(b"old");
        let by_old = old.sign(ID, KEY, EXPIRES);
        let valid = |signer: &LinkSigner, expires, signature: &str| {
            verifies(signer, ID, KEY, expires, signature)
        };
        assert!(valid(&both, EXPIRES, &by_old));
        assert!(!valid(&new, EXPIRES, &by_old));
        assert!(!valid(&both, EXPIRES + 1, &by_old));
        assert_eq!(both.sign(ID, KEY, EXPIRES), new.sign(ID, KEY, EXPIRES));
        assert!(valid(&both, EXPIRES, &both.sign(ID, KEY, EXPIRES)));
        let third = LinkSigner::new(b"third").sign(ID, KEY, EXPIRES);
        assert!(!valid(&both, EXPIRES, &third));
    }

    #[test]
    fn only_the_complete_lowercase_signature_is_valid() {
        let signer = LinkSigner::new(b"secret");
        let signature = signer.sign(ID, KEY, EXPIRES);
        for wrong in [
            "",
            "zz",
            &signature[..78],
            &signature[16..],
            &signature.to_uppercase(),
            &format!("{signature}00"),
        ] {
            assert_eq!(signer.verify(ID, EXPIRES, wrong), None, "{wrong:?}");
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
