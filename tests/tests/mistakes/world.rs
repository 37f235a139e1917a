//! A working installation: a database, a store, and the environment of the programs. Every mistake changes something of it.

use std::any::Any;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use exports_tests::s3::S3Server;
use exports_tests::{SIGNING_KEY, TestDatabase};
use tempfile::TempDir;
use url::Url;

/// A marker in values that must not be printed.
pub(crate) const SECRET: &str = "hush-hush-hush";

pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) s3: S3Server,
    /// A folder for the files of the mistakes.
    folder: TempDir,
    taken: TcpListener,
    free: u16,
    /// Servers and databases of single mistakes.
    kept: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl World {
    pub(crate) async fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let free = free.local_addr().expect("its address").port();
        Self {
            database: TestDatabase::create().await,
            s3: S3Server::in_process(),
            folder: TempDir::new().expect("a temporary folder"),
            taken: TcpListener::bind("127.0.0.1:0").expect("a free port"),
            free,
            kept: Mutex::default(),
        }
    }

    /// Keeps something until the end of the test.
    pub(crate) fn keep(&self, kept: impl Any + Send) {
        let mut all = self.kept.lock().expect("no panic");
        all.push(Box::new(kept));
    }

    /// The environment of all three programs, in which each of them works.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.s3.env();
        environment.extend(
            [
                ("PATH", &*std::env::var("PATH").unwrap_or_default()),
                ("DATABASE_URL", self.database.url()),
                ("EXPORTS_OBJECT_STORE_URL", &self.s3.url()),
                ("EXPORTS_LISTEN", "127.0.0.1:0"),
                ("EXPORTS_SIGNING_KEY", SIGNING_KEY),
                // Programs that wait report the reason at the end.
                ("EXPORTS_STARTUP_TIMEOUT", "1s"),
                // Only the line that ends the program, and not why it waited.
                ("RUST_LOG", "error"),
                ("AWS_EC2_METADATA_DISABLED", "true"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        environment
    }

    /// The host and the port of the database, as messages show them.
    pub(crate) fn database_host(&self) -> String {
        let url = self.url();
        let host = url.host_str().expect("a host").to_owned();
        format!("{host}:{}", url.port().unwrap_or(5432))
    }

    /// The database's URL with changes.
    pub(crate) fn database_url(&self, change: impl FnOnce(&mut Url)) -> String {
        let mut url = self.url();
        change(&mut url);
        url.into()
    }

    fn url(&self) -> Url {
        self.database.url().parse().expect("the database's URL")
    }

    /// The host and the port of the store.
    pub(crate) fn store_host(&self) -> String {
        format!("127.0.0.1:{}", self.s3.port())
    }

    /// An address on which this process listens.
    pub(crate) fn taken_address(&self) -> String {
        self.taken.local_addr().expect("its address").to_string()
    }

    /// An address on which nobody listens.
    pub(crate) fn free_address(&self) -> String {
        format!("127.0.0.1:{}", self.free)
    }

    /// The path of a file that does not exist.
    pub(crate) fn missing(&self) -> PathBuf {
        self.folder.path().join("missing")
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a new file");
        path
    }

    /// Creates a directory and returns its path.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir(&path).expect("a new directory");
        path
    }

    /// A certificate or key of the tests of TLS.
    pub(crate) fn certificate(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("certificates")
            .join(name)
    }
}

/// Sets the mode of a file or directory.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).expect("the owner may change the mode");
}
