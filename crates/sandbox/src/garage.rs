//! Garage, a real S3 server: one node with one bucket, for tests and benchmarks.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::TemporaryFolder;
use crate::process::{Process, command};

/// Prints the folder of the tools that are built for this project.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/install-tools");
/// The path of another Garage. It does not start with `EXPORTS_`, because the services refuse unknown variables of that prefix.
const VARIABLE: &str = "TEST_GARAGE";
const START_LIMIT: Duration = Duration::from_mins(1);

/// The bucket.
pub const BUCKET: &str = "exports";
/// Its region.
pub const REGION: &str = "us-east-1";
/// The access key id.
pub const ACCESS_KEY: &str = "test-access-key";
/// The secret access key.
pub const SECRET_KEY: &str = "test-secret-access-key";

/// Where Garage listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listener {
    /// A port on loopback.
    Port(u16),
    /// A Unix socket in Garage's folder. Unlike a port, no other process can take it.
    Socket(PathBuf),
}

/// A running Garage with an empty bucket. The drop ends it and removes its folder.
#[derive(Debug)]
pub struct Garage {
    // Dropped in this order: the reaper waits for a process that still writes.
    process: Process,
    _folder: TemporaryFolder,
    listener: Listener,
}

/// The path of Garage: `TEST_GARAGE`, else the project's tools, else `PATH`.
pub fn program() -> Result<PathBuf> {
    if let Some(given) = env::var_os(VARIABLE).map(PathBuf::from) {
        ensure!(
            given.is_file(),
            "{VARIABLE}: {} is not a file",
            given.display()
        );
        return Ok(given);
    }
    let tools = Command::new(TOOLS).arg("--path").output().context(TOOLS)?;
    let tools = PathBuf::from(String::from_utf8_lossy(&tools.stdout).trim());
    let path = env::var_os("PATH").unwrap_or_default();
    std::iter::once(tools)
        .chain(env::split_paths(&path))
        .map(|folder| folder.join("garage"))
        .find(|program| program.is_file())
        .context(
            "Garage, a real S3 server, is not installed: run `make garage`, or set TEST_GARAGE",
        )
}

impl Garage {
    /// Starts Garage on a free port. Blocks until it accepts connections.
    pub fn on_port() -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let folder = TemporaryFolder::create("garage")?;
        Self::start(folder, Listener::Port(port))
    }

    /// Starts Garage on a Unix socket. Blocks until it accepts connections.
    pub fn on_socket() -> Result<Self> {
        let folder = TemporaryFolder::create("garage")?;
        let socket = folder.path().join("s3.sock");
        Self::start(folder, Listener::Socket(socket))
    }

    fn start(folder: TemporaryFolder, listener: Listener) -> Result<Self> {
        let configuration = folder.path().join("garage.toml");
        fs::write(&configuration, configuration_of(folder.path(), &listener))?;
        let mut command = command(program()?);
        command
            .arg("-c")
            .arg(&configuration)
            .args(["server", "--single-node", "--default-bucket"])
            .env("GARAGE_DEFAULT_ACCESS_KEY", ACCESS_KEY)
            .env("GARAGE_DEFAULT_SECRET_KEY", SECRET_KEY)
            .env("GARAGE_DEFAULT_BUCKET", BUCKET);
        let process = Process::builder("garage", command)
            .folder(&folder)
            .start()?;
        let mut garage = Self {
            process,
            _folder: folder,
            listener,
        };
        garage.wait_until_ready()?;
        Ok(garage)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        // Garage creates the bucket and the key before it listens.
        while !self.listener.accepts() {
            let ended = self.process.ended()?;
            if ended.is_some() || start.elapsed() > START_LIMIT {
                let log = self.process.log_end();
                bail!("Garage did not start ({ended:?}):\n{log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn listener(&self) -> &Listener {
        &self.listener
    }
}

impl Listener {
    fn accepts(&self) -> bool {
        match self {
            Self::Port(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok(),
            Self::Socket(path) => UnixStream::connect(path).is_ok(),
        }
    }
}

/// The environment variables with which the services reach Garage at `endpoint`.
#[must_use]
pub fn environment(endpoint: &str) -> Vec<(String, String)> {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_REGION", REGION),
        ("AWS_ALLOW_HTTP", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// A cluster of one node, so nothing connects to the RPC port and the system may choose it. Compression is off: with a remote
/// bucket it would not use this machine's processors.
fn configuration_of(folder: &Path, listener: &Listener) -> String {
    let folder = folder.display();
    let secret = "0".repeat(64);
    let address = match listener {
        Listener::Port(port) => format!("127.0.0.1:{port}"),
        Listener::Socket(path) => path.display().to_string(),
    };
    format!(
        "metadata_dir = '{folder}/metadata'\n\
         data_dir = '{folder}/data'\n\
         replication_factor = 1\n\
         compression_level = 'none'\n\
         disable_scrub = true\n\
         rpc_bind_addr = '127.0.0.1:0'\n\
         rpc_public_addr = '127.0.0.1:1'\n\
         rpc_secret = '{secret}'\n\
         [s3_api]\n\
         api_bind_addr = '{address}'\n\
         s3_region = '{REGION}'\n"
    )
}
