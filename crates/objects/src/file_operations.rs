//! Operations on one file: store it, look it up, sign a link to it, delete it.
//!
//! Deleting a missing file and aborting a missing upload succeed.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::{Method, Signer};
use object_store::{ObjectStoreExt, PutOptions};
use url::Url;

use crate::error::{ErrorKind, StoreError};
use crate::headers::FileHeaders;
use crate::local::Cleanup;
use crate::store::{Backend, Store};

impl Store {
    /// Stores a whole file in one request.
    pub async fn put(
        &self,
        key: &str,
        data: Bytes,
        headers: &FileHeaders,
    ) -> Result<(), StoreError> {
        const ACTION: &str = "cannot store the file";
        let key = self.key(key)?;
        let client = match self.backend() {
            Backend::Directory(files) => return files.put(&key, data).await,
            Backend::Bucket { transfer, .. } => transfer,
        };
        let options = PutOptions {
            attributes: headers.attributes(),
            ..PutOptions::default()
        };
        let stored = client.put_opts(&key, data.into(), options).await;
        stored.map(drop).map_err(StoreError::store(ACTION))
    }

    /// Aborts an upload that any process began. A missing upload is a success; a completed file stays. Azure cannot abort: it
    /// removes the parts after a week.
    pub async fn abort_upload(&self, key: &str, upload_id: Option<&str>) -> Result<(), StoreError> {
        let path = self.key(key)?;
        let aborted = match (self, upload_id.map(str::to_owned)) {
            (Self::File(files), _) => return files.remove(&path, Cleanup::StagingFiles).await,
            (Self::S3(s3), Some(id)) => s3.quick.abort_multipart(&path, &id).await,
            (Self::Gcs(gcs), Some(id)) => gcs.quick.abort_multipart(&path, &id).await,
            (Self::S3(_) | Self::Gcs(_), None) | (Self::Azure(_), _) => return Ok(()),
        };
        ignore_not_found(aborted.map_err(StoreError::store("cannot abort the upload")))
    }

    /// Deletes a file. A missing file is a success. In a directory, this also removes the staging files of the key.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        const ACTION: &str = "cannot delete the file";
        let key = self.key(key)?;
        let client = match self.backend() {
            Backend::Directory(files) => return files.remove(&key, Cleanup::All).await,
            Backend::Bucket { quick, .. } => quick,
        };
        ignore_not_found(client.delete(&key).await.map_err(StoreError::store(ACTION)))
    }

    /// The size of a file in bytes. `None` if it does not exist.
    pub async fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        const ACTION: &str = "cannot look up the file";
        let key = self.key(key)?;
        let client = match self.backend() {
            Backend::Directory(files) => return files.size(&key).await,
            Backend::Bucket { quick, .. } => quick,
        };
        match client.head(&key).await.map_err(StoreError::store(ACTION)) {
            Ok(found) => Ok(Some(found.size)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the store is certain that a file does not exist. A missing bucket or directory is an error: its files may
    /// reappear.
    ///
    /// The answer to a HEAD is not certain: a missing bucket is a 404 too, and Amazon S3 answers 403 for a missing object if
    /// the permission to list depends on the prefix. So a listing of the file's neighbors confirms it.
    pub async fn is_missing(&self, key: &str) -> Result<bool, StoreError> {
        match self.size(key).await {
            Ok(Some(_)) => return Ok(false),
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Refused => {}
            Err(error) => return Err(error),
        }
        let path = self.key(key)?;
        let client = match self.backend() {
            Backend::Directory(files) => return Ok(files.size(&path).await?.is_none()),
            Backend::Bucket { quick, .. } => quick,
        };
        let parent: Path = path.parts().take(path.parts().count() - 1).collect();
        let mut listed = client.list(Some(&parent));
        while let Some(found) = listed.next().await {
            let found = found.map_err(StoreError::store("cannot look up the file"))?;
            if found.location == path {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A URL that downloads the file without credentials, valid for `ttl` (whole seconds, at most 7 days). `None` for a directory:
    /// the API serves its files. Some credentials need a request to sign, most do not.
    pub async fn sign(&self, key: &str, ttl: Duration) -> Result<Option<Url>, StoreError> {
        const ACTION: &str = "cannot sign a link";
        let key = self.key(key)?;
        let (signer, origin): (&dyn Signer, _) = match self {
            Self::S3(s3) => (&s3.links, &s3.link_origin),
            Self::Gcs(gcs) => (&gcs.links, &gcs.link_origin),
            Self::Azure(azure) => (&azure.links, &azure.link_origin),
            Self::File(_) => return Ok(None),
        };
        let ttl = ttl.max(Duration::from_secs(1));
        let link = signer.signed_url(Method::GET, &key, ttl).await;
        let mut url = link.map_err(StoreError::store(ACTION))?;
        if let Some(origin) = origin {
            let is_replaced = url.set_scheme(origin.scheme()).is_ok()
                && url.set_host(origin.host_str()).is_ok()
                && url.set_port(origin.port()).is_ok();
            if !is_replaced {
                let reason = "the public endpoint cannot replace the address of the link";
                return Err(StoreError::new(ErrorKind::Invalid, ACTION, reason));
            }
        }
        Ok(Some(url))
    }
}

fn ignore_not_found(result: Result<(), StoreError>) -> Result<(), StoreError> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
