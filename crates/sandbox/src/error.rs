//! Everything that can go wrong here, each with what to do about it. Owns the texts, not the decisions.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why there is no PostgreSQL, or why it did not do as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither programs nor a container: the one message that says what to install.
    #[error(
        "no PostgreSQL to start: no usable `initdb` and `postgres` in {searched}; and {docker}. \
         Install PostgreSQL (Debian, Ubuntu: `apt-get install postgresql`; Fedora: `dnf install postgresql-server`; \
         macOS: `brew install postgresql`), or start docker; tests can instead be given a server in TEST_DATABASE_URL"
    )]
    NoPostgres {
        /// The folders that were searched, separated by commas.
        searched: String,
        /// Why docker cannot be used either.
        docker: String,
    },
    /// `TEST_DATABASE_URL` is set to something that is no PostgreSQL URL. The value itself may hold a password.
    #[error(
        "TEST_DATABASE_URL is not usable: {reason}. Give it as postgres://user:password@host:port/database, or unset it"
    )]
    TestDatabaseUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// PostgreSQL refuses to run as root, and there is nobody else to run it as.
    #[error(
        "PostgreSQL does not run as root, and this machine has neither a user `postgres` nor `nobody`: \
         run as an ordinary user, or add one of them"
    )]
    NoUnprivilegedUser,
    /// No temporary folder in which the cluster's user can work.
    #[error(
        "no temporary folder in which {user} can work: {tried}. Set TMPDIR to a folder that this user can reach"
    )]
    NoFolder {
        /// Whom the cluster would run as.
        user: String,
        /// Each folder with the reason why not.
        tried: String,
    },
    /// A file or folder of the cluster could not be written, read or handed over.
    #[error("could not {action} {}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A program could not be run at all.
    #[error("could not run {}: check that it may be executed by {user}", program.display())]
    Run {
        /// The program's path.
        program: PathBuf,
        /// Whom it was to run as.
        user: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("{} failed ({status}): {output}", program.display())]
    Failed {
        /// The program's path.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it printed last.
        output: String,
    },
    /// The process that cleans up afterwards could not be started, so nothing else was.
    #[error("could not start the reaper that cleans up afterwards: {reason}")]
    Reaper {
        /// What it or the system said.
        reason: String,
    },
    /// No free port on loopback.
    #[error("found no free port on 127.0.0.1 between {first} and {last}: end what holds them")]
    NoFreePort {
        /// The lowest port tried.
        first: u16,
        /// The highest port tried.
        last: u16,
    },
    /// Another process listens on the port.
    #[error(
        "port {port} on 127.0.0.1 was taken by another process: end that process and start again"
    )]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The server ended instead of becoming ready.
    #[error("PostgreSQL ended at its start ({status}); the end of its log:\n{log}")]
    ServerEnded {
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The server neither ended nor became ready.
    #[error(
        "PostgreSQL was not ready after {seconds} s, is the machine overloaded? The end of its log:\n{log}"
    )]
    ServerNotReady {
        /// How long it was waited for.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
    /// The server was told to stop and did not.
    #[error(
        "PostgreSQL (process {pid}) did not stop within {seconds} s: stop it with Shutdown::Immediate"
    )]
    ServerNotStopped {
        /// The postmaster.
        pid: u32,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The call needs PostgreSQL's programs, and this server runs in a container.
    #[error(
        "{call} needs installed PostgreSQL programs, and this server is a container: install PostgreSQL"
    )]
    InstalledProgramsOnly {
        /// The call's name.
        call: &'static str,
    },
    /// The container started and did not become usable.
    #[error("container {name} was not usable after {seconds} s: {reason}")]
    ContainerNotReady {
        /// Its name.
        name: String,
        /// How long it was waited for.
        seconds: u64,
        /// What was missing, or what docker said.
        reason: String,
    },
    /// Something was left behind.
    #[error("could not remove {what}: remove it by hand")]
    NotRemoved {
        /// The folder, or the container.
        what: String,
    },
}
