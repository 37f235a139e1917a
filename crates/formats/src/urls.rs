//! The URLs of endpoints, encoded once for all rows.

use std::collections::HashMap;

use uuid::Uuid;

/// The URLs of all endpoints of a project in one direction, as far as they are known in advance.
#[derive(Debug)]
pub(crate) struct Urls(Option<HashMap<u128, Box<[u8]>, foldhash::fast::RandomState>>);

impl Urls {
    /// The URLs of all endpoints are known. Each is dropped when it is encoded.
    pub(crate) fn known(
        urls: impl IntoIterator<Item = (Uuid, String)>,
        encode: impl Fn(&str) -> Vec<u8>,
    ) -> Self {
        let encode = |(id, url): (Uuid, String)| (id.as_u128(), encode(&url).into_boxed_slice());
        Self(Some(urls.into_iter().map(encode).collect()))
    }

    /// Each row contains its URL.
    pub(crate) fn in_rows() -> Self {
        Self(None)
    }

    /// Whether they are known in advance.
    pub(crate) fn are_known(&self) -> bool {
        self.0.is_some()
    }

    /// The encoded URL of an endpoint, if it is known in advance.
    pub(crate) fn get(&self, endpoint: Option<[u8; 16]>) -> Option<&[u8]> {
        let url = self.0.as_ref()?.get(&u128::from_be_bytes(endpoint?))?;
        Some(url)
    }
}
