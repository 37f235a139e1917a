//! A network of a deployment, and who is on it.

use std::collections::HashMap;
use std::net::IpAddr;

use testcontainers::bollard::models::{
    NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest,
};
use testcontainers::bollard::query_parameters::InspectNetworkOptions;
use tokio::runtime::Handle;

use crate::engine::docker;
use crate::guardian::{LABEL, run};

/// A network of containers. Dropping it removes it, so what is on it has to go first.
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
            .expect("the network that was made");
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

    /// This machine, as containers of the network see it: what a test serves there, they reach.
    #[must_use]
    pub fn gateway(&self) -> IpAddr {
        self.gateway
    }

    /// Puts a container on it.
    pub(crate) async fn connect(&self, container: &str) {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: None,
        };
        let connected = docker().await.connect_network(&self.name, request).await;
        connected.unwrap_or_else(|error| panic!("connecting to {}: {error}", self.name));
    }

    /// Takes a container off it, as if a cable were pulled.
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
        // As testcontainers removes containers. What is still used now is left to the guardian.
        let removed = async { docker().await.remove_network(&self.name).await };
        let removed = tokio::task::block_in_place(|| Handle::current().block_on(removed));
        if let Err(error) = removed {
            println!("{} is not removed yet: {error}", self.name);
        }
    }
}
