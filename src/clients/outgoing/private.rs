//! Which addresses are nobody's but ours.
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits))
}
const fn v6(a: u16, b: u16, bits: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), bits))
}

/// What is not of the open internet (IANA's registries of special addresses), and what clouds answer on besides.
const CLOSED: [IpNet; 19] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    // A cloud's own server, reached from inside it alone.
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

/// The open internet of IPv6. Loopback, unique local, link-local, multicast, mapped and translated (NAT64) IPv4 lie outside.
const OPEN: IpNet = v6(0x2000, 0, 3);

/// Whether an address is on this machine, in a private network, or otherwise not of the open internet.
pub fn is_private(ip: IpAddr) -> bool {
    (ip.is_ipv6() && !OPEN.contains(&ip)) || CLOSED.iter().any(|it| it.contains(&ip))
}
