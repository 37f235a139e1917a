//! The object store of a deployment: Garage in a container.

use serde_json::Value;
use testcontainers::core::{ExecCommand, Mount};
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt};

use crate::containers::{Container, free_port, labelled, log_of, unique_name};
use crate::engine::{GARAGE, docker};
use crate::network::Network;
use crate::secrets::Secrets;

const BUCKET: &str = "exports";
const ACCESS_KEY: &str = "exports-access-key";
const REGION: &str = "garage";
const PORT: u16 = 3900;
const DATA: &str = "/var/lib/garage/data";
/// Written when the layout, the key and the bucket exist.
const READY: &str = "S3 API server listening on";

const CONFIGURATION: &str = r#"
metadata_dir = "/var/lib/garage/meta"
data_dir = "/var/lib/garage/data"
replication_factor = 1
# What a story writes takes the room that it seems to take.
compression_level = "none"
rpc_bind_addr = "127.0.0.1:3901"
rpc_public_addr = "127.0.0.1:3901"
rpc_secret = "RPC_SECRET"
[s3_api]
api_bind_addr = "0.0.0.0:3900"
s3_region = "garage"
"#;

/// A running Garage with one bucket and one key.
pub struct Garage {
    container: Container,
    name: String,
    secret_key: String,
    port: u16,
}

impl Garage {
    /// Starts it, with a separate disk if a size is given; returns when it serves the bucket.
    pub(crate) async fn start(
        network: &Network,
        secrets: &Secrets,
        disk_bytes: Option<i64>,
    ) -> Self {
        let name = unique_name("garage");
        let port = free_port();
        let configuration = CONFIGURATION.replace("RPC_SECRET", &secrets.rpc);
        let image = GenericImage::new(GARAGE.0, GARAGE.1);
        let mut request = labelled(image, &name, &[(PORT, port)])
            .with_network(network.name())
            .with_copy_to("/etc/garage.toml", configuration.into_bytes())
            .with_env_var("GARAGE_DEFAULT_ACCESS_KEY", ACCESS_KEY)
            .with_env_var("GARAGE_DEFAULT_SECRET_KEY", &secrets.store_key)
            .with_env_var("GARAGE_DEFAULT_BUCKET", BUCKET)
            .with_cmd(["/garage", "server", "--single-node", "--default-bucket"]);
        if let Some(bytes) = disk_bytes {
            request = request.with_mount(Mount::tmpfs_mount(DATA).with_size_bytes(bytes));
        }
        let started = request.start().await;
        let container = started.unwrap_or_else(|error| panic!("Garage: {error}"));
        let this = Self {
            container,
            name,
            secret_key: secrets.store_key.clone(),
            port,
        };
        this.is_ready(1).await;
        this
    }

    /// The variables with which the programs reach it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        [
            ("EXPORTS_OBJECT_STORE_URL", format!("s3://{BUCKET}")),
            ("AWS_ENDPOINT_URL", format!("http://{}:{PORT}", self.name)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_key.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Its address for consumers, for which links are signed.
    pub(crate) fn public_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The statistics of the bucket: `objects`, `bytes`, `unfinishedUploads`, …
    pub async fn bucket(&self) -> Value {
        let asked = format!(r#"{{"globalAlias":"{BUCKET}"}}"#);
        let said = self
            .administer(&["json-api", "GetBucketInfo", &asked])
            .await;
        serde_json::from_str(&said).expect("Garage answers in JSON")
    }

    /// Sets the quota of the bucket in bytes; `None` removes it.
    pub async fn limit_size(&self, bytes: Option<u64>) {
        let size = bytes.map_or("none".to_owned(), |bytes| bytes.to_string());
        self.administer(&["bucket", "set-quotas", BUCKET, "--max-size", &size])
            .await;
    }

    /// Revokes the rights of the key.
    pub async fn refuse_the_key(&self) {
        self.change_permissions("deny").await;
    }

    /// Grants the rights again.
    pub async fn accept_the_key(&self) {
        self.change_permissions("allow").await;
    }

    async fn change_permissions(&self, verb: &str) {
        let command = ["bucket", verb, "--read", "--write", BUCKET];
        let command = [&command[..], &["--key", ACCESS_KEY]].concat();
        self.administer(&command).await;
    }

    /// Stops the server and keeps its data.
    pub async fn stop(&self) {
        let stopped = self.container.stop_with_timeout(Some(10)).await;
        stopped.expect("Garage's container stops");
    }

    /// Starts it again; returns when it serves the bucket.
    pub async fn start_again(&self) {
        let before = self.times_ready().await;
        let id = self.container.id();
        let started = docker().await.start_container(id, None).await;
        started.expect("Garage's container starts again");
        self.is_ready(before + 1).await;
    }

    pub(crate) fn container(&self) -> &Container {
        &self.container
    }

    pub(crate) async fn remove(self) {
        self.container.rm().await.expect("Garage is removed");
    }

    /// Runs Garage's command line in the container, and returns its output.
    async fn administer(&self, arguments: &[&str]) -> String {
        let command = [&["/garage"], arguments].concat();
        let ran = self.container.exec(ExecCommand::new(command)).await;
        let mut ran = ran.expect("a command in Garage's container");
        let (out, err) = (ran.stdout_to_vec().await, ran.stderr_to_vec().await);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (out, err) = (
            text(out.expect("its output")),
            text(err.expect("its errors")),
        );
        let code = ran.exit_code().await.expect("its exit code");
        assert_eq!(code, Some(0), "garage {arguments:?}: {out}{err}");
        out
    }

    async fn is_ready(&self, times: usize) {
        exports_tests::eventually("Garage is ready", exports_tests::TIMEOUT, async || {
            (self.times_ready().await >= times).then_some(())
        })
        .await;
    }

    async fn times_ready(&self) -> usize {
        log_of(&self.container).await.matches(READY).count()
    }
}
