//! Which addresses a declared service can have: global unicast only, so that a name cannot be pointed into the house.
//!
//! Invariant: an address that embeds another one (mapped, compatible, translated, tunnelled) is judged by the embedded one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a connection to `address` is allowed; loopback only with `loopback_allowed`.
pub(crate) fn is_allowed(address: IpAddr, loopback_allowed: bool) -> bool {
    if is_loopback(address) {
        return loopback_allowed;
    }
    match address {
        IpAddr::V4(v4) => is_global_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_global_v4(v4),
            None => is_global_v6(v6),
        },
    }
}

/// Whether a configuration that spells an address out can mean it: not link-local (where clouds keep their metadata), multicast,
/// unspecified or broadcast.
pub(crate) fn is_declarable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_link_local() || v4.is_multicast() || v4.is_unspecified() || v4.is_broadcast())
        }
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_declarable(IpAddr::V4(v4)),
            None => !(v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified()),
        },
    }
}

/// Whether the address is this machine's own loopback.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
    }
}

/// IANA's IPv4 special-purpose registry, everything that is not globally reachable, plus multicast and 240/4.
fn is_global_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224.., ..)
    );
    !special
}

/// Global unicast is 2000::/3 without documentation, benchmarking, ORCHID and other special blocks.
fn is_global_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let in_global_unicast = a & 0xe000 == 0x2000;
    // 2001::/23 holds Teredo, benchmarking and ORCHID; none of it is a service's address.
    let special =
        (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || (a == 0x3fff && b < 0x1000) || a == 0x5f00;
    in_global_unicast && !special
}

/// The IPv4 address inside a mapped, compatible, NAT64 or 6to4 address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let join = |high: u16, low: u16| {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(w, x, y, z)
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0 | 0xffff) | (0, 0, 0, 0, 0xffff, 0) => Some(join(g, h)),
        (0x64, 0xff9b, 0, 0, 0, 0) => Some(join(g, h)),
        (0x2002, ..) => Some(join(b, c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn only_global_unicast_is_allowed() {
        let denied = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:127.0.0.1",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:a9fe:a9fe::1",
            "2002:7f00:1::",
            "fd00::1",
            "fd00:ec2::254",
            "fc00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "100::1",
            "3fff::1",
        ];
        for text in denied {
            assert!(
                !is_allowed(text.parse().unwrap(), false),
                "{text} must be denied"
            );
        }
        let allowed = [
            "1.1.1.1",
            "35.190.25.25",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2606:4700::1111",
            "2a00:1450:4001::1",
        ];
        for text in allowed {
            assert!(
                is_allowed(text.parse().unwrap(), false),
                "{text} must be allowed"
            );
        }
    }

    #[test]
    fn the_loopback_switch_opens_loopback_and_nothing_else() {
        for text in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(is_allowed(text.parse().unwrap(), true), "{text}");
        }
        for text in [
            "0.0.0.0",
            "10.0.0.1",
            "169.254.169.254",
            "::",
            "fd00::1",
            "2002:7f00:1::",
        ] {
            assert!(!is_allowed(text.parse().unwrap(), true), "{text}");
        }
    }
}
