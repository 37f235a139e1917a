//! Ids and their text forms.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// An invalid id. The message says the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a project id.
    #[error("must be proj_ followed by 1 to 64 letters, digits, '_' or '-'")]
    Project,
    /// Not a UUID.
    #[error("must be a UUID")]
    Uuid,
    /// Not the id of an outbound endpoint.
    #[error("must be in format ep_xxx: ep_ followed by 32 hex digits")]
    OutboundEndpoint,
}

/// A tenant's project: `proj_` and 1 to 64 ASCII letters, digits, `_` or `-`.
///
/// These characters need no escaping in an object key or in SQL text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectId(String);

impl ProjectId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProjectId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let name = text.strip_prefix("proj_").ok_or(IdError::Project)?;
        let fits = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::Project)
        }
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of an export. Generated ids are UUIDv7, but every UUID is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExportId(pub Uuid);

impl ExportId {
    /// A new id. Ids ascend with time.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl FromStr for ExportId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_hyphenated(text).map(Self)
    }
}

impl fmt::Display for ExportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The id of an endpoint. Requests write an outbound one as `ep_` and 32 hex digits, and an inbound one
/// as a plain UUID. Both are stored and shown as plain UUIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub Uuid);

impl EndpointId {
    /// Parses the form of outbound endpoints in requests.
    pub fn parse_outbound(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix("ep_").ok_or(IdError::OutboundEndpoint)?;
        if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(IdError::OutboundEndpoint);
        }
        Uuid::try_parse(digits)
            .map(Self)
            .map_err(|_| IdError::OutboundEndpoint)
    }

    /// Parses the form of inbound endpoints in requests.
    pub fn parse_inbound(text: &str) -> Result<Self, IdError> {
        parse_hyphenated(text).map(Self)
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The id of an API key: the id of its row, which is no secret and may be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub Uuid);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The fencing token of a lease. Each claim generates a random one, so a worker that lost its lease
/// cannot write any more. Exports that are claimed together have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseToken(pub Uuid);

impl LeaseToken {
    /// A new token.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }
}

/// Accepts only the hyphenated form. `Uuid::try_parse` alone also accepts braces, `urn:uuid:` and bare
/// digits.
pub(crate) fn parse_hyphenated(text: &str) -> Result<Uuid, IdError> {
    if text.len() != 36 {
        return Err(IdError::Uuid);
    }
    Uuid::try_parse(text).map_err(|_| IdError::Uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_ids_that_need_escaping_in_object_keys_are_rejected() {
        assert!("proj_abc123".parse::<ProjectId>().is_ok());
        for bad in [
            "", "proj_", "abc", "proj_a/b", "proj_..", "proj_é", "PROJ_a",
        ] {
            assert_eq!(bad.parse::<ProjectId>(), Err(IdError::Project), "{bad:?}");
        }
        assert!(
            format!("proj_{}", "a".repeat(64))
                .parse::<ProjectId>()
                .is_ok()
        );
        assert!(
            format!("proj_{}", "a".repeat(65))
                .parse::<ProjectId>()
                .is_err()
        );
    }

    #[test]
    fn an_export_id_is_a_hyphenated_uuid() {
        let id: ExportId = "01935abc-def0-7123-4567-890abcdef012".parse().unwrap();
        assert_eq!(id.to_string(), "01935abc-def0-7123-4567-890abcdef012");
        assert!(
            "01935abc-def0-7123-4567-890abcdef01"
                .parse::<ExportId>()
                .is_err()
        );
        assert!(
            "{01935abc-def0-7123-4567-890abcdef012}"
                .parse::<ExportId>()
                .is_err()
        );
    }

    #[test]
    fn outbound_endpoint_ids_require_the_prefix_and_inbound_ids_reject_it() {
        let digits = "550e8400e29b41d4a716446655440000";
        let plain = "550e8400-e29b-41d4-a716-446655440000";
        assert_eq!(
            EndpointId::parse_outbound(&format!("ep_{digits}"))
                .unwrap()
                .to_string(),
            plain
        );
        assert!(EndpointId::parse_outbound(plain).is_err());
        assert!(EndpointId::parse_outbound(&format!("ep_{plain}")).is_err());
        assert!(EndpointId::parse_outbound(digits).is_err());
        assert!(EndpointId::parse_inbound(plain).is_ok());
        assert!(EndpointId::parse_inbound(&format!("ep_{digits}")).is_err());
    }
}
