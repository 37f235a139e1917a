//! Where the endpoint URLs of an export come from.

use std::collections::HashMap;

use uuid::Uuid;

use crate::statements::UrlColumn;

/// The URLs of a project's endpoints in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointUrls {
    /// All URLs, by endpoint id. The rows have none.
    All(HashMap<Uuid, String>),
    /// There are too many: the URL comes with each row.
    InRows,
}

impl EndpointUrls {
    pub(crate) fn column(&self) -> UrlColumn {
        match self {
            Self::All(_) => UrlColumn::Null,
            Self::InRows => UrlColumn::Joined,
        }
    }
}
