//! One program of the service in its container, as deployed: on both networks, with a read-only file system, without
//! capabilities, and not as root.

use std::time::Instant;

use exports_tests::TIMEOUT;
use testcontainers::bollard::query_parameters::KillContainerOptionsBuilder;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerRequest, GenericImage, ImageExt};

use crate::containers::{Container, labelled, log_of, unique_name};
use crate::engine::{EXPORTCTL, docker};
use crate::network::Network;
use crate::pod::Pod;

/// Between two polls of a container.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// A program in its container.
pub struct Program {
    container: Container,
    pod: Pod,
}

impl Program {
    /// Starts the program of an image in a pod; does not wait until it is ready.
    pub(crate) async fn start(
        (name, tag): (&str, &str),
        pod: Pod,
        environment: &[(String, String)],
    ) -> Self {
        let request = labelled(GenericImage::new(name, tag), &unique_name(name), &[]);
        let mut request = hardened(request).with_network(pod.network());
        for (name, value) in environment {
            request = request.with_env_var(name, value);
        }
        let started = request.start().await;
        let container = started.unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { container, pod }
    }

    /// Its log.
    pub async fn log(&self) -> String {
        log_of(&self.container).await
    }

    /// Waits until its log contains a text. Panics if the program ends.
    pub async fn wait_for_log(&self, text: &str) {
        let begun = Instant::now();
        loop {
            let runs = self.container.is_running().await.expect("the container");
            let log = self.log().await;
            if log.contains(text) {
                return;
            }
            assert!(runs, "it ended without {text:?}:\n{log}");
            let patient = begun.elapsed() < TIMEOUT;
            assert!(patient, "no {text:?} within {TIMEOUT:?}:\n{log}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until it has ended, and returns its exit code.
    pub async fn ended(&self) -> i64 {
        let code = exports_tests::eventually("the program ends", TIMEOUT, async || {
            let code = self.container.exit_code().await;
            code.expect("the container")
        });
        code.await
    }

    /// Sends SIGKILL.
    pub async fn kill(&self) {
        self.signal("SIGKILL").await;
    }

    /// Sends SIGTERM, like an orchestrator.
    pub async fn terminate(&self) {
        self.signal("SIGTERM").await;
    }

    async fn signal(&self, signal: &str) {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let docker = docker().await;
        let sent = docker
            .kill_container(self.container.id(), Some(options))
            .await;
        sent.unwrap_or_else(|error| panic!("{signal}: {error}"));
    }

    /// Pauses it; its connections stay open.
    pub async fn pause(&self) {
        self.container.pause().await.expect("the container pauses");
    }

    /// Resumes it.
    pub async fn unpause(&self) {
        let unpaused = self.container.unpause().await;
        unpaused.expect("the container resumes");
    }

    /// Stops it with SIGTERM, and waits until it has ended.
    pub async fn stop(&self) {
        self.terminate().await;
        assert_eq!(self.ended().await, 0, "{}", self.log().await);
    }

    /// Starts it again in the same container.
    pub async fn start_again(&self) {
        let docker = docker().await;
        let started = docker.start_container(self.container.id(), None).await;
        started.expect("the container starts again");
    }

    /// Disconnects it from this network.
    pub async fn leave(&self, network: &Network) {
        self.pod.leave(network).await;
    }

    /// Connects it again.
    pub async fn join(&self, network: &Network) {
        self.pod.join(network).await;
    }

    /// Its processes with their command lines, which every user of the machine can see.
    pub async fn processes(&self) -> String {
        let processes = docker()
            .await
            .top_processes(self.container.id(), None)
            .await;
        let processes = processes.expect("the container's processes").processes;
        processes.unwrap_or_default().concat().join(" ")
    }

    /// Removes it. The programs of a deployment are removed with the deployment.
    pub async fn remove(self) {
        self.container.rm().await.expect("the program is removed");
        self.pod.remove().await;
    }
}

/// Runs `exportctl` on a network, and returns its output.
pub(crate) async fn exportctl(network: &Network, database_url: &str, arguments: &[&str]) -> String {
    let image = GenericImage::new(EXPORTCTL.0, EXPORTCTL.1);
    let container = hardened(labelled(image, &unique_name("exportctl"), &[]))
        .with_network(network.name())
        .with_env_var("DATABASE_URL", database_url)
        .with_cmd(arguments.iter().copied())
        .start()
        .await
        .unwrap_or_else(|error| panic!("exportctl {arguments:?}: {error}"));
    let code = exports_tests::eventually("exportctl ends", TIMEOUT, async || {
        container.exit_code().await.expect("the container")
    });
    assert_eq!(
        code.await,
        0,
        "exportctl {arguments:?}: {}",
        log_of(&container).await
    );
    let printed = container.stdout_to_vec().await.expect("its output");
    container.rm().await.expect("exportctl is removed");
    String::from_utf8(printed).expect("it prints text")
}

/// Runs with least privilege.
fn hardened(request: ContainerRequest<GenericImage>) -> ContainerRequest<GenericImage> {
    request
        .with_readonly_rootfs(true)
        .with_cap_drop("ALL")
        .with_security_opt("no-new-privileges")
}
