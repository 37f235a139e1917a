//! The errors, each with its remedy.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a server, a reaper or a temporary folder could not be started, stopped or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither PostgreSQL programs nor docker. The message says what to install.
    #[error(
        "PostgreSQL is not installed: no usable `initdb` and `postgres` in {searched}; and {docker}. \
         Install PostgreSQL (Debian, Ubuntu: `apt-get install postgresql`; Fedora: `dnf install postgresql-server`; \
         macOS: `brew install postgresql`), or start docker. Tests can also use a server of yours: set TEST_DATABASE_URL"
    )]
    NoPostgres {
        /// The folders that were searched, separated by commas.
        searched: String,
        /// Why docker cannot be used.
        docker: String,
    },
    /// `TEST_DATABASE_URL` is not a PostgreSQL URL. The message leaves the value out, because it can contain a password.
    #[error(
        "TEST_DATABASE_URL is invalid: {reason}. Set it to postgres://user:password@host:port/database, or unset it"
    )]
    TestDatabaseUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// PostgreSQL refuses to run as root, and no unprivileged user exists.
    #[error(
        "PostgreSQL does not run as root, and this machine has no user `postgres` or `nobody`: \
         run as an ordinary user, or add one of these users"
    )]
    NoUnprivilegedUser,
    /// No temporary folder is usable.
    #[error(
        "no temporary folder is usable by {user}: {tried}. Set TMPDIR to a folder that this user can enter"
    )]
    NoFolder {
        /// The user of the processes.
        user: String,
        /// Each folder with the reason.
        tried: String,
    },
    /// A file or folder could not be written, read, or given to the cluster's user.
    #[error("could not {action} {}", path.display())]
    File {
        /// The failed action.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("could not run {}: check that {user} may execute it", program.display())]
    Run {
        /// The program's path.
        program: PathBuf,
        /// The user to run it.
        user: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A program failed.
    #[error("{} failed ({status}): {output}", program.display())]
    Failed {
        /// The program's path.
        program: PathBuf,
        /// Its exit status.
        status: ExitStatus,
        /// The end of its output.
        output: String,
    },
    /// The reaper could not be started, so nothing else was started.
    #[error("could not start the reaper, which removes temporary files and processes: {reason}")]
    Reaper {
        /// Its output, or the system's reason.
        reason: String,
    },
    /// No free port on loopback.
    #[error("no free port on 127.0.0.1 between {first} and {last}: end the programs that use them")]
    NoFreePort {
        /// The lowest port tried.
        first: u16,
        /// The highest port tried.
        last: u16,
    },
    /// Another process listens on the port.
    #[error("another process took port {port} on 127.0.0.1: end that process and start again")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The server ended during its start.
    #[error("PostgreSQL ended during its start ({status}); the end of its log:\n{log}")]
    ServerEnded {
        /// Its exit status.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The server did not become ready in time.
    #[error(
        "PostgreSQL was not ready after {seconds} s; the machine may be overloaded. The end of its log:\n{log}"
    )]
    ServerNotReady {
        /// The time that it had.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
    /// The server did not stop in time.
    #[error("PostgreSQL (process {pid}) did not stop within {seconds} s: use Shutdown::Immediate")]
    ServerNotStopped {
        /// The postmaster.
        pid: u32,
        /// The time that it had.
        seconds: u64,
    },
    /// The call needs installed PostgreSQL programs, and the server is a container.
    #[error(
        "{call} needs installed PostgreSQL programs, and the server is a container: install PostgreSQL"
    )]
    InstalledProgramsOnly {
        /// The call's name.
        call: &'static str,
    },
    /// The container did not become ready.
    #[error("container {name} was not ready after {seconds} s: {reason}")]
    ContainerNotReady {
        /// Its name.
        name: String,
        /// The time that it had.
        seconds: u64,
        /// The reason, or the output of docker.
        reason: String,
    },
    /// A folder or a container is left.
    #[error("could not remove {what}: remove it by hand")]
    NotRemoved {
        /// The folder, or the container.
        what: String,
    },
}
