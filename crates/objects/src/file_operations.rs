//! What is done with one file: store it, look it up, link to it, delete it.
//!
//! Owns what counts as success: a file that is gone already is deleted, an upload that is gone already is aborted.

use std::time::Duration;

use bytes::Bytes;
use object_store::signer::{Method, Signer};
use object_store::{ObjectStoreExt, PutOptions};
use url::Url;

use crate::error::{ErrorKind, StoreError};
use crate::headers::FileHeaders;
use crate::local::Sweep;
use crate::store::Store;
use crate::upload::Upload;

impl Store {
    /// Stores a whole file in one request.
    pub async fn put(
        &self,
        key: &str,
        data: Bytes,
        headers: &FileHeaders,
    ) -> Result<(), StoreError> {
        let key = self.key(key)?;
        let Some(bucket) = self.bulk() else {
            return self.files("cannot store the file")?.put(&key, data).await;
        };
        let options = PutOptions {
            attributes: headers.attributes(),
            ..PutOptions::default()
        };
        let put = bucket.put_opts(&key, data.into(), options).await;
        put.map(drop)
            .map_err(StoreError::store("cannot store the file"))
    }

    /// Begins an upload in parts. The caller records [`Upload::id`] before it sends the first one.
    pub async fn begin_upload(
        &self,
        key: &str,
        headers: &FileHeaders,
    ) -> Result<Upload, StoreError> {
        Upload::begin(self.clone(), key.to_owned(), headers).await
    }

    /// Abandons an upload that this or another process began, given what was recorded. One that is gone already, or that was
    /// completed, is success; a completed file stays. Azure cannot abandon anything: it forgets parts after a week.
    pub async fn abort_upload(&self, key: &str, upload_id: Option<&str>) -> Result<(), StoreError> {
        let path = self.key(key)?;
        if let Self::File(files) = self {
            return files.discard(&path, Sweep::Staging).await;
        }
        let (Some(uploads), Some(id)) = (self.quick_uploads(), upload_id) else {
            return Ok(());
        };
        let aborted = uploads.abort_multipart(&path, &id.to_owned()).await;
        absent_is_fine(aborted.map_err(StoreError::store("cannot abort the upload")))
    }

    /// Deletes a file. One that is not there is success. In a directory, whatever uploads of this key left goes as well.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        const ACTION: &str = "cannot delete the file";
        let key = self.key(key)?;
        let Some(bucket) = self.quick() else {
            return self.files(ACTION)?.discard(&key, Sweep::Everything).await;
        };
        absent_is_fine(bucket.delete(&key).await.map_err(StoreError::store(ACTION)))
    }

    /// The size of a file in bytes, or `None` if it is not there.
    pub async fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        const ACTION: &str = "cannot look the file up";
        let key = self.key(key)?;
        let Some(bucket) = self.quick() else {
            return self.files(ACTION)?.size(&key).await;
        };
        match bucket.head(&key).await.map_err(StoreError::store(ACTION)) {
            Ok(found) => Ok(Some(found.size)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A URL that downloads the file without credentials, for `ttl` from now (whole seconds, at most 7 days). `None` from a
    /// directory, whose files the API serves. Usually a computation; some credentials make it a request.
    pub async fn sign(&self, key: &str, ttl: Duration) -> Result<Option<Url>, StoreError> {
        const ACTION: &str = "cannot sign a link";
        let key = self.key(key)?;
        let (signer, origin): (&dyn Signer, _) = match self {
            Self::S3(s3) => (&s3.links, &s3.link_origin),
            Self::Gcs(gcs) => (&gcs.links, &gcs.link_origin),
            Self::Azure(azure) => (&azure.links, &azure.link_origin),
            Self::File(_) => return Ok(None),
        };
        let link = signer
            .signed_url(Method::GET, &key, ttl.max(Duration::from_secs(1)))
            .await;
        let mut url = link.map_err(StoreError::store(ACTION))?;
        if let Some(origin) = origin {
            let moved = url.set_scheme(origin.scheme()).is_ok()
                && url.set_host(origin.host_str()).is_ok()
                && url.set_port(origin.port()).is_ok();
            if !moved {
                return Err(StoreError::new(
                    ErrorKind::Invalid,
                    ACTION,
                    "the public address does not fit",
                ));
            }
        }
        Ok(Some(url))
    }
}

fn absent_is_fine(done: Result<(), StoreError>) -> Result<(), StoreError> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
