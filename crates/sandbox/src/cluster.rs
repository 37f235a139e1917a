//! A private PostgreSQL cluster from installed programs: create, copy, stop, start, remove.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::address::{Address, Password, SUPERUSER, free_port};
use crate::error::Error;
use crate::folder;
use crate::postmaster::{Files, Postmaster, Shutdown};
use crate::programs::{Programs, run};
use crate::reaper::Reaper;
use crate::settings;
use crate::user::RunAs;

/// Attempts to find a port that no other process takes before the server starts.
const PORT_TRIES: u32 = 5;

/// A server with its files. The drop removes it.
#[derive(Debug)]
pub(crate) struct Cluster {
    reaper: Reaper,
    folder: PathBuf,
    files: Files,
    programs: Programs,
    user: RunAs,
    address: Address,
    postmaster: Mutex<Option<Postmaster>>,
}

impl Cluster {
    /// A new, empty cluster that accepts connections.
    pub(crate) fn create(programs: Programs, user: RunAs) -> Result<Self, Error> {
        let mut cluster = Self::prepare(programs, user, Password::random())?;
        cluster.init()?;
        cluster.start_on_a_free_port(free_port)?;
        Ok(cluster)
    }

    /// A hot standby of this cluster.
    pub(crate) fn standby(&self) -> Result<Self, Error> {
        // The copy includes the roles, so the password is the same.
        let password = self.address.password.clone();
        let mut standby = Self::prepare(self.programs.clone(), self.user.clone(), password)?;
        standby.copy_from(&self.address)?;
        standby.start_on_a_free_port(free_port)?;
        Ok(standby)
    }

    /// A temporary folder without a cluster.
    fn prepare(programs: Programs, user: RunAs, password: Password) -> Result<Self, Error> {
        let (folder, reaper) = folder::create("postgres", &user)?;
        Ok(Self {
            reaper,
            files: Files::in_folder(&folder),
            folder,
            programs,
            user,
            address: Address { port: 0, password },
            postmaster: Mutex::new(None),
        })
    }

    fn init(&self) -> Result<(), Error> {
        let password_file = self.folder.join("password");
        // The folder is private, so the file's mode does not matter.
        write(&password_file, self.address.password.reveal())?;
        self.user.own(&password_file)?;
        let mut initdb = self.command("initdb");
        initdb
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"])
            .args(["--no-sync", "--username", SUPERUSER])
            .arg("--pwfile")
            .arg(&password_file)
            .arg("--pgdata")
            .arg(&self.files.data);
        run(&mut initdb, &self.user)?;
        let config = self.files.data.join("postgresql.conf");
        let text = fs::read_to_string(&config).map_err(|source| Error::File {
            action: "read",
            path: config.clone(),
            source,
        })?;
        // Only TCP: the path of a socket is limited to about 100 bytes, and temporary folders can be longer.
        let own = "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n";
        // In the file, not on the command line: `ALTER SYSTEM` can change them, and a standby inherits them.
        write(&config, &(text + own + &settings::as_config()))
    }

    fn copy_from(&self, source: &Address) -> Result<(), Error> {
        let mut copy = self.command("pg_basebackup");
        copy.env("PGPASSWORD", source.password.reveal())
            // The standby's configuration records the connection, so the caller's libpq configuration must not change it.
            .envs([("PGSSLMODE", "disable"), ("PGGSSENCMODE", "disable")])
            .args(["--host=127.0.0.1", "--port", &source.port.to_string()])
            .args(["--username", SUPERUSER, "--no-password"])
            .args(["--checkpoint=fast", "--wal-method=stream", "--no-sync"])
            .arg("--write-recovery-conf")
            .arg("--pgdata")
            .arg(&self.files.data);
        run(&mut copy, &self.user)
    }

    fn start_on_a_free_port(
        &mut self,
        mut choose: impl FnMut() -> Result<u16, Error>,
    ) -> Result<(), Error> {
        let mut tries = 1;
        loop {
            self.address.port = choose()?;
            match self.start() {
                Err(Error::PortTaken { .. }) if tries < PORT_TRIES => tries += 1,
                result => return result,
            }
        }
    }

