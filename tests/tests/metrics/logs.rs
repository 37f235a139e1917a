//! Logs that cannot be written: the services continue, and count the lost lines.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, PipeReader, Write};
use std::net::TcpListener;
use std::process::Stdio;

use exports_database::NewExport;
use exports_domain::{Choice, Direction, ExportId, ExportState, MessageFilter, TimeRange, time};
use exports_tests::{
    Client, Process, RunningStore, Scrape, StoreKind, TIMEOUT, TestDatabase, eventually,
};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

const SIGNING_KEY: &str = "a signing key for tests, which is long enough";
const LOST: &str = "exports_log_lines_lost_total";

/// The fault of a service's standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    /// A pipe whose reader is closed.
    ReaderGone,
    /// A full pipe that is not read.
    Unread,
    /// A file on a full disk.
    DiskFull,
}

impl Log {
    const ALL: [Self; 3] = [Self::ReaderGone, Self::Unread, Self::DiskFull];

    /// A standard error with this fault. The pipe has a reader until the returned reader is dropped.
    fn open(self) -> (Stdio, Option<PipeReader>) {
        if self == Self::DiskFull {
            let full = OpenOptions::new().write(true).open("/dev/full");
            return (full.expect("a device that is full").into(), None);
        }
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        if self == Self::ReaderGone {
            return (writer.into(), None);
        }
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a pipe that does not block");
        while writer.write(&[b'\n'; 512]).is_ok() {}
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).expect("a pipe that blocks again");
        (writer.into(), Some(reader))
    }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

/// A database and a store, and the environment variables of the services.
struct Place {
    database: TestDatabase,
    store: RunningStore,
}

impl Place {
    async fn new() -> Self {
        Self {
            database: TestDatabase::create().await,
            store: RunningStore::start(StoreKind::File),
        }
    }

    fn environment(&self, variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = [
            ("DATABASE_URL", self.database.url()),
            ("EXPORTS_LOG_FORMAT", "json"),
            ("EXPORTS_SIGNING_KEY", SIGNING_KEY),
        ];
        let own = own.iter().chain(variables);
        let own = own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.store.environment().into_iter().chain(own).collect()
    }
}

async fn is_ready(client: &Client) {
    eventually("the service is ready", TIMEOUT, async || {
        let reply = client.try_get("/readyz").await.ok()?;
        (reply.status == 200).then_some(())
    })
    .await;
}

async fn terminate_and_wait(process: &mut Process) {
    process.terminate();
    let status = process.wait().await;
    assert!(status.success(), "{status:?}");
}

#[tokio::test]
async fn the_api_responds_and_stops_when_its_log_cannot_be_written() {
    const REQUESTS: usize = 300;
    let place = Place::new().await;
    for log in Log::ALL {
        let (stderr, reader) = log.open();
        let (listen, metrics) = (free_address(), free_address());
        let environment = place.environment(&[
            ("EXPORTS_LISTEN", &listen),
            ("EXPORTS_METRICS_LISTEN", &metrics),
        ]);
        let mut api = Process::start_logging_to(stderr, "exports-api", environment);
        let client = Client::new(&format!("http://{listen}"));
        is_ready(&client).await;
        // More lines than fit into a pipe.
        for _ in 0..REQUESTS {
            let _ = client.get("/nothing").await.expect(404);
        }
        let metrics = format!("http://{metrics}");
        if let Some(reader) = reader {
            // A late reader receives every line.
            let lines = BufReader::new(reader).lines().map_while(Result::ok);
            let answered = lines.filter(|line| line.contains("\"status\":404"));
            assert_eq!(answered.take(REQUESTS).count(), REQUESTS);
            assert!(Scrape::of(&metrics).await.value(LOST, &[]) < 1.0);
        } else {
            eventually("every lost line is counted", TIMEOUT, async || {
                let lost = Scrape::of(&metrics).await.value(LOST, &[]);
                (lost > 300.0).then_some(())
            })
            .await;
        }
        terminate_and_wait(&mut api).await;
    }
}

#[tokio::test]
async fn a_worker_works_and_stops_when_its_log_cannot_be_written() {
    let place = Place::new().await;
    let project = place.database.project("proj_abc123").await;
    let storage = place.database.storage();
    let at = |text| time::parse(text).expect("a time");
    for log in Log::ALL {
        let (stderr, _reader) = log.open();
        let listen = free_address();
        let environment = place.environment(&[("EXPORTS_HEALTH_LISTEN", &listen)]);
        let mut worker = Process::start_logging_to(stderr, "exports-worker", environment);
        let address = format!("http://{listen}");
        is_ready(&Client::new(&address)).await;
        let new = NewExport {
            id: ExportId::generate(),
            project: project.clone(),
            filter: MessageFilter {
                range: TimeRange::new(at("2025-12-01T00:00:00Z"), at("2025-12-06T00:00:00Z"))
                    .expect("a range"),
                direction: Direction::Outbound,
                status: Choice::Any,
                endpoint: Choice::Any,
            },
            options: exports_domain::FileOptions::default(),
            label: None,
            retry_of: None,
            idempotency_key: None,
            traceparent: None,
            limits: exports_database::CreateLimits::default(),
        };
        storage.create_export(&new).await.expect("a new export");
        eventually("the export is completed", TIMEOUT, async || {
            let found = storage.get_export(&project, new.id).await;
            let export = found.expect("exports can be read").expect("the export");
            matches!(export.state, ExportState::Completed(_)).then_some(())
        })
        .await;
        if log != Log::Unread {
            eventually("lost lines are counted", TIMEOUT, async || {
                (Scrape::of(&address).await.value(LOST, &[]) > 0.0).then_some(())
            })
            .await;
        }
        terminate_and_wait(&mut worker).await;
    }
}

/// The error line cannot be written, but the exit code is set.
#[tokio::test]
async fn a_failed_start_sets_the_exit_code_when_the_log_cannot_be_written() {
    let store = RunningStore::start(StoreKind::File);
    let database = ("DATABASE_URL", "postgres://127.0.0.1:1/none");
    let key = ("EXPORTS_SIGNING_KEY", SIGNING_KEY);
    let timeout = ("EXPORTS_STARTUP_TIMEOUT", "1s");
    for log in Log::ALL {
        for (variables, code) in [(&[key][..], 2), (&[key, database, timeout], 1)] {
            for program in ["exports-api", "exports-worker"] {
                let (stderr, _reader) = log.open();
                let own = variables.iter();
                let own = own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
                let variables = store.environment().into_iter().chain(own);
                let mut process = Process::start_logging_to(stderr, program, variables);
                let status = process.wait().await;
                assert_eq!(status.code(), Some(code), "{program} {log:?}: {status:?}");
            }
        }
    }
}
