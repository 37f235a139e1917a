//! The store of a deployment: Garage, or a server in this process with fault injection.

use exports_tests::s3::S3Server;
use serde_json::{Value, json};

use crate::garage::Garage;
use crate::network::Network;
use crate::plan::Plan;
use crate::secrets::Secrets;

/// The store of a deployment.
pub(crate) enum Store {
    Garage(Box<Garage>),
    Faulty(S3Server),
}

impl Store {
    pub(crate) async fn start(plan: &Plan, network: &Network, secrets: &Secrets) -> Self {
        if plan.store_with_faults {
            Self::Faulty(S3Server::in_process_at(network.gateway()))
        } else {
            let garage = Garage::start(network, secrets, plan.store_disk_bytes).await;
            Self::Garage(Box::new(garage))
        }
    }

    /// The variables with which the programs reach it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        match self {
            Self::Garage(garage) => garage.environment(),
            Self::Faulty(server) => {
                let mut environment = server.env();
                environment.push(("EXPORTS_OBJECT_STORE_URL".to_owned(), server.url()));
                environment
            }
        }
    }

    /// Its address for consumers.
    pub(crate) fn public_endpoint(&self) -> String {
        match self {
            Self::Garage(garage) => garage.public_endpoint(),
            Self::Faulty(server) => server.endpoint(),
        }
    }

    pub(crate) async fn remove(self) {
        if let Self::Garage(garage) = self {
            garage.remove().await;
        }
    }

    /// Its content with unfinished uploads: their number, or their keys if the server is in this process.
    pub(crate) async fn contents(&self) -> Value {
        match self {
            Self::Garage(garage) => {
                let bucket = garage.bucket().await;
                // Garage counts unfinished objects and unfinished uploads separately.
                let unfinished = ["unfinishedUploads", "unfinishedMultipartUploads"];
                let unfinished = unfinished.map(|kind| bucket[kind].as_u64().expect("a number"));
                json!({"objects": bucket["objects"], "uploads": unfinished.iter().sum::<u64>()})
            }
            Self::Faulty(server) => json!(server.objects()),
        }
    }
}
