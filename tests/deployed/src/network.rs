//! A network of a deployment, and its containers.

use std::collections::HashMap;
use std::net::IpAddr;

use testcontainers::bollard::models::{
    NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest,
};
use testcontainers::bollard::query_parameters::InspectNetworkOptions;
use tokio::runtime::Handle;

use crate::engine::docker;
use crate::reaper::{LABEL, run};

/// A network of containers. The drop removes it; its containers must be removed first.
#[derive(Debug)]
pub struct Network {
    name: String,
    gateway: IpAddr,
}

impl Network {
    pub(crate) async fn create(name: String) -> Self {
        let docker = docker().await;
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".to_owned()),
            labels: Some(HashMap::from([(LABEL.to_owned(), run().to_owned())])),
            ..NetworkCreateRequest::default()
        };
        let created = docker.create_network(request).await;
        created.unwrap_or_else(|error| panic!("the network {name}: {error}"));
        let details = docker
            .inspect_network(&name, None::<InspectNetworkOptions>)
            .await
            .expect("the created network");
        let configs = details.ipam.and_then(|ipam| ipam.config);
        let gateway = configs.into_iter().flatten().find_map(|it| it.gateway);
        let gateway = gateway.and_then(|address| address.parse().ok());
        Self {
            name,
            gateway: gateway.expect("a bridge has a gateway"),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The address of this machine in the network, where containers reach servers of the test.
    #[must_use]
    pub fn gateway(&self) -> IpAddr {
        self.gateway
    }

    /// Connects a container.
    pub(crate) async fn connect(&self, container: &str) {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: None,
        };
        let connected = docker().await.connect_network(&self.name, request).await;
        connected.unwrap_or_else(|error| panic!("connecting to {}: {error}", self.name));
    }

    /// Disconnects a container.
    pub(crate) async fn disconnect(&self, container: &str) {
        let request = NetworkDisconnectRequest {
            container: container.to_owned(),
            force: Some(true),
        };
        let disconnected = docker().await.disconnect_network(&self.name, request).await;
        disconnected.unwrap_or_else(|error| panic!("disconnecting from {}: {error}", self.name));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Like testcontainers. If it is in use, the reaper removes it later.
        let removed = async { docker().await.remove_network(&self.name).await };
        let removed = tokio::task::block_in_place(|| Handle::current().block_on(removed));
        if let Err(error) = removed {
            println!("{} is not removed yet: {error}", self.name);
        }
    }
}
