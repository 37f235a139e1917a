//! The private server: a cluster from installed programs, else a container.

use std::path::{Path, PathBuf};

use crate::address::Address;
use crate::cluster::Cluster;
use crate::container::{Container, Docker};
use crate::error::Error;
use crate::postmaster::Shutdown;
use crate::programs::Places;
use crate::user::RunAs;

const MAINTENANCE_DATABASE: &str = "postgres";

/// A private PostgreSQL on loopback. The drop stops and removes it, and blocks until that is complete. The reaper does the same
/// if the owning process ends without the drop: by Ctrl-C, a panic, SIGKILL, or because it is in a `static`.
#[derive(Debug)]
pub struct LocalPostgres {
    runtime: Runtime,
}

#[derive(Debug)]
enum Runtime {
    Cluster(Cluster),
    Container(Container),
}

impl LocalPostgres {
    /// Starts a new, empty server. Blocks until it accepts connections: 1 to 3 seconds for a cluster.
    pub fn start() -> Result<Self, Error> {
        Self::start_from(&Places::of_this_machine())
    }

    fn start_from(places: &Places) -> Result<Self, Error> {
        let user = RunAs::choose()?;
        let runtime = match places.programs(&user) {
            Some(programs) => Runtime::Cluster(Cluster::create(programs, user)?),
            None => Runtime::Container(Self::start_container(places)?),
        };
        Ok(Self { runtime })
    }

    fn start_container(places: &Places) -> Result<Container, Error> {
        let docker = Docker::with_image(places.docker()).map_err(|docker| Error::NoPostgres {
            searched: places.searched(),
            docker,
        })?;
        Container::start(&docker)
    }

    /// The URL of the maintenance database, as superuser: `postgres://user:password@127.0.0.1:port/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for(MAINTENANCE_DATABASE)
    }

    /// The URL of a database, which need not exist yet.
    #[must_use]
    pub fn url_for(&self, database: &str) -> String {
        self.address().url_for(database)
    }

    /// The TCP port on 127.0.0.1. It never changes.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address().port
    }

    /// The folder with the cluster (`data`) and its log (`log`); none for a container.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.runtime {
            Runtime::Cluster(cluster) => Some(cluster.folder()),
            Runtime::Container(_) => None,
        }
    }

    /// The path of a PostgreSQL program (`psql`, `pg_dump`) of the server's version; none if it is not installed.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        match &self.runtime {
            Runtime::Cluster(cluster) => {
                Some(cluster.programs().path(name)).filter(|path| path.exists())
            }
            Runtime::Container(_) => None,
        }
    }

    /// Stops the server and keeps its files and port. Does nothing if it is stopped. Fails for a container.
    pub fn stop_server(&self, how: Shutdown) -> Result<(), Error> {
        self.cluster("stop_server")?.stop(how)
    }

    /// Starts the stopped or crashed server on the same port. Does nothing if it is running. Fails for a container, and shortly
    /// after a crash, until the crashed server's children have ended: retry then.
    pub fn start_server(&self) -> Result<(), Error> {
        self.cluster("start_server")?.start()
    }

    /// Stops the server and starts it again. Fails for a container.
    pub fn restart(&self, how: Shutdown) -> Result<(), Error> {
        let cluster = self.cluster("restart")?;
        cluster.stop(how)?;
        cluster.start()
    }

    /// A hot standby with its own folder and port, and the same password. SQL pauses and resumes replay
    /// (`pg_wal_replay_pause()`, `pg_wal_replay_resume()`). Fails for a container.
    pub fn standby(&self) -> Result<Self, Error> {
        let standby = self.cluster("standby")?.standby()?;
        Ok(Self {
            runtime: Runtime::Cluster(standby),
        })
    }

    /// Stops and removes the server, like the drop. Fails if something is left.
    pub fn stop(mut self) -> Result<(), Error> {
        match &mut self.runtime {
            Runtime::Cluster(cluster) => cluster.finish(),
            Runtime::Container(container) => container.finish(),
        }
    }

    fn address(&self) -> &Address {
        match &self.runtime {
            Runtime::Cluster(cluster) => cluster.address(),
            Runtime::Container(container) => container.address(),
        }
    }

    fn cluster(&self, call: &'static str) -> Result<&Cluster, Error> {
        match &self.runtime {
            Runtime::Cluster(cluster) => Ok(cluster),
            Runtime::Container(_) => Err(Error::InstalledProgramsOnly { call }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_without_programs_and_docker_says_what_to_install() {
        let empty = tempfile::tempdir().unwrap();
        let places = Places {
            path: vec![empty.path().into()],
            usual: vec![],
        };
        let message = LocalPostgres::start_from(&places).unwrap_err().to_string();
        for part in [
            &empty.path().display().to_string(),
            "no `docker`",
            "apt-get install postgresql",
            "TEST_DATABASE_URL",
        ] {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
    }
}
