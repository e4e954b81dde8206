//! Which addresses are on the public internet, and which belong to the services
//! that hand a machine its credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

/// Where clouds serve a machine's identity and secrets: Amazon's instances,
/// tasks and pods, Google, Azure, Oracle, Alibaba, and those that copied one of
/// them. Not all are private by range.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The same over IPv6: Amazon's instances and pods, Google.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Names of the same services. Any other name that stands for one of their
/// addresses is found out by the address.
const METADATA_NAMES: [&str; 8] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
];

/// Whether `host` is a metadata service of a cloud, however its address is
/// written. Nothing grants those.
#[must_use]
pub fn is_metadata_host(host: &Host) -> bool {
    match host {
        Host::Domain(name) => METADATA_NAMES.contains(&name.as_str()),
        Host::Ipv4(ip) => is_metadata(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => is_metadata(IpAddr::V6(*ip)),
    }
}

/// Whether `ip` is the address of a metadata service, or one in which such an
/// address is embedded.
#[must_use]
pub fn is_metadata(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => METADATA_V4.contains(&ip),
        IpAddr::V6(ip) => {
            METADATA_V6.contains(&ip) || embedded(ip).iter().any(|ip| METADATA_V4.contains(ip))
        }
    }
}

/// IPv4 addresses that a packet to `ip` may end at: mapped and compatible (RFC
/// 4291), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo's client (RFC
/// 4380, where its bits are inverted).
fn embedded(ip: Ipv6Addr) -> Vec<Ipv4Addr> {
    let [a, b, c, _, _, _, g, h] = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b) {
        (0, 0) | (0x64, 0xff9b) => vec![v4(g, h)],
        (0x2002, _) => vec![v4(b, c)],
        (0x2001, 0) => vec![v4(!g, !h)],
        _ => Vec::new(),
    }
}

/// Whether `ip` is globally reachable (IANA special-purpose address
/// registries, RFC 6890), and so is every IPv4 address that is embedded in it.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

/// Only global unicast (2000::/3) without its special blocks. Whatever embeds
/// an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo) lies outside or
/// is refused.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let global_unicast = a & 0xe000 == 0x2000;
    // IETF protocol assignments with Teredo, documentation, 6to4.
    let special = matches!(
        (a, b),
        (0x2001, 0..=0x01ff | 0x0db8) | (0x2002, _) | (0x3fff, 0..=0x0fff)
    );
    global_unicast && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n01_n02_n03_n05_special_addresses_are_not_public() {
        for text in [
            "127.0.0.1",
            "127.255.255.255",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.88.99.1",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "100::1",
            "3fff::1",
            "5f00::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn n03_metadata_services_are_known_however_they_are_written() {
        for text in [
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "100.100.100.200",
            "[fd00:ec2::254]",
            "[::ffff:169.254.169.254]",
            "[::169.254.169.254]",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b:1::168.63.129.16]",
            "[2002:a9fe:a9fe::1]",
            "[2001:0:1:2:3:4:5601:5601]",
            "metadata.google.internal",
            "metadata",
        ] {
            assert!(is_metadata_host(&Host::parse(text).unwrap()), "{text}");
        }
        for text in ["169.254.169.253", "[::1]", "[2001:db8::1]", "metadata.test"] {
            assert!(!is_metadata_host(&Host::parse(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn ordinary_addresses_are_public() {
        for text in [
            "93.184.216.34",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
