//! Containers of a deployment: names, labels, ports, logs.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use testcontainers::bollard::models::PortBinding;
use testcontainers::core::IntoContainerPort;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};

use crate::reaper::{LABEL, run};

/// A container of testcontainers. The drop removes it with its volumes.
pub(crate) type Container = ContainerAsync<GenericImage>;

/// A unique name: `exports-e2e-<run>-<number>-<part>`.
pub(crate) fn unique_name(part: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("exports-e2e-{}-{number}-{part}", run())
}

/// A container of this run. It publishes these ports (inside, outside) on 127.0.0.1 only; testcontainers would publish every port
/// on every address.
pub(crate) fn labelled(
    image: GenericImage,
    name: &str,
    ports: &[(u16, u16)],
) -> ContainerRequest<GenericImage> {
    let exposed = ports.iter().fold(image, |image, (inside, _)| {
        image.with_exposed_port(inside.tcp())
    });
    let bindings: HashMap<_, _> = ports.iter().copied().map(binding).collect();
    exposed
        .with_container_name(name)
        .with_label(LABEL, run())
        .with_host_config_modifier(move |host| {
            host.publish_all_ports = Some(false);
            host.port_bindings = Some(bindings.clone());
        })
}

fn binding((inside, outside): (u16, u16)) -> (String, Option<Vec<PortBinding>>) {
    let binding = PortBinding {
        host_ip: Some(Ipv4Addr::LOCALHOST.to_string()),
        host_port: Some(outside.to_string()),
    };
    (format!("{inside}/tcp"), Some(vec![binding]))
}

/// A free port of this machine, below those of outgoing connections. A container keeps it over restarts, unlike a port that the
/// engine chooses.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Concurrent test processes start at different ports.
    let start = (std::process::id() % 97) as u16 * 151;
    let ports = (0..COUNT).map(|_| {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        FIRST + start.wrapping_add(next) % COUNT
    });
    let mut free = ports.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.next().expect("one of fifteen thousand ports is free")
}

/// The output of the container.
pub(crate) async fn log_of(container: &Container) -> String {
    let (out, err) = tokio::join!(container.stdout_to_vec(), container.stderr_to_vec());
    let both = [out.unwrap_or_default(), err.unwrap_or_default()].concat();
    String::from_utf8_lossy(&both).into_owned()
}
