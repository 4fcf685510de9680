//! Traffic of many rules folded into few sets without overlaps.
//!
//! The kernel's concatenated interval sets refuse elements that overlap, and two
//! users' rules overlap all the time (N18). Prefixes are nested or disjoint, so
//! giving each prefix only the numbers none of its ancestors has makes the boxes
//! (prefix x numbers) disjoint.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::firewall::rule::Traffic;

/// Addresses `first..=last`, of one IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub first: IpAddr,
    pub last: IpAddr,
}

impl Span {
    /// All addresses of a prefix.
    #[must_use]
    pub fn of(net: IpNet) -> Self {
        Self { first: net.network(), last: net.broadcast() }
    }

    /// Whether the address is inside.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.first.is_ipv4() && self.first <= ip && ip <= self.last
    }

    /// Whether all addresses of its version are.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => first.is_unspecified() && last == Ipv4Addr::BROADCAST,
            (IpAddr::V6(first), IpAddr::V6(last)) => first.is_unspecified() && u128::from(last) == u128::MAX,
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// The fewest spans that hold the same addresses, none touching another.
#[must_use]
pub fn merged(nets: impl IntoIterator<Item = IpNet>) -> BTreeSet<Span> {
    let mut spans: Vec<Span> = nets.into_iter().map(Span::of).collect();
    spans.sort_unstable();
    let mut result: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match result.last_mut() {
            Some(open) if joins(open.last, span.first) => open.last = open.last.max(span.last),
            _ => result.push(span),
        }
    }
    result.into_iter().collect()
}

/// Whether a span ending at `last` meets one starting at `first` (not before its start).
fn joins(last: IpAddr, first: IpAddr) -> bool {
    match (last, first) {
        (IpAddr::V4(last), IpAddr::V4(first)) => {
            first <= last || u32::from(last).checked_add(1).map(Ipv4Addr::from) == Some(first)
        }
        (IpAddr::V6(last), IpAddr::V6(first)) => {
            first <= last || u128::from(last).checked_add(1).map(Ipv6Addr::from) == Some(first)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// 16-bit numbers as sorted ranges that do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers(Vec<(u16, u16)>);

impl Numbers {
    /// Adds `first..=last`.
    pub fn insert(&mut self, first: u16, last: u16) {
        self.0.push((first, last));
        self.0.sort_unstable();
        let mut result: Vec<(u16, u16)> = Vec::with_capacity(self.0.len());
        for (first, last) in self.0.drain(..) {
            match result.last_mut() {
                Some(open) if u32::from(first) <= u32::from(open.1) + 1 => open.1 = open.1.max(last),
                _ => result.push((first, last)),
            }
        }
        self.0 = result;
    }

    /// Takes all numbers of `other` out.
    pub fn subtract(&mut self, other: &Self) {
        for &(low, high) in &other.0 {
            let mut rest = Vec::with_capacity(self.0.len() + 1);
            for &(first, last) in &self.0 {
                if last < low || high < first {
                    rest.push((first, last));
                    continue;
                }
                if first < low {
                    rest.push((first, low - 1));
                }
                if high < last {
                    rest.push((high + 1, last));
                }
            }
            self.0 = rest;
        }
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }
}

/// Ports of one protocol with some other ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortBox {
    pub span: Span,
    pub protocol: u8,
    pub first: u16,
    pub last: u16,
}

/// ICMP messages of one type with some other ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IcmpBox {
    pub span: Span,
    pub kind: u8,
    pub first_code: u8,
    pub last_code: u8,
}

/// What a group allows in one direction for one IP version, with other ends
/// named by address. Elements of one set never overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shapes {
    /// Any protocol.
    pub any: BTreeSet<Span>,
    /// Whole protocols.
    pub protocols: BTreeSet<(Span, u8)>,
    pub ports: BTreeSet<PortBox>,
    pub icmp: BTreeSet<IcmpBox>,
}

impl Shapes {
    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.any.is_empty() && self.protocols.is_empty() && self.ports.is_empty() && self.icmp.is_empty()
    }

    /// Whether everything here is in `other` too, element by element. May say no
    /// where merged ranges hide it; never yes where something is missing.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.any.is_subset(&other.any)
            && self.protocols.is_subset(&other.protocols)
            && self.ports.is_subset(&other.ports)
            && self.icmp.is_subset(&other.icmp)
    }
}

/// Rules being folded.
#[derive(Debug, Clone, Default)]
pub struct Folding {
    any: BTreeSet<IpNet>,
    protocols: BTreeMap<u8, BTreeSet<IpNet>>,
    ports: BTreeMap<u8, BTreeMap<IpNet, Numbers>>,
    /// Type and code as one number: type * 256 + code.
    icmp: BTreeMap<IpNet, Numbers>,
}

