//! The labels of the worker's metrics.

use exports_service::metrics::Label;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Outcome {
    Completed,
    Failed,
    /// It failed and is retried.
    Retried,
    /// It was released at shutdown.
    Released,
    /// It borrowed the reserved slot, was not quick, and was released.
    SlotReturned,
    /// The consumer canceled the export.
    Canceled,
    LeaseLost,
    /// The database did not answer before the lease expired.
    Unknown,
}

/// How an attempt to deliver a webhook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum DeliveryOutcome {
    Delivered,
    /// It failed and is retried.
    Retried,
    /// It failed, and no attempt is left.
    Failed,
    /// Its webhook is disabled.
    Dropped,
    /// It was released at shutdown.
    Released,
    LeaseLost,
    /// The database did not record the result.
    Unknown,
}

/// The phases of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Phase {
    Queued,
    FirstRow,
    Streaming,
    UploadCompletion,
}

/// The requests to the object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum UploadOperation {
    /// The whole file in one request.
    Put,
    Begin,
    Part,
    Complete,
    /// Abort an upload and delete its object.
    Discard,
}

/// How a sweep of the janitor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum SweepResult {
    Ok,
    Failed,
}

impl Label for Outcome {
    const NAME: &'static str = "outcome";
}

impl Label for DeliveryOutcome {
    const NAME: &'static str = "outcome";
}

impl Label for Phase {
    const NAME: &'static str = "phase";
}

impl Label for UploadOperation {
    const NAME: &'static str = "operation";
}

impl Label for SweepResult {
    const NAME: &'static str = "result";
}
