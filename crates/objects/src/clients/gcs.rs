//! The clients of a Google Cloud Storage bucket.

use object_store::gcp::{
    GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey as GoogleKey,
};
use url::Url;

use super::common::{Clients, Names, build_error, check_endpoints, read_file};
use super::retry_profile::{QUICK, RetryProfile, TRANSFER, no_retries};
use crate::config::OpenError;
use crate::env_vars::EnvVars;
use crate::location::{Bucket, Cloud};

const ENDPOINT: &str = "GOOGLE_BASE_URL";
/// Files with credentials.
const FILES: [&str; 3] = [
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_APPLICATION_CREDENTIALS",
];
/// In the order in which the client uses them.
const CREDENTIALS: [&str; 5] = [
    "GOOGLE_BEARER_TOKEN",
    FILES[0],
    FILES[1],
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    FILES[2],
];

/// Credentials: `GOOGLE_SERVICE_ACCOUNT`, `GOOGLE_APPLICATION_CREDENTIALS`, … or the identity of the machine.
pub(crate) fn gcs(
    bucket: Bucket,
    env: &EnvVars,
    public: Option<&Url>,
) -> Result<Clients<GoogleCloudStorage>, OpenError> {
    if public.is_some() {
        return Err(OpenError::PublicEndpoint(
            "must not be set with a gs:// store: links are always signed for storage.googleapis.com",
        ));
    }
    env.validate(Cloud::Gcs)?;
    check_endpoints(env, &[ENDPOINT], "GOOGLE_ALLOW_HTTP")?;
    check_files(env)?;
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
        built.map_err(|error| build_error("GOOGLE_", &error))
    };
    let (transfer, quick) = (build(&TRANSFER)?, build(&QUICK)?);
    let mut clients = Clients::new(bucket, transfer, quick.clone(), quick);
    let credentials = env.first_of(&CREDENTIALS);
    clients.names = Names {
        endpoint: env.first_of(&[ENDPOINT]),
        access_key: credentials,
        secret: credentials,
        ..Names::default()
    };
    Ok(clients)
}

/// Checks that the files with credentials are JSON. The client's own message does not name the variable.
fn check_files(env: &EnvVars) -> Result<(), OpenError> {
    for variable in FILES {
        let Some(path) = env.get(variable) else {
            continue;
        };
        let content = read_file(variable, path)?;
        if !content.trim_ascii().starts_with(b"{") {
            let problem = format!("{path} contains no credentials in JSON");
            return Err(OpenError::variable(variable, problem));
        }
    }
    Ok(())
}
