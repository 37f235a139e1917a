//! The store itself: one enum over the kinds there are.
//!
//! Owns opening and checking a store, which client does what, and the keys: each is checked and joined with the prefix
//! here, because `object_store`'s own prefixing has neither multipart uploads by id nor links. What is done with a file is in
//! [`crate::file_operations`], uploads in parts in [`crate::upload`], the disk in [`crate::local`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use object_store::ObjectStore;
use object_store::aws::AmazonS3;
use object_store::azure::MicrosoftAzure;
use object_store::gcp::GoogleCloudStorage;
use object_store::multipart::MultipartStore;
use object_store::path::Path;

use crate::clients::{self, Clients};
use crate::config::{OpenError, StoreConfig};
use crate::env_vars::Environment;
use crate::error::{ErrorKind, StoreError};
use crate::local::{LocalFiles, Missing};
use crate::location::{Cloud, Location, public_endpoint};

/// How long [`Store::check`] may take.
const CHECK: Duration = Duration::from_secs(10);

const CHECKING: &str = "cannot use the object store";

/// An open store. Clones share their connections.
#[derive(Clone)]
pub enum Store {
    /// Amazon S3 or a server that speaks its protocol.
    S3(Clients<AmazonS3>),
    /// Google Cloud Storage.
    Gcs(Clients<GoogleCloudStorage>),
    /// Azure Blob Storage.
    Azure(Clients<MicrosoftAzure>),
    /// A directory. It signs no links: the API serves its files.
    File(LocalFiles),
}

impl Store {
    /// Opens the store with the process's environment. Connects to nothing yet: see [`check`](Self::check). A directory is made
    /// if it alone is missing; from then on it has to stay.
    pub fn open(config: &StoreConfig) -> Result<Self, OpenError> {
        Self::open_in(config, &Environment::of_process(), Missing::Make)
    }

    /// The same, except that a directory has to be there.
    pub fn open_existing(config: &StoreConfig) -> Result<Self, OpenError> {
        Self::open_in(config, &Environment::of_process(), Missing::Refuse)
    }

    /// [`open`](Self::open) with these variables instead of the process's.
    pub fn open_with(
        config: &StoreConfig,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, OpenError> {
        Self::open_in(config, &Environment::new(environment), Missing::Make)
    }

    fn open_in(
        config: &StoreConfig,
        environment: &Environment,
        missing: Missing,
    ) -> Result<Self, OpenError> {
        let public = config
            .public_endpoint
            .as_deref()
            .map(public_endpoint)
            .transpose()?;
        let bucket = match Location::parse(&config.url)? {
            Location::Directory(_) if public.is_some() => {
                return Err(OpenError::PublicEndpoint(
                    "a directory has none: the API serves its files",
                ));
            }
            Location::Directory(root) => return LocalFiles::open(&root, missing).map(Self::File),
            Location::Bucket(bucket) => bucket,
        };
        match bucket.cloud {
            Cloud::S3 => clients::s3(bucket, environment, public).map(Self::S3),
            Cloud::Gcs => clients::gcs(bucket, environment, public.as_ref()).map(Self::Gcs),
            Cloud::Azure => clients::azure(bucket, environment, public).map(Self::Azure),
        }
    }

    /// Whether the store can be used now: a bucket is there and lists for our credentials, a directory can be written to.
    /// Takes at most 10 s.
    pub async fn check(&self) -> Result<(), StoreError> {
        let timed_out = |_| {
            StoreError::new(
                ErrorKind::Unavailable,
                CHECKING,
                "it does not answer within 10 s",
            )
        };
        tokio::time::timeout(CHECK, self.probe())
            .await
            .map_err(timed_out)?
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let Some(bucket) = self.quick() else {
            return self.files(CHECKING)?.check().await;
        };
        // Listing tells a missing bucket from a missing key, which a HEAD cannot. Nothing lies under this prefix.
        match bucket.list(Some(&self.key("check")?)).next().await {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(StoreError::store(CHECKING)(error)),
        }
    }

    /// Whether [`sign`](Self::sign) gives links.
    #[must_use]
    pub fn signs(&self) -> bool {
        match self {
            Self::S3(_) | Self::Gcs(_) | Self::Azure(_) => true,
            Self::File(_) => false,
        }
    }

    /// The certificates that are trusted besides the system's: `AWS_CA_BUNDLE`.
    #[must_use]
    pub fn roots(&self) -> Vec<reqwest::Certificate> {
        match self {
            Self::S3(s3) => s3.roots.clone(),
            Self::Gcs(_) | Self::Azure(_) | Self::File(_) => Vec::new(),
        }
    }

    /// The object's path: the prefix and the key, which must be in its plain form.
    pub(crate) fn key(&self, key: &str) -> Result<Path, StoreError> {
        let refused = || {
            let reason = "it has empty segments, `..` or control characters";
            StoreError::new(ErrorKind::Invalid, "cannot use the key", reason)
        };
        let plain = Path::parse(key)
            .ok()
            .filter(|path| !key.is_empty() && path.as_ref() == key);
        let plain = plain.ok_or_else(refused)?;
        let prefix = match self {
            Self::S3(s3) => &s3.prefix,
            Self::Gcs(gcs) => &gcs.prefix,
            Self::Azure(azure) => &azure.prefix,
            Self::File(_) => return Ok(plain),
        };
        Ok(prefix.parts().chain(plain.parts()).collect())
    }

    /// The patient client of a bucket.
    pub(crate) fn bulk(&self) -> Option<&dyn ObjectStore> {
        match self {
            Self::S3(s3) => Some(&s3.bulk),
            Self::Gcs(gcs) => Some(&gcs.bulk),
            Self::Azure(azure) => Some(&azure.bulk),
            Self::File(_) => None,
        }
    }

    pub(crate) fn quick(&self) -> Option<&dyn ObjectStore> {
        match self {
            Self::S3(s3) => Some(&s3.quick),
            Self::Gcs(gcs) => Some(&gcs.quick),
            Self::Azure(azure) => Some(&azure.quick),
            Self::File(_) => None,
        }
    }

    /// The patient client of a store whose uploads have ids.
    pub(crate) fn bulk_uploads(&self) -> Option<Arc<dyn MultipartStore>> {
        match self {
            Self::S3(s3) => Some(Arc::new(s3.bulk.clone())),
            Self::Gcs(gcs) => Some(Arc::new(gcs.bulk.clone())),
            Self::Azure(_) | Self::File(_) => None,
        }
    }

    pub(crate) fn quick_uploads(&self) -> Option<&dyn MultipartStore> {
        match self {
            Self::S3(s3) => Some(&s3.quick),
            Self::Gcs(gcs) => Some(&gcs.quick),
            Self::Azure(_) | Self::File(_) => None,
        }
    }

    pub(crate) fn files(&self, action: &'static str) -> Result<&LocalFiles, StoreError> {
        match self {
            Self::File(files) => Ok(files),
            Self::S3(_) | Self::Gcs(_) | Self::Azure(_) => Err(StoreError::new(
                ErrorKind::Invalid,
                action,
                "the store is not a directory",
            )),
        }
    }
}

/// Where the store is, without credentials. (The clients' own output shows some: a bearer token, for one.)
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3(s3) => write!(f, "s3://{}/{}", s3.bucket, s3.prefix),
            Self::Gcs(gcs) => write!(f, "gs://{}/{}", gcs.bucket, gcs.prefix),
            Self::Azure(azure) => write!(f, "az://{}/{}", azure.bucket, azure.prefix),
            Self::File(files) => write!(f, "{files}"),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({self})")
    }
}
