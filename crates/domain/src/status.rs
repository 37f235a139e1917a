//! The states of an export and the transitions between them.

use crate::named_enum::named_enum;

named_enum! {
    /// The status of an export, as in the API and in the database.
    enum ExportStatus: "snake_case" {
        /// Queued; no worker holds it.
        Pending,
        /// A worker holds its lease and writes the file.
        Processing,
        /// The file is ready.
        Completed,
        /// Permanently failed: there is no file.
        Failed,
        /// The file was deleted after `expires_at`.
        Expired,
    }
}

impl ExportStatus {
    /// Whether `next` is a valid transition.
    ///
    /// `processing → processing` is the takeover of an expired lease. `processing → pending` is a retry, a
    /// release at shutdown, or an operator's override. `pending → pending` is an override too. `pending →
    /// failed` is a cancel by the consumer, or an override. `failed` is final: the consumer may have seen it
    /// and created another export.
    #[must_use]
    pub const fn can_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Pending | Self::Processing, Self::Pending | Self::Processing | Self::Failed)
            | (Self::Processing, Self::Completed)
            | (Self::Completed, Self::Expired) => true,
            (Self::Pending, Self::Completed | Self::Expired)
            | (Self::Processing, Self::Expired)
            | (
                Self::Completed,
                Self::Pending | Self::Processing | Self::Completed | Self::Failed,
            )
            | (Self::Failed | Self::Expired, _) => false,
        }
    }

    /// Whether the export has ended. Only such an export can be deleted.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::Processing => false,
            Self::Completed | Self::Failed | Self::Expired => true,
        }
    }
}
