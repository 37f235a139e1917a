//! The clients of an Azure Blob Storage container.

use object_store::azure::{AzureConfigKey as AzureKey, MicrosoftAzure, MicrosoftAzureBuilder};
use url::Url;

use super::common::{Clients, build_error, check_endpoints};
use super::retry_profile::{QUICK, RetryProfile, TRANSFER, no_retries};
use crate::config::OpenError;
use crate::env_vars::EnvVars;
use crate::location::{Bucket, Cloud};

const ENDPOINTS: [&str; 2] = ["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"];

/// Credentials: `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY`, …. A SAS does not cover the host, so links are signed
/// for our address and then get the public one.
pub(crate) fn azure(
    bucket: Bucket,
    env: &EnvVars,
    public: Option<Url>,
) -> Result<Clients<MicrosoftAzure>, OpenError> {
    env.validate(Cloud::Azure)?;
    check_endpoints(env, &ENDPOINTS, "AZURE_ALLOW_HTTP")?;
    let build = |profile: &RetryProfile| {
        let mut builder = MicrosoftAzureBuilder::new()
            .with_retry(no_retries())
            .with_http_connector(profile.connector(&[]));
        for (key, value) in profile.timeouts() {
            builder = builder.with_config(AzureKey::Client(key), value);
        }
        for (key, value) in env.keys("AZURE_") {
            builder = builder.with_config(key, value);
        }
        if let Some(endpoint) = env.get("IDENTITY_ENDPOINT") {
            builder = builder.with_msi_endpoint(endpoint);
        }
        let built = builder.with_container_name(&bucket.name).build();
        built.map_err(|error| build_error(&error))
    };
    let (transfer, quick) = (build(&TRANSFER)?, build(&QUICK)?);
    let mut clients = Clients::new(bucket, transfer, quick.clone(), quick);
    clients.link_origin = public;
    Ok(clients)
}
