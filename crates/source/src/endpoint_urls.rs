//! Where the endpoint URLs of an export come from.

use std::collections::HashMap;

use uuid::Uuid;

use crate::statements::UrlColumn;

/// The URLs of a project's endpoints in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointUrls {
    /// All URLs, by endpoint id; none for an endpoint without a URL. The rows have none.
    All(HashMap<Uuid, String>),
    /// They are too many or too long: the URL comes with each row.
    InRows,
}

impl EndpointUrls {
    /// The URL column that the rows need.
    #[must_use]
    pub fn column(&self) -> UrlColumn {
        match self {
            Self::All(_) => UrlColumn::Null,
            Self::InRows => UrlColumn::Joined,
        }
    }
}
