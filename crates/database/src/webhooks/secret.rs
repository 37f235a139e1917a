//! The secrets that sign deliveries.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The prefix of the text form, as in the Standard Webhooks specification.
const PREFIX: &str = "whsec_";
/// The specification asks for 24 to 64 bytes.
const SIZE: usize = 32;

/// A key of HMAC-SHA256. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

impl WebhookSecret {
    /// A new random secret.
    #[must_use]
    pub fn generate() -> Self {
        Self(rand::random::<[u8; SIZE]>().to_vec())
    }

    pub(super) fn stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The form in which consumers get it: `whsec_` and base64.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_256_random_bits_and_a_prefix_and_is_not_printed() {
        let secret = WebhookSecret::generate();
        assert_eq!(secret.as_bytes().len(), SIZE);
        assert_ne!(secret, WebhookSecret::generate());
        let text = secret.to_text();
        let encoded = text.strip_prefix("whsec_").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), secret.as_bytes());
        assert!(!format!("{secret:?}").contains(encoded));
    }
}
