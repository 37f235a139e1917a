//! The network of one program of the service, like a Kubernetes pod.
//!
//! A program needs the database and the store at its start, but testcontainers can start a container on one network only. So a
//! container that does nothing joins both networks, and the program shares its network.

use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt};

use crate::containers::{Container, labelled, unique_name};
use crate::engine::POSTGRES;
use crate::network::Network;

/// A container on both networks.
pub(crate) struct Pod {
    container: Container,
}

impl Pod {
    /// Creates one that publishes these ports: inside, outside.
    pub(crate) async fn start(networks: [&Network; 2], ports: &[(u16, u16)]) -> Self {
        // Any image that can sleep; this one is always present.
        let image = GenericImage::new(POSTGRES.0, POSTGRES.1).with_entrypoint("sleep");
        let container = labelled(image, &unique_name("pod"), ports)
            .with_cmd(["infinity"])
            .with_network(networks[0].name())
            .start()
            .await
            .expect("a pod");
        networks[1].connect(container.id()).await;
        Self { container }
    }

    /// For `with_network`: the program's network is the pod's.
    pub(crate) fn network(&self) -> String {
        format!("container:{}", self.container.id())
    }

    pub(crate) async fn leave(&self, network: &Network) {
        network.disconnect(self.container.id()).await;
    }

    pub(crate) async fn join(&self, network: &Network) {
        network.connect(self.container.id()).await;
    }

    pub(crate) async fn remove(self) {
        self.container.rm().await.expect("the pod can be removed");
    }
}
