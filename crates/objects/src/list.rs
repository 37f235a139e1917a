//! Lists the objects of a store, as a stream: memory is bounded however many there are.

use std::time::SystemTime;

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};

use crate::error::StoreError;
use crate::store::{Backend, Store};

/// An object of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its key, without the prefix of the store. A staging file of a directory, which a killed process has left, has `#` and
    /// digits after its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written, by the clock of the store.
    pub modified: SystemTime,
}

impl Store {
    /// All objects, in no particular order. Unfinished multipart uploads are no objects.
    #[must_use]
    pub fn list(&self) -> BoxStream<'_, Result<StoredObject, StoreError>> {
        let (client, prefix) = match self.backend() {
            Backend::Directory(files) => return files.list(),
            Backend::Bucket { quick, prefix, .. } => (quick, prefix),
        };
        let whole = prefix.as_ref().is_empty();
        let listed = client.list((!whole).then_some(prefix));
        let object = move |found: object_store::ObjectMeta| {
            let rest = found.location.prefix_match(prefix)?;
            let parts: Vec<_> = rest.map(|part| part.as_ref().to_owned()).collect();
            Some(StoredObject {
                key: parts.join("/"),
                size: found.size,
                modified: found.last_modified.into(),
            })
        };
        listed
            .map_err(|error| StoreError::store("cannot list the files")(error))
            .try_filter_map(move |found| std::future::ready(Ok(object(found))))
            .boxed()
    }
}

/// A stream of what `next` returns, until it returns `None` or fails.
pub(crate) fn blocking_stream<T: Send + 'static>(
    mut next: impl FnMut() -> Option<T> + Send + 'static,
) -> BoxStream<'static, T> {
    const BUFFERED: usize = 256;
    let (sender, receiver) = tokio::sync::mpsc::channel(BUFFERED);
    tokio::task::spawn_blocking(move || {
        while let Some(item) = next() {
            // The stream was dropped.
            if sender.blocking_send(item).is_err() {
                return;
            }
        }
    });
    stream::unfold(receiver, async |mut receiver| {
        Some((receiver.recv().await?, receiver))
    })
    .boxed()
}
