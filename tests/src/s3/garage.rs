//! A real Garage: found, started for one test, ended with it.
//!
//! Owns the program's process, its folder and the way to it, a Unix socket: there is no port that another test could take.
//! Requests reach it as they came, with the `Host` that their signatures cover. What lies in it is asked of the server itself,
//! past the faults of the test.

use std::env;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::{fs, io};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use exports_sandbox::TemporaryFolder;

use super::listing::{self, Unfinished};
use super::{ACCESS_KEY, BUCKET, REGION, SECRET_KEY, front};
use crate::eventually::TIMEOUT;

/// Prints the folder of the tools that are built for this project.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/install-tools");
/// Names another Garage. Not `EXPORTS_…`, which the programs would take for a misspelt setting.
const VARIABLE: &str = "TEST_GARAGE";
const MISSING: &str = "NOT TESTED against Garage, a real S3 server: there is no such program. \
                       Build it once with `make garage`, or name one in TEST_GARAGE";

#[derive(Debug)]
pub(super) struct Garage {
    process: Child,
    folder: TemporaryFolder,
}

/// The program, if this machine has one.
pub(super) fn program() -> Option<&'static Path> {
    static FOUND: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let found = find();
        if found.is_none() {
            // Not by `eprintln!`, whose lines tests keep to themselves unless they fail.
            let _ = io::stderr().write_all(format!("{MISSING}\n").as_bytes());
        }
        found
    });
    let found = FOUND.as_deref();
    let has_to_be = env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(found.is_some() || !has_to_be, "{MISSING}");
    found
}

fn find() -> Option<PathBuf> {
    if let Some(given) = env::var_os(VARIABLE).map(PathBuf::from) {
        let shown = given.display();
        assert!(given.is_file(), "{VARIABLE}: {shown} is no program");
        return Some(given);
    }
    let tools = Command::new(TOOLS).arg("--path").output();
    let tools = tools.unwrap_or_else(|error| panic!("{TOOLS} --path: {error}"));
    let tools = PathBuf::from(String::from_utf8_lossy(&tools.stdout).trim());
    let path = env::var_os("PATH").unwrap_or_default();
    std::iter::once(tools)
        .chain(env::split_paths(&path))
        .map(|folder| folder.join("garage"))
        .find(|program| program.is_file())
}

impl Garage {
    /// Starts one with an empty bucket; returns when it answers.
    pub(super) fn start(program: &Path) -> Self {
        let folder = TemporaryFolder::create("garage").expect("a folder for Garage");
        let configuration = folder.path().join("garage.toml");
        fs::write(&configuration, configuration_in(folder.path())).expect("its configuration");
        let log = fs::File::create(folder.path().join("log")).expect("its log");
        let mut command = Command::new(program);
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
            .stderr(log);
        let process = folder
            .spawn(&mut command)
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut garage = Self { process, folder };
        garage.wait_until_it_answers();
        garage
    }

    fn wait_until_it_answers(&mut self) {
        let begun = Instant::now();
        // Bucket and key are there before the socket is.
        while UnixStream::connect(self.socket()).is_err() {
            let ended = self.process.try_wait().expect("the status of a child");
            assert!(
                ended.is_none() && begun.elapsed() < TIMEOUT,
                "Garage does not start ({ended:?}):\n{}",
                fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn socket(&self) -> PathBuf {
        socket_in(self.folder.path())
    }

    pub(super) fn router(&self) -> Router {
        let client = reqwest::Client::builder()
            .unix_socket(self.socket())
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Router::new().fallback(forward).with_state(client)
    }

    /// Keys, and for each unfinished upload its key and id.
    pub(super) fn objects(&self) -> Vec<String> {
        let mut found = listing::keys(&self.socket());
        let uploads = self.uploads().into_iter();
        found.extend(uploads.map(|upload| format!("{}?uploadId={}", upload.key, upload.id)));
        found
    }

    pub(super) fn uploads(&self) -> Vec<Unfinished> {
        listing::uploads(&self.socket())
    }
}

impl Drop for Garage {
    fn drop(&mut self) {
        // The folder's reaper would wait for a writer that ends by itself. An error means that it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn socket_in(folder: &Path) -> PathBuf {
    folder.join("s3.sock")
}

/// A node that is its own cluster: nobody ever connects to it, so the system picks its port.
fn configuration_in(folder: &Path) -> String {
    let at = folder.display();
    let secret = "0".repeat(64);
    format!(
        "metadata_dir = '{at}/metadata'\n\
         data_dir = '{at}/data'\n\
         replication_factor = 1\n\
         disable_scrub = true\n\
         rpc_bind_addr = '127.0.0.1:0'\n\
         rpc_public_addr = '127.0.0.1:1'\n\
         rpc_secret = '{secret}'\n\
         [s3_api]\n\
         api_bind_addr = '{}'\n\
         s3_region = '{REGION}'\n",
        socket_in(folder).display()
    )
}

async fn forward(State(garage): State<reqwest::Client>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |it| it.as_str());
    let has_body = head.headers.contains_key(header::CONTENT_LENGTH);
    let mut request = garage
        .request(head.method, format!("http://garage{target}"))
        .headers(end_to_end(head.headers));
    if has_body {
        request = request.body(reqwest::Body::wrap_stream(body.into_data_stream()));
    }
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("no answer from Garage: {error:?}");
            return front::error(502, "BadGateway");
        }
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = end_to_end(answer.headers().clone());
    *response.body_mut() = Body::from_stream(answer.bytes_stream());
    response
}

/// Without what is about one connection only.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    headers.remove(header::CONNECTION);
    headers.remove(header::TRANSFER_ENCODING);
    headers
}
