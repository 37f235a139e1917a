//! The server as callers see it, whichever way it runs. Owns the order in which ways are tried.

use std::path::{Path, PathBuf};

use crate::address::Address;
use crate::cluster::Cluster;
use crate::container::{Container, Docker};
use crate::error::Error;
use crate::postmaster::Shutdown;
use crate::programs::Places;
use crate::user::RunAs;

const MAINTENANCE_DATABASE: &str = "postgres";

/// A private PostgreSQL on loopback, stopped and removed when dropped, and also when the owning process ends without dropping it:
/// by Ctrl-C, a panic, SIGKILL, or in a `static`.
///
/// Dropping blocks until nothing is left.
#[derive(Debug)]
pub struct LocalPostgres {
    way: Way,
}

#[derive(Debug)]
enum Way {
    Cluster(Cluster),
    Container(Container),
}

impl LocalPostgres {
    /// Starts a new, empty server: a cluster from installed programs, else a container. Blocks until it accepts connections, with
    /// programs 1 to 3 seconds.
    pub fn start() -> Result<Self, Error> {
        Self::start_from(&Places::of_this_machine())
    }

    fn start_from(places: &Places) -> Result<Self, Error> {
        let user = RunAs::choose()?;
        let way = match places.programs(&user) {
            Some(programs) => Way::Cluster(Cluster::create(programs, user)?),
            None => Way::Container(Self::start_container(places)?),
        };
        Ok(Self { way })
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

    /// The URL of a database of that name, which need not exist yet.
    #[must_use]
    pub fn url_for(&self, database: &str) -> String {
        self.address().url_for(database)
    }

    /// The TCP port on 127.0.0.1, the same for the server's whole life.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address().port
    }

    /// The folder with the cluster (`data`) and its log (`log`); none for a container.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.way {
            Way::Cluster(cluster) => Some(cluster.folder()),
            Way::Container(_) => None,
        }
    }

    /// Where one of PostgreSQL's programs of this server's version lies (`psql`, `pg_dump`); none if it is not installed.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        match &self.way {
            Way::Cluster(cluster) => {
                Some(cluster.programs().path(name)).filter(|path| path.exists())
            }
            Way::Container(_) => None,
        }
    }

    /// Stops the server and keeps its files and port; nothing happens if it is stopped. Fails for a container.
    pub fn stop_server(&self, how: Shutdown) -> Result<(), Error> {
        self.cluster("stop_server")?.stop(how)
    }

    /// Starts the stopped or crashed server on the same port; nothing happens if it runs. Fails for a
    /// container, and shortly after a crash, while the crashed server's children are still ending: try again then.
    pub fn start_server(&self) -> Result<(), Error> {
        self.cluster("start_server")?.start()
    }

    /// Stops the server and starts it again. Fails for a container.
    pub fn restart(&self, how: Shutdown) -> Result<(), Error> {
        let cluster = self.cluster("restart")?;
        cluster.stop(how)?;
        cluster.start()
    }

    /// A hot standby with its own folder and port, which streams from this server and takes the same password. Replay is paused
    /// and resumed through SQL (`pg_wal_replay_pause()`, `pg_wal_replay_resume()`). Fails for a container.
    pub fn standby(&self) -> Result<Self, Error> {
        let standby = self.cluster("standby")?.standby()?;
        Ok(Self {
            way: Way::Cluster(standby),
        })
    }

    /// Stops and removes the server, as the drop does, and says if something was left behind.
    pub fn stop(mut self) -> Result<(), Error> {
        match &mut self.way {
            Way::Cluster(cluster) => cluster.finish(),
            Way::Container(container) => container.finish(),
        }
    }

    fn address(&self) -> &Address {
        match &self.way {
            Way::Cluster(cluster) => cluster.address(),
            Way::Container(container) => container.address(),
        }
    }

    fn cluster(&self, call: &'static str) -> Result<&Cluster, Error> {
        match &self.way {
            Way::Cluster(cluster) => Ok(cluster),
            Way::Container(_) => Err(Error::InstalledProgramsOnly { call }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_programs_and_docker_the_message_says_what_to_install() {
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
