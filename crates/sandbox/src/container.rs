//! PostgreSQL in a container, through the `docker` command line, for machines without PostgreSQL programs.

use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::address::{Address, Password, SUPERUSER, random_name};
use crate::error::Error;
use crate::programs::{SHOWN_LINES, last_lines};
use crate::reaper::Reaper;
use crate::settings;

const IMAGE: &str = "postgres:15-bookworm";
const READY_WITHIN: Duration = Duration::from_mins(2);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A `docker` command whose engine responds and has the image.
#[derive(Debug)]
pub(crate) struct Docker {
    program: PathBuf,
}

impl Docker {
    /// Checks the engine, and pulls the image if it is missing. The error says why docker cannot be used.
    pub(crate) fn with_image(program: Option<PathBuf>) -> Result<Self, String> {
        let program = program.ok_or("no `docker` in the folders of PATH")?;
        let docker = Self { program };
        let failed = |what: &str, why: String| format!("`docker {what}` failed: {why}");
        docker
            .run(&["version"])
            .map_err(|why| failed("version", why))?;
        // A command of its own, so that Ctrl-C ends it: no container exists yet.
        if docker.run(&["image", "inspect", IMAGE]).is_err() {
            docker
                .run(&["pull", "--quiet", IMAGE])
                .map_err(|why| failed(&format!("pull {IMAGE}"), why))?;
        }
        Ok(docker)
    }

    /// The output of a command; its standard error if it fails.
    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.output(arguments)?;
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(last_lines(&text(&output.stderr), SHOWN_LINES))
        }
    }

    /// The end of a container's log; none if the container does not exist.
    fn log(&self, name: &str) -> Option<String> {
        let output = self.output(&["logs", "--tail=20", name]).ok()?;
        let log = text(&output.stdout) + "\n" + &text(&output.stderr);
        output.status.success().then_some(log)
    }

    fn output(&self, arguments: &[&str]) -> Result<Output, String> {
        Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{}: {error}", self.program.display()))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// A running container. The drop removes it.
#[derive(Debug)]
pub(crate) struct Container {
    reaper: Reaper,
    name: String,
    address: Address,
}

impl Container {
    /// Starts a container; returns when its server accepts connections from this machine.
    pub(crate) fn start(docker: &Docker) -> Result<Self, Error> {
        let name = format!("exports-postgres-{}", random_name());
        let password = Password::random();
        let reaper = Reaper::of_container(
            docker.program.as_os_str(),
            &name,
            &run_arguments(&name),
            password.reveal(),
        )
        .map_err(|output| Error::ContainerNotReady {
            name: name.clone(),
            seconds: 0,
            reason: format!("`docker run` failed: {output}"),
        })?;
        let address = Address { port: 0, password };
        let mut container = Self {
            reaper,
            name,
            address,
        };
        container.address.port = container.wait_until_ready(docker)?;
        Ok(container)
    }

    /// The published port, when a connection to it works.
    fn wait_until_ready(&self, docker: &Docker) -> Result<u16, Error> {
        let start = Instant::now();
        let mut log = String::new();
        loop {
            let reason = match self.ready_port(docker) {
                Ok(port) => return Ok(port),
                Err(reason) => reason,
            };
            // The engine removes a container that ends, with its log, so the last log is kept here.
            let is_there = docker.log(&self.name).map(|seen| log = seen).is_some();
            if !is_there || start.elapsed() > READY_WITHIN {
                let reason = if is_there { &reason } else { "it ended" };
                return Err(Error::ContainerNotReady {
                    name: self.name.clone(),
                    seconds: start.elapsed().as_secs(),
                    reason: format!("{reason}; the end of its log:\n{}", log.trim()),
                });
            }
            sleep(POLL_INTERVAL);
        }
    }

    fn ready_port(&self, docker: &Docker) -> Result<u16, String> {
        // TCP, because during its setup the image runs a server that listens only on a socket.
        let is_ready = ["exec", &self.name, "pg_isready", "--host=127.0.0.1"];
        docker.run(&is_ready)?;
        let published = docker.run(&["port", &self.name, "5432/tcp"])?;
        let port = published_port(&published)
            .ok_or_else(|| format!("`docker port` answered {published:?}"))?;
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .map(|_| port)
            .map_err(|error| {
                format!("127.0.0.1:{port}: {error} (is docker's engine on another machine?)")
            })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Removes the container. May be called twice.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        match self.reaper.finish() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(Error::NotRemoved {
                what: format!("container {}", self.name),
            }),
        }
    }
}

/// The arguments after `docker`.
fn run_arguments(name: &str) -> Vec<String> {
    let user = format!("POSTGRES_USER={SUPERUSER}");
    let fixed = [
        "run",
        "--detach",
        "--rm",
        "--pull=never",
        "--name",
        name,
        "--publish=127.0.0.1::5432",
        // Parallel queries use /dev/shm, and the default of containers is 64 MB.
        "--shm-size=256m",
        "--env",
        &user,
        // Without a value: docker takes it from the environment, which the reaper sets.
        "--env",
        "POSTGRES_PASSWORD",
        "--env",
        "POSTGRES_INITDB_ARGS=--encoding=UTF8 --locale=C --no-sync",
        IMAGE,
    ];
    fixed
        .into_iter()
        .map(str::to_owned)
        .chain(settings::as_arguments())
        .collect()
}

/// Parses lines such as `127.0.0.1:49153`.
fn published_port(text: &str) -> Option<u16> {
    text.lines()
        .find_map(|line| line.rsplit(':').next()?.trim().parse().ok())
}

#[cfg(test)]
mod tests;
