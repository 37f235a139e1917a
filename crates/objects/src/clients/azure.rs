//! The clients of an Azure Blob Storage container.

use object_store::azure::{AzureConfigKey as AzureKey, MicrosoftAzure, MicrosoftAzureBuilder};
use url::Url;

use super::common::{Clients, Names, build_error, check_endpoints};
use super::retry_profile::{QUICK, RetryProfile, TRANSFER, no_retries};
use crate::config::OpenError;
use crate::env_vars::EnvVars;
use crate::location::{Bucket, Cloud};

const ENDPOINTS: [&str; 2] = ["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"];
const ACCOUNT: &str = "AZURE_STORAGE_ACCOUNT_NAME";
const ACCOUNT_KEY: &str = "AZURE_STORAGE_ACCOUNT_KEY";
/// In the order in which the client uses them.
const CREDENTIALS: [&str; 7] = [
    "AZURE_STORAGE_TOKEN",
    ACCOUNT_KEY,
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
];

/// Credentials: `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY`, …. A SAS does not cover the host, so links are signed
/// for our address and then get the public one.
pub(crate) fn azure(
    bucket: Bucket,
    env: &EnvVars,
    public: Option<Url>,
) -> Result<Clients<MicrosoftAzure>, OpenError> {
    env.validate(Cloud::Azure)?;
    check_endpoints(env, &ENDPOINTS, "AZURE_ALLOW_HTTP")?;
    if env.get(ACCOUNT).is_none() && !env.is_on("AZURE_STORAGE_USE_EMULATOR") {
        return Err(OpenError::variable(ACCOUNT, "must be set"));
    }
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
        built.map_err(|error| match build_error("AZURE_", &error) {
            OpenError::Client(reason)
                if env.get(ACCOUNT_KEY).is_some() && is_about_base64(&reason) =>
            {
                OpenError::variable(ACCOUNT_KEY, "must be a key in Base64")
            }
            error => error,
        })
    };
    let (transfer, quick) = (build(&TRANSFER)?, build(&QUICK)?);
    let mut clients = Clients::new(bucket, transfer, quick.clone(), quick);
    clients.link_origin = public;
    let credentials = env.first_of(&CREDENTIALS);
    clients.names = Names {
        // Without an endpoint the account is a part of the host name.
        endpoint: env.first_of(&ENDPOINTS).or(Some(ACCOUNT)),
        access_key: credentials,
        secret: credentials,
        ..Names::default()
    };
    Ok(clients)
}

fn is_about_base64(reason: &str) -> bool {
    reason.contains("Invalid symbol")
        || reason.contains("Invalid last symbol")
        || reason.contains("Invalid padding")
        || reason.contains("Invalid input length")
}
