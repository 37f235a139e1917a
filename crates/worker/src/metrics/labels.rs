//! The values of the worker's labels.

use std::borrow::Cow;

use exports_domain::FailureCode;
use exports_service::metrics::Label;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed,
    Failed,
    /// It failed, and there will be another.
    Retried,
    /// It was given back at shutdown.
    Released,
    LeaseLost,
    /// The database did not say; the lease decides.
    Unknown,
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cause(pub(crate) FailureCode);

/// What an attempt's time goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Queued,
    FirstRow,
    Streaming,
    UploadCompletion,
}

/// What is asked of the object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UploadOperation {
    /// A whole file at once.
    Put,
    Begin,
    Part,
    Complete,
    /// Taking back what an attempt has stored.
    Discard,
}

/// How a round of the janitor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SweepResult {
    Ok,
    Failed,
}

impl Label for Outcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[
        Self::Completed,
        Self::Failed,
        Self::Retried,
        Self::Released,
        Self::LeaseLost,
        Self::Unknown,
    ];

    fn value(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Retried => "retried",
            Self::Released => "released",
            Self::LeaseLost => "lease_lost",
            Self::Unknown => "unknown",
        })
    }
}

impl Label for Cause {
    const NAME: &'static str = "cause";
    const ALL: &'static [Self] = &{
        let mut causes = [Self(FailureCode::InternalError); FailureCode::ALL.len()];
        let mut i = 0;
        while i < causes.len() {
            causes[i] = Self(FailureCode::ALL[i]);
            i += 1;
        }
        causes
    };

    fn value(self) -> Cow<'static, str> {
        self.0.as_str().to_ascii_lowercase().into()
    }
}

impl Label for Phase {
    const NAME: &'static str = "phase";
    const ALL: &'static [Self] = &[
        Self::Queued,
        Self::FirstRow,
        Self::Streaming,
        Self::UploadCompletion,
    ];

    fn value(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Queued => "queued",
            Self::FirstRow => "first_row",
            Self::Streaming => "streaming",
            Self::UploadCompletion => "upload_completion",
        })
    }
}

impl Label for UploadOperation {
    const NAME: &'static str = "operation";
    const ALL: &'static [Self] = &[
        Self::Put,
        Self::Begin,
        Self::Part,
        Self::Complete,
        Self::Discard,
    ];

    fn value(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Put => "put",
            Self::Begin => "begin",
            Self::Part => "part",
            Self::Complete => "complete",
            Self::Discard => "discard",
        })
    }
}

impl Label for SweepResult {
    const NAME: &'static str = "result";
    const ALL: &'static [Self] = &[Self::Ok, Self::Failed];

    fn value(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
        })
    }
}
