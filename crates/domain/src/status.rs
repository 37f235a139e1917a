//! The names of the states and which may follow which.

use crate::filter::UnknownName;

/// The state of an export, as a name: what the API shows and the database stores.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(
    serialize_all = "snake_case",
    parse_err_ty = UnknownName,
    parse_err_fn = UnknownName::among::<ExportStatus>
)]
pub enum ExportStatus {
    /// Queued; no worker holds it.
    Pending,
    /// A worker holds its lease and writes the file.
    Processing,
    /// The file is ready.
    Completed,
    /// There is no file and there will be none.
    Failed,
    /// There was a file; it is gone.
    Expired,
}

impl ExportStatus {
    /// Every status, in the order of an export's life.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;
    /// Their names.
    pub const NAMES: &'static [&'static str] = <Self as strum::VariantNames>::VARIANTS;

    /// The name in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether an export in this state may go to `next` in one step.
    ///
    /// `processing → processing` is the takeover of a lease that ended; `processing → pending` a
    /// retry, a release at shutdown, or an operator's doing; `pending → pending` an operator's too,
    /// who does not want to wait; `pending → failed` one who ends it. Nothing leaves `failed`: its
    /// consumer may have seen it and have asked for another.
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

    /// Whether nothing but the end of the file can happen to it any more. Only such an export can
    /// be deleted.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::Processing => false,
            Self::Completed | Self::Failed | Self::Expired => true,
        }
    }
}
