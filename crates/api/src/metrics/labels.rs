//! The values of labels.

use exports_service::metrics::Label;

/// The result of a database query for an API key.
#[derive(Debug, Clone, Copy, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum KeyLookup {
    /// The key is valid.
    Confirmed,
    /// There is no such key, or it is revoked or expired.
    Unknown,
    /// The query failed.
    Failed,
}

impl Label for KeyLookup {
    const NAME: &'static str = "result";
}

/// Why an API key was refused without a database query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum KeyRefusal {
    /// It was refused a moment ago.
    Remembered,
    /// Too many unknown keys.
    Budget,
}

impl Label for KeyRefusal {
    const NAME: &'static str = "reason";
}
