//! An S3 server on this machine: Garage, as its own documentation starts a single node, on a port of loopback.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use exports_sandbox::TemporaryFolder;
use tokio::task::spawn_blocking;

use crate::scene::Store;

/// Prints the folder of the tools that are built for this project.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/install-tools");
const BUCKET: &str = "exports";
const REGION: &str = "us-east-1";
const ACCESS_KEY: &str = "bench-access-key";
const SECRET_KEY: &str = "bench-secret-access-key";
const START_LIMIT: Duration = Duration::from_secs(30);

/// Dropping it ends it and removes its folder.
#[derive(Debug)]
pub(crate) struct Garage {
    process: Child,
    folder: TemporaryFolder,
    port: u16,
}

impl Garage {
    /// Starts one with an empty bucket; returns when it answers.
    pub(crate) async fn start() -> Result<Self> {
        let folder = spawn_blocking(|| TemporaryFolder::create("bench-garage")).await??;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let configuration = folder.path().join("garage.toml");
        fs::write(&configuration, configuration_in(folder.path(), port))?;
        let mut command = Command::new(program()?);
        command
            .arg("-c")
            .arg(&configuration)
            .args(["server", "--single-node", "--default-bucket"])
            .env_clear()
            .env("GARAGE_DEFAULT_ACCESS_KEY", ACCESS_KEY)
            .env("GARAGE_DEFAULT_SECRET_KEY", SECRET_KEY)
            .env("GARAGE_DEFAULT_BUCKET", BUCKET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("log"))?);
        let process = folder.spawn(&mut command).context("garage")?;
        let mut garage = Self {
            process,
            folder,
            port,
        };
        garage.wait_until_it_answers().await?;
        Ok(garage)
    }

    /// The bucket, as a store.
    pub(crate) fn store(&self) -> Store {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let variables = [
            ("EXPORTS_OBJECT_STORE_URL", format!("s3://{BUCKET}")),
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ];
        let owned = |(name, value): (&str, String)| (name.to_owned(), value);
        Store::with_variables(variables.map(owned).into())
    }

    async fn wait_until_it_answers(&mut self) -> Result<()> {
        let begun = Instant::now();
        // Bucket and key are there before the socket is.
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = self.process.try_wait()?;
            if ended.is_some() || begun.elapsed() > START_LIMIT {
                let log = fs::read_to_string(self.folder.path().join("log"));
                bail!(
                    "Garage does not start ({ended:?}):\n{}",
                    log.unwrap_or_default()
                );
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for Garage {
    fn drop(&mut self) {
        // The folder's reaper would wait for a writer that ends by itself. An error means that it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> Result<PathBuf> {
    let program = if let Some(given) = env::var_os("TEST_GARAGE") {
        PathBuf::from(given)
    } else {
        let tools = Command::new(TOOLS).arg("--path").output().context(TOOLS)?;
        Path::new(String::from_utf8(tools.stdout)?.trim()).join("garage")
    };
    ensure!(
        program.is_file(),
        "there is no {}: build it once with `make garage`, or name one in TEST_GARAGE",
        program.display()
    );
    Ok(program)
}

/// A node that is its own cluster. It stores files as they are: a bucket far away would compress
/// them, if at all, with processors of its own.
fn configuration_in(folder: &Path, port: u16) -> String {
    let at = folder.display();
    let secret = "0".repeat(64);
    format!(
        "metadata_dir = '{at}/metadata'\n\
         data_dir = '{at}/data'\n\
         replication_factor = 1\n\
         compression_level = 'none'\n\
         disable_scrub = true\n\
         rpc_bind_addr = '127.0.0.1:0'\n\
         rpc_public_addr = '127.0.0.1:1'\n\
         rpc_secret = '{secret}'\n\
         [s3_api]\n\
         api_bind_addr = '127.0.0.1:{port}'\n\
         s3_region = '{REGION}'\n"
    )
}
