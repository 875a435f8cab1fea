//! Which addresses are not of the public internet.
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits))
}
const fn v6(a: u16, b: u16, bits: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), bits))
}

/// The special-purpose addresses of IANA's registries, and one of a cloud.
const PRIVATE: [IpNet; 19] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    // Azure's platform services, which answer its virtual machines alone.
    v4(168, 63, 129, 16, 32),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    // Multicast, reserved, broadcast.
    v4(224, 0, 0, 0, 3),
    // Teredo and other protocols; documentation; 6to4, which holds an IPv4 address.
    v6(0x2001, 0, 23),
    v6(0x2001, 0xdb8, 32),
    v6(0x2002, 0, 16),
    v6(0x3fff, 0, 20),
];

/// Global unicast of IPv6. Loopback, unique local, link-local, multicast, mapped and translated (NAT64) IPv4 lie outside.
const GLOBAL_V6: IpNet = v6(0x2000, 0, 3);

pub fn is_private(ip: IpAddr) -> bool {
    (ip.is_ipv6() && !GLOBAL_V6.contains(&ip)) || PRIVATE.iter().any(|net| net.contains(&ip))
}
