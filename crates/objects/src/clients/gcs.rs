//! The clients of a Google Cloud Storage bucket.

use object_store::gcp::{
    GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey as GoogleKey,
};
use url::Url;

use super::common::{Clients, build_error};
use super::retry_profile::{QUICK, RetryProfile, TRANSFER, no_retries};
use crate::config::OpenError;
use crate::env_vars::EnvVars;
use crate::location::{Bucket, Cloud};

/// Credentials: `GOOGLE_SERVICE_ACCOUNT`, `GOOGLE_APPLICATION_CREDENTIALS`, … or the identity of the machine.
pub(crate) fn gcs(
    bucket: Bucket,
    env: &EnvVars,
    public: Option<&Url>,
) -> Result<Clients<GoogleCloudStorage>, OpenError> {
    if public.is_some() {
        return Err(OpenError::PublicEndpoint(
            "Google Cloud Storage does not support it: its links are always signed for storage.googleapis.com",
        ));
    }
    env.validate(Cloud::Gcs)?;
    let build = |profile: &RetryProfile| {
        let mut builder = GoogleCloudStorageBuilder::new()
            .with_retry(no_retries())
            .with_http_connector(profile.connector(&[]));
        for (key, value) in profile.timeouts() {
            builder = builder.with_config(GoogleKey::Client(key), value);
        }
        for (key, value) in env.keys("GOOGLE_") {
            builder = builder.with_config(key, value);
        }
        let built = builder.with_bucket_name(&bucket.name).build();
        built.map_err(|error| build_error(&error))
    };
    let (transfer, quick) = (build(&TRANSFER)?, build(&QUICK)?);
    Ok(Clients::new(bucket, transfer, quick.clone(), quick))
}
