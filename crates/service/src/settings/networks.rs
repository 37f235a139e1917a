//! A list of networks and addresses.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// Networks in CIDR notation and single addresses, separated by commas: `10.0.0.0/8, 192.0.2.7, fd00::/8`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether one of them contains the address. An IPv4 address may be written as IPv6 (`::ffff:192.0.2.7`).
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let networks = text.split(',').map(str::trim).map(|item| {
            let address = |_| item.parse::<IpAddr>().map(IpNet::from);
            let network = item.parse::<IpNet>().or_else(address);
            network.map_err(|_| {
                "must be networks and addresses such as \"10.0.0.0/8, 192.0.2.7\"".to_owned()
            })
        });
        networks.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        let networks: Networks = "10.0.0.0/8,192.0.2.7 , fd00::/8".parse().unwrap();
        for inside in ["10.255.0.1", "192.0.2.7", "::ffff:10.1.2.3", "fd12::1"] {
            assert!(networks.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "::1", "fe80::1"] {
            assert!(!networks.contains(outside.parse().unwrap()), "{outside}");
        }
        assert!(!Networks::default().contains("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn anything_else_is_rejected() {
        for bad in [
            "",
            ",",
            "10.0.0.0/8,",
            "10.0.0.0/33",
            "example.com",
            "10.0.0.1:80",
        ] {
            assert!(bad.parse::<Networks>().is_err(), "{bad:?}");
        }
    }
}
