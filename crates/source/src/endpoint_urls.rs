//! Where the endpoint URLs of an export come from.

use std::collections::HashMap;

use exports_postgres::TextRow;
use uuid::Uuid;

use crate::error::Error;
use crate::row::values;
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
    /// From the rows of [`endpoints_statement`](crate::statements::endpoints_statement).
    pub(crate) fn of(rows: Vec<TextRow>) -> Result<Self, Error> {
        let mut urls = HashMap::with_capacity(rows.len());
        for row in rows {
            let [id, url, fits] = values(row)?;
            if fits.as_deref() != Some("t") {
                return Ok(Self::InRows);
            }
            let id = id.and_then(|id| id.parse().ok());
            let id = id.ok_or(Error::UnexpectedAnswer("the endpoints query"))?;
            // The newest row counts, also if it has no URL.
            match url {
                Some(url) => urls.insert(id, url),
                None => urls.remove(&id),
            };
        }
        Ok(Self::All(urls))
    }

    /// The URL column that the rows need.
    #[must_use]
    pub fn column(&self) -> UrlColumn {
        match self {
            Self::All(_) => UrlColumn::Null,
            Self::InRows => UrlColumn::Joined,
        }
    }
}