impl Folding {
    /// Adds what one rule allows.
    pub fn add(&mut self, traffic: Traffic, net: IpNet) {
        match traffic {
            Traffic::Any => {
                self.any.insert(net);
            }
            Traffic::Protocol(protocol) => {
                self.protocols.entry(protocol).or_default().insert(net);
            }
            Traffic::Ports { protocol, first, last } => {
                self.ports.entry(protocol).or_default().entry(net).or_default().insert(first, last);
            }
            Traffic::Icmp { kind, code } => {
                let base = u16::from(kind) << 8;
                let (first, last) = code.map_or((0, 255), |code| (u16::from(code), u16::from(code)));
                self.icmp.entry(net).or_default().insert(base | first, base | last);
            }
        }
    }

    /// The folded shapes.
    #[must_use]
    pub fn finish(self) -> Shapes {
        let protocols = self
            .protocols
            .into_iter()
            .flat_map(|(protocol, nets)| merged(nets).into_iter().map(move |span| (span, protocol)));
        let ports = self.ports.into_iter().flat_map(|(protocol, nets)| {
            disjoint(&nets).into_iter().map(move |(net, first, last)| PortBox {
                span: Span::of(net),
                protocol,
                first,
                last,
            })
        });
        let icmp = disjoint(&self.icmp).into_iter().flat_map(|(net, first, last)| by_type(net, first, last));
        Shapes {
            any: merged(self.any),
            protocols: protocols.collect(),
            ports: ports.collect(),
            icmp: icmp.collect(),
        }
    }
}

/// Gives each prefix only the numbers none of its ancestors has.
fn disjoint(nets: &BTreeMap<IpNet, Numbers>) -> Vec<(IpNet, u16, u16)> {
    let mut boxes = Vec::new();
    // Prefixes are in the order of their addresses, the wider first: whoever holds one is on the
    // way to it, as folders are to a file.
    let mut ancestors: Vec<(&IpNet, &Numbers)> = Vec::new();
    for (net, numbers) in nets {
        while ancestors.last().is_some_and(|(ancestor, _)| !ancestor.contains(net)) {
            ancestors.pop();
        }
        let mut own = numbers.clone();
        for (_, theirs) in &ancestors {
            own.subtract(theirs);
        }
        boxes.extend(own.ranges().iter().map(|&(first, last)| (*net, first, last)));
        ancestors.push((net, numbers));
    }
    boxes
}

/// Cuts a range of type-and-code numbers at the ends of types.
fn by_type(net: IpNet, first: u16, last: u16) -> impl Iterator<Item = IcmpBox> {
    let ([first_kind, first_code], [last_kind, last_code]) = (first.to_be_bytes(), last.to_be_bytes());
    (first_kind..=last_kind).map(move |kind| IcmpBox {
        span: Span::of(net),
        kind,
        first_code: if kind == first_kind { first_code } else { 0 },
        last_code: if kind == last_kind { last_code } else { 255 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("prefix")
    }

    #[test]
    fn n11_the_whole_of_ipv4_swallows_the_rest() {
        let spans = merged([net("0.0.0.0/0"), net("10.0.0.0/8")]);
        assert_eq!(spans, BTreeSet::from([Span::of(net("0.0.0.0/0"))]));
        let halves = merged([net("0.0.0.0/1"), net("128.0.0.0/1")]);
        assert_eq!(halves, spans);
    }

    #[test]
    fn neighbours_join_and_strangers_do_not() {
        let spans = merged([net("10.0.1.0/24"), net("10.0.0.0/24"), net("10.0.3.0/24")]);
        let shown: Vec<_> =
            spans.iter().map(|span| (span.first.to_string(), span.last.to_string())).collect();
        assert_eq!(
            shown,
            [
                ("10.0.0.0".to_owned(), "10.0.1.255".to_owned()),
                ("10.0.3.0".to_owned(), "10.0.3.255".to_owned())
            ]
        );
    }

    #[test]
    fn a_nested_prefix_keeps_only_what_its_ancestors_lack() {
        let mut folding = Folding::default();
        folding.add(Traffic::Ports { protocol: 6, first: 80, last: 90 }, net("10.0.0.0/8"));
        folding.add(Traffic::Ports { protocol: 6, first: 85, last: 100 }, net("10.1.0.0/16"));
        folding.add(Traffic::Ports { protocol: 17, first: 85, last: 100 }, net("10.1.0.0/16"));
        let ports: Vec<_> = folding
            .finish()
            .ports
            .iter()
            .map(|part| (part.span.first.to_string(), part.protocol, part.first, part.last))
            .collect();
        assert_eq!(
            ports,
            [
                ("10.0.0.0".to_owned(), 6, 80, 90),
                ("10.1.0.0".to_owned(), 6, 91, 100),
                ("10.1.0.0".to_owned(), 17, 85, 100)
            ]
        );
    }

    #[test]
    fn icmp_ranges_are_cut_at_type_borders() {
        let mut folding = Folding::default();
        folding.add(Traffic::Icmp { kind: 8, code: None }, net("0.0.0.0/0"));
        folding.add(Traffic::Icmp { kind: 9, code: Some(0) }, net("0.0.0.0/0"));
        let boxes: Vec<_> =
            folding.finish().icmp.iter().map(|part| (part.kind, part.first_code, part.last_code)).collect();
        assert_eq!(boxes, [(8, 0, 255), (9, 0, 0)]);
    }
}
