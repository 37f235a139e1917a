//! The two fields of a row that describe its endpoint: id and URL.

use std::collections::HashMap;

use exports_domain::Direction;
use uuid::Uuid;

use super::text::{self, Dialect};
use crate::{Flush, fields};

/// Writes the endpoint fields of rows.
#[derive(Debug)]
pub struct EndpointFields(Urls);

#[derive(Debug)]
enum Urls {
    /// The encoded fields of every endpoint, by its id: encoded once, copied into each row.
    Known(HashMap<u128, Box<[u8]>, foldhash::fast::RandomState>),
    /// Each row contains its URL.
    InRows,
}

impl EndpointFields {
    /// The URLs of all endpoints are known. `urls` must have all endpoints of this direction; each is
    /// dropped when it is encoded.
    #[must_use]
    pub fn known(direction: Direction, urls: impl IntoIterator<Item = (Uuid, String)>) -> Self {
        let encode = |(id, url): (Uuid, String)| {
            let mut fields = Vec::new();
            let bytes = Some(id.into_bytes());
            push_fields(&mut fields, direction, bytes, Some(&url), &mut |_| {});
            (id.as_u128(), fields.into_boxed_slice())
        };
        Self(Urls::Known(urls.into_iter().map(encode).collect()))
    }

    /// The rows contain the URLs.
    #[must_use]
    pub fn from_rows() -> Self {
        Self(Urls::InRows)
    }

    /// Writes both fields, each with a comma after it. `url` is the URL in the row.
    pub(super) fn push(
        &self,
        csv: &mut Vec<u8>,
        direction: Direction,
        id: Option<[u8; 16]>,
        url: Option<&str>,
        flush: &mut Flush<'_>,
    ) {
        match &self.0 {
            Urls::InRows => push_fields(csv, direction, id, url, flush),
            Urls::Known(known) => match id.and_then(|id| known.get(&u128::from_be_bytes(id))) {
                Some(fields) => text::push_encoded(csv, fields, flush),
                None => push_fields(csv, direction, id, None, flush),
            },
        }
    }
}

fn push_fields(
    csv: &mut Vec<u8>,
    direction: Direction,
    id: Option<[u8; 16]>,
    url: Option<&str>,
    flush: &mut Flush<'_>,
) {
    match direction {
        Direction::Outbound => fields::push_outbound_endpoint(csv, id),
        Direction::Inbound => fields::push_uuid(csv, id),
    }
    text::push_free_text(
        csv,
        url.unwrap_or_default().as_bytes(),
        Dialect::PLAIN,
        flush,
    );
    csv.push(b',');
}
