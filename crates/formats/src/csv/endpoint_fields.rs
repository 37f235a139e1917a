//! The cells of a row that say which endpoint it is about: its id and its URL.

use std::collections::HashMap;

use exports_domain::Direction;
use uuid::Uuid;

use super::fields;
use super::text::{self, PassOn};

/// Where the URL of a row's endpoint comes from.
#[derive(Debug)]
pub enum UrlSource {
    /// All of the project's endpoints.
    Map(EndpointFields),
    /// The row.
    Row,
}

/// The cells of each endpoint of a project, written once, copied into every row that is about it.
#[derive(Debug)]
pub struct EndpointFields(HashMap<u128, Box<[u8]>, foldhash::fast::RandomState>);

impl EndpointFields {
    /// Of endpoints of this direction, by their ids.
    #[must_use]
    pub fn new(direction: Direction, urls: &HashMap<Uuid, String>) -> Self {
        Self(
            urls.iter()
                .map(|(id, url)| {
                    let mut cells = Vec::new();
                    let id_bytes = Some(*id.as_bytes());
                    push(&mut cells, direction, id_bytes, Some(url), &mut |_| {});
                    (id.as_u128(), cells.into_boxed_slice())
                })
                .collect(),
        )
    }

    fn get(&self, id: [u8; 16]) -> Option<&[u8]> {
        self.0.get(&u128::from_be_bytes(id)).map(AsRef::as_ref)
    }
}

impl UrlSource {
    /// Writes both cells, each with the comma behind it. `url` is what the row brings.
    pub(super) fn push(
        &self,
        csv: &mut Vec<u8>,
        direction: Direction,
        id: Option<[u8; 16]>,
        url: Option<&str>,
        pass_on: &mut PassOn<'_>,
    ) {
        match self {
            Self::Row => push(csv, direction, id, url, pass_on),
            Self::Map(known) => match id.and_then(|id| known.get(id)) {
                Some(cells) => csv.extend_from_slice(cells),
                None => push(csv, direction, id, None, pass_on),
            },
        }
    }
}

fn push(
    csv: &mut Vec<u8>,
    direction: Direction,
    id: Option<[u8; 16]>,
    url: Option<&str>,
    pass_on: &mut PassOn<'_>,
) {
    match direction {
        Direction::Outbound => fields::push_outbound_endpoint(csv, id),
        Direction::Inbound => fields::push_uuid(csv, id),
    }
    text::push_free_text(csv, url.unwrap_or_default().as_bytes(), pass_on);
    csv.push(b',');
}
