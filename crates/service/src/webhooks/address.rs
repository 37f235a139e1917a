//! Which addresses a delivery may connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::settings::Networks;

/// The addresses that webhooks may lead to: public ones, and those of the networks that the operator allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookNetworks {
    allowed: Networks,
}

impl WebhookNetworks {
    /// With these networks in addition to public addresses.
    #[must_use]
    pub fn new(allowed: Networks) -> Self {
        Self { allowed }
    }

    /// Whether there are such networks.
    #[must_use]
    pub fn has_allowed(&self) -> bool {
        self.allowed != Networks::default()
    }

    /// Whether the operator allows the address, so that it needs no TLS either.
    #[must_use]
    pub fn is_allowed(&self, address: IpAddr) -> bool {
        self.allowed.contains(plain(address))
    }

    /// Whether a delivery may connect to the address.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        self.is_allowed(address) || is_public(plain(address))
    }
}

/// The IPv4 address in an IPv4-mapped one (`::ffff:0:0/96`) and in one of NAT64 (`64:ff9b::/96`): a connection
/// to it ends at the IPv4 address. Every other address stays.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => embedded(v6).into(),
        _ => address,
    }
}

/// The IPv4 address in the last 32 bits.
fn embedded(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// Whether an address belongs to a host on the public internet. Everything that the registries of IANA list
/// for special purposes is refused.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

#[expect(
    clippy::unnested_or_patterns,
    reason = "one line for each entry of the registry"
)]
fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        // This network, private, loopback.
        [0 | 10 | 127, ..]
        // Shared by providers (RFC 6598), which some clouds use for their metadata.
        | [100, 64..=127, ..]
        // Link-local, with the metadata of most clouds.
        | [169, 254, ..]
        // Private.
        | [172, 16..=31, ..]
        | [192, 168, ..]
        // Protocol assignments, documentation, 6to4 relays.
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        // Benchmarks, documentation.
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        // The internal services of Azure. The address looks public.
        | [168, 63, 129, 16]
        // Multicast, reserved, broadcast.
        | [224..=255, ..]
    )
}

#[expect(
    clippy::unnested_or_patterns,
    reason = "one line for each entry of the registry"
)]
fn is_public_v6(address: Ipv6Addr) -> bool {
    // Everything outside of global unicast is loopback, unspecified, IPv4-compatible, unique local, link-local,
    // site-local, multicast, or not assigned.
    let is_global = matches!(address.segments(), [0x2000..=0x3fff, ..]);
    let is_special = matches!(
        address.segments(),
        // Protocol assignments with Teredo and ORCHID.
        [0x2001, 0..=0x01ff, ..]
        // Documentation.
        | [0x2001, 0x0db8, ..]
        | [0x3fff, 0..=0x0fff, ..]
        // 6to4 and ISATAP contain an IPv4 address.
        | [0x2002, ..]
        | [_, _, _, _, 0 | 0x0200, 0x5efe, ..]
    );
    is_global && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> WebhookNetworks {
        WebhookNetworks::new(text.parse().unwrap())
    }

    #[test]
    fn special_addresses_are_refused_and_public_ones_permitted() {
        let networks = WebhookNetworks::default();
        for forbidden in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:0a00:0001::1",
            "3fff::1",
            "2a00:1450::5efe:10.0.0.1",
            "2a00:1450::200:5efe:127.0.0.1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ] {
            assert!(!networks.permits(forbidden.parse().unwrap()), "{forbidden}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "126.0.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.169.0.1",
            "198.17.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2606:4700:4700::1111",
            "2a00:1450:4001::200e",
            "2001:4860:4860::8888",
        ] {
            assert!(networks.permits(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn allowed_networks_are_permitted_in_every_form_and_nothing_else_is() {
        let networks = networks("10.1.0.0/16, ::1");
        for allowed in ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "::1"] {
            assert!(networks.permits(allowed.parse().unwrap()), "{allowed}");
            assert!(networks.is_allowed(allowed.parse().unwrap()), "{allowed}");
        }
        for other in [
            "10.2.0.1",
            "127.0.0.1",
            "::ffff:10.2.0.1",
            "::10.1.2.3",
            "2002:0a01:0203::1",
        ] {
            assert!(!networks.permits(other.parse().unwrap()), "{other}");
        }
        assert!(networks.permits("8.8.8.8".parse().unwrap()));
        assert!(!networks.is_allowed("8.8.8.8".parse().unwrap()));
    }
}
