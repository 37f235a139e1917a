//! The running system that the reference describes: a private PostgreSQL, `exports-api` and `exports-worker`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use exports_sandbox::process::{Process, command, program};
use exports_sandbox::{LocalPostgres, TemporaryFolder};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use url::Url;

/// Any port: the programs log which one it is.
const LISTEN: &str = "127.0.0.1:0";
const LIMIT: Duration = Duration::from_secs(30);

/// What the programs say about themselves.
pub(crate) struct System {
    pub(crate) openapi: Value,
    pub(crate) api_metrics: String,
    pub(crate) worker_metrics: String,
    pub(crate) command_line: String,
}

impl System {
    /// Runs the programs of the target directory.
    pub(crate) async fn observe() -> Result<Self> {
        let folder = spawn_blocking(|| TemporaryFolder::create("docs")).await??;
        let postgres = spawn_blocking(LocalPostgres::start).await??;
        let files = folder.path().join("files");
        std::fs::create_dir(&files)?;
        let store = Url::from_directory_path(&files)
            .ok()
            .context("the folder is absolute")?;
        let environment = [
            ("DATABASE_URL", postgres.url()),
            ("EXPORTS_OBJECT_STORE_URL", store.to_string()),
            ("EXPORTS_LISTEN", LISTEN.to_owned()),
            ("EXPORTS_METRICS_LISTEN", LISTEN.to_owned()),
            ("EXPORTS_HEALTH_LISTEN", LISTEN.to_owned()),
            ("EXPORTS_SIGNING_KEY", "-".repeat(32)),
            ("EXPORTS_LOG_FORMAT", "json".to_owned()),
        ];
        let start = |name: &str, arguments: &[&str]| -> Result<Process> {
            let mut command = command(program(name)?);
            command.args(arguments).envs(environment.clone());
            Process::builder(name, command).folder(&folder).start()
        };
        print(start("exportctl", &["admin", "migrate"])?).await?;
        // Help shows the values of variables that are set, so this command has none.
        let mut reference = command(program("exportctl")?);
        reference.arg("reference");
        let reference = Process::builder("exportctl", reference)
            .folder(&folder)
            .start()?;
        let command_line = print(reference).await?;

        let mut api = start("exports-api", &[])?;
        let mut worker = start("exports-worker", &[])?;
        let address = api.wait_for_address(LIMIT).await?;
        let metrics = address_in(&mut api, "metrics listening").await?;
        let health = address_in(&mut worker, "health listening").await?;
        worker.wait_for_event("worker started", LIMIT).await?;

        let openapi = get(&format!("{address}/openapi.json")).await?;
        Ok(Self {
            openapi: serde_json::from_str(&openapi)?,
            // Its histogram has a series once a request was answered.
            api_metrics: metrics_with(&metrics, "exports_http_request_duration_seconds").await?,
            worker_metrics: metrics_with(&health, "exports_queue_exports").await?,
            command_line,
        })
    }
}

/// The output of a command that ends.
async fn print(mut process: Process) -> Result<String> {
    let status = process.wait().await?;
    ensure!(
        status.success(),
        "{} failed ({status}): {}",
        process.name(),
        process.log_end()
    );
    Ok(process.output())
}

async fn address_in(process: &mut Process, event: &str) -> Result<String> {
    let event = process.wait_for_event(event, LIMIT).await?;
    let address = event["address"].as_str();
    Ok(address.context("the event has an address")?.to_owned())
}

/// Scrapes until the metric is there.
async fn metrics_with(address: &str, name: &str) -> Result<String> {
    let start = Instant::now();
    loop {
        let text = get(&format!("{address}/metrics")).await?;
        if text.contains(name) {
            return Ok(text);
        }
        ensure!(start.elapsed() < LIMIT, "{address} does not report {name}");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn get(url: &str) -> Result<String> {
    // An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client.get(url).send().await?.error_for_status()?;
    Ok(answer.text().await?)
}
