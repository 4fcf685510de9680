//! Prefixes beside each other.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv6Net};

/// Whether two prefixes share addresses: exactly when one holds the other.
#[must_use]
pub fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// Whether the prefix has addresses of ::ffff:0:0/96: IPv4 addresses in disguise, which no
/// host uses (RFC 4291 §2.5.5.2).
#[must_use]
pub fn covers_mapped_ipv4(net: &IpNet) -> bool {
    let mapped = Ipv6Net::new_assert(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(), 96);
    overlap(net, &IpNet::V6(mapped))
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a prefix")
    }

    #[test]
    fn prefixes_of_one_family_overlap_when_one_holds_the_other() {
        for (one, other, overlapping) in [
            ("10.0.0.0/24", "10.0.0.0/24", true),
            ("10.0.0.0/24", "10.0.0.128/25", true),
            ("10.0.0.128/25", "10.0.0.0/24", true),
            ("10.0.0.0/25", "10.0.0.128/25", false),
            ("0.0.0.0/0", "192.0.2.0/24", true),
            ("::/0", "192.0.2.0/24", false),
            ("2001:db8::/32", "2001:db8:1::/64", true),
            ("2001:db8::/64", "2001:db8:0:1::/64", false),
        ] {
            assert_eq!(super::overlap(&net(one), &net(other)), overlapping, "{one} {other}");
        }
    }

    #[test]
    fn mapped_addresses_are_of_ipv6_only() {
        for (prefix, covers) in [
            ("::ffff:0:0/96", true),
            ("::ffff:192.0.2.0/120", true),
            ("::/0", true),
            ("2001:db8::/32", false),
            ("0.0.0.0/0", false),
        ] {
            assert_eq!(super::covers_mapped_ipv4(&net(prefix)), covers, "{prefix}");
        }
    }
}
