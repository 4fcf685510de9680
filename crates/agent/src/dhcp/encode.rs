//! Values of DHCP options as bytes (RFC 2132, 1035, 3442).

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;

/// Addresses one after the other.
#[must_use]
pub fn addresses4(addresses: &[Ipv4Addr]) -> Vec<u8> {
    addresses.iter().flat_map(Ipv4Addr::octets).collect()
}

/// Addresses one after the other.
#[must_use]
pub fn addresses6(addresses: &[Ipv6Addr]) -> Vec<u8> {
    addresses.iter().flat_map(Ipv6Addr::octets).collect()
}

/// Classless static routes: prefix length, its significant octets, next hop
/// (RFC 3442); 0.0.0.0 as next hop means on-link.
#[must_use]
pub fn routes(routes: &[(Ipv4Net, Ipv4Addr)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (destination, next_hop) in routes {
        let significant = usize::from(destination.prefix_len().div_ceil(8));
        out.push(destination.prefix_len());
        out.extend(destination.network().octets().into_iter().take(significant));
        out.extend(next_hop.octets());
    }
    out
}

/// A domain name as labels (RFC 1035 §3.1), uncompressed; `None` when it is not one.
#[must_use]
pub fn domain(name: &str) -> Option<Vec<u8>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > 253 {
        return None;
    }
    let mut out = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 || !label.bytes().all(is_name_byte) {
            return None;
        }
        out.push(label.len() as u8);
        out.extend(label.bytes());
    }
    out.push(0);
    Some(out)
}

/// Whether the text is a host or domain name: what may be given to a client that
/// hands it to a shell or a resolver.
#[must_use]
pub fn is_name(text: &str) -> bool {
    domain(text).is_some()
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_carry_only_the_significant_octets() {
        let route = |net: &str, via: &str| (net.parse().expect("net"), via.parse().expect("address"));
        let bytes = routes(&[
            route("0.0.0.0/0", "10.0.0.1"),
            route("10.17.0.0/16", "10.0.0.2"),
            route("10.229.0.128/25", "10.0.0.3"),
            route("169.254.169.254/32", "10.0.0.4"),
        ]);
        let want = [
            &[0, 10, 0, 0, 1][..],
            &[16, 10, 17, 10, 0, 0, 2],
            &[25, 10, 229, 0, 128, 10, 0, 0, 3],
            &[32, 169, 254, 169, 254, 10, 0, 0, 4],
        ];
        assert_eq!(bytes, want.concat());
    }

    #[test]
    fn only_names_become_labels() {
        assert_eq!(domain("a.bc."), Some(vec![1, b'a', 2, b'b', b'c', 0]));
        for text in ["", ".", "a..b", "a b", "x\ny", "$(id)", &"a".repeat(64), &"ab.".repeat(90)] {
            assert_eq!(domain(text), None, "{text:?}");
        }
    }
}
