//! A multipart upload to S3 or GCS.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use object_store::PutMultipartOptions;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;

use super::BEGIN;
use crate::error::StoreError;

/// An upload with an id, so that another process can abort it.
pub(super) struct Multipart {
    client: Arc<dyn MultipartStore>,
    path: Path,
    id: String,
    part_ids: Arc<Mutex<Vec<(usize, PartId)>>>,
}

impl Multipart {
    pub(super) async fn begin(
        client: impl MultipartStore,
        path: Path,
        options: PutMultipartOptions,
    ) -> Result<Self, StoreError> {
        let id = client.create_multipart_opts(&path, options).await;
        Ok(Self {
            id: id.map_err(StoreError::store(BEGIN))?,
            client: Arc::new(client),
            path,
            part_ids: Arc::default(),
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn put_part(
        &self,
        number: usize,
        data: Bytes,
        action: &'static str,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        let (client, part_ids) = (Arc::clone(&self.client), Arc::clone(&self.part_ids));
        let (path, id) = (self.path.clone(), self.id.clone());
        let stored = async move {
            let part = client.put_part(&path, &id, number, data.into()).await;
            let part = part.map_err(StoreError::store(action))?;
            let mut part_ids = part_ids.lock().unwrap_or_else(PoisonError::into_inner);
            part_ids.push((number, part));
            Ok(())
        };
        stored.boxed()
    }

    pub(super) async fn complete(&self) -> object_store::Result<()> {
        let parts = self.part_ids.lock();
        let mut parts = parts.unwrap_or_else(PoisonError::into_inner).clone();
        parts.sort_unstable_by_key(|(number, _)| *number);
        let parts = parts.into_iter().map(|(_, part)| part).collect();
        let completed = self
            .client
            .complete_multipart(&self.path, &self.id, parts)
            .await;
        completed.map(drop)
    }
}