    /// Starts the server on its port, unless it is running.
    pub(crate) fn start(&self) -> Result<(), Error> {
        let mut slot = self.postmaster();
        if let Some(running) = slot.as_mut()
            && running.ended().is_none()
        {
            return Ok(());
        }
        let mut postgres = self.command("postgres");
        postgres
            .arg("-D")
            .arg(&self.files.data)
            .args(["-p", &self.address.port.to_string()]);
        *slot = Some(Postmaster::start(
            postgres,
            self.address.port,
            &self.files,
            &self.user,
        )?);
        Ok(())
    }

    /// Stops the server, if it is running. The files and the port stay.
    pub(crate) fn stop(&self, how: Shutdown) -> Result<(), Error> {
        self.postmaster()
            .as_mut()
            .map_or(Ok(()), |postmaster| postmaster.stop(how))
    }

    /// Stops and removes everything. May be called twice.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        // Reaps a server that crashed; else the reaper would wait for the zombie.
        if let Some(postmaster) = self.postmaster().as_mut() {
            postmaster.ended();
        }
        let _ = self.reaper.finish();
        // The rest is only needed if the reaper was killed.
        self.stop(Shutdown::Immediate)?;
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).map_err(|_| Error::NotRemoved {
                what: self.folder.display().to_string(),
            })?;
        }
        Ok(())
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// A command of a PostgreSQL program: as the cluster's user, in the reaper's process group, in a folder that this user can
    /// enter, without the caller's `PG…` variables and locale.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.path(name));
        self.user.apply(&mut command);
        for (variable, _) in std::env::vars_os() {
            if variable.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(variable);
            }
        }
        command
            .env("LC_ALL", "C")
            .env("HOME", &self.folder)
            .current_dir(&self.folder)
            .process_group(self.reaper.group())
            .stdin(Stdio::null());
        command
    }

    /// A panic of another thread does not change the process, so a poisoned lock can be used.
    fn postmaster(&self) -> MutexGuard<'_, Option<Postmaster>> {
        self.postmaster
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Callers that need the result call `finish` first.
        let _ = self.finish();
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::File {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::Places;
    use std::net::{Ipv4Addr, TcpListener};

    fn installed() -> (Programs, RunAs) {
        let user = RunAs::choose().unwrap();
        let programs = Places::of_this_machine().programs(&user);
        (programs.expect("these tests need PostgreSQL"), user)
    }

    fn initialised() -> Cluster {
        let (programs, user) = installed();
        let cluster = Cluster::prepare(programs, user, Password::random()).unwrap();
        cluster.init().unwrap();
        cluster
    }

    #[test]
    fn a_port_taken_before_the_start_is_replaced() {
        let mut cluster = initialised();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = taken.local_addr().map(|a| (taken, a.port())).unwrap();
        let free = free_port().unwrap();
        let mut ports = [taken.1, free].into_iter();
        cluster
            .start_on_a_free_port(|| Ok(ports.next().unwrap()))
            .unwrap();
        assert_eq!(cluster.address.port, free);
    }

    #[test]
    fn a_port_that_stays_taken_is_reported() {
        let mut cluster = initialised();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = cluster.start_on_a_free_port(|| Ok(port)).unwrap_err();
        assert!(matches!(error, Error::PortTaken { port: named } if named == port));
    }

    #[test]
    fn a_failed_start_shows_the_log_and_leaves_nothing() {
        let mut cluster = initialised();
        let folder = cluster.folder.clone();
        write(
            &cluster.files.data.join("postgresql.auto.conf"),
            "fsnyc = off\n",
        )
        .unwrap();
        let error = cluster.start_on_a_free_port(free_port).unwrap_err();
        assert!(error.to_string().contains("\"fsnyc\""), "{error}");
        drop(cluster);
        assert!(!folder.exists());
    }

    #[test]
    fn the_cluster_is_removed_even_if_its_reaper_was_killed() {
        use nix::sys::signal::{Signal, kill};
        let (programs, user) = installed();
        let mut cluster = Cluster::create(programs, user).unwrap();
        let reaper = nix::unistd::Pid::from_raw(cluster.reaper.group());
        kill(reaper, Signal::SIGKILL).unwrap();
        cluster.finish().unwrap();
        assert!(!cluster.folder.exists());
        let port = cluster.address.port;
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    }
}
