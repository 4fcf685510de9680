//! Elements as the kernel has them: what the `nft` tool makes of their text.
//!
//! Addresses and raw bytes of packets are in network order; numbers the kernel has of its own,
//! like marks, in the host's. Only sets without ranges: an element of those has two ends, and
//! they are better left to the tool.

use std::net::IpAddr;

use isospin_host_io::{SetElement, SetValue};

use super::values::{Key, Part};

/// Length of a device name with its end (IFNAMSIZ).
const DEVICE: usize = 16;

/// One field of a key, or the value of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Device,
    Mac,
    Address,
    /// 4 octets in the host's order.
    Mark,
    /// 2 octets in the host's order.
    Zone,
    /// So many octets of a packet.
    Raw(usize),
    Verdict,
}

/// What the elements of a set are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    key: Vec<Field>,
    value: Option<Field>,
}

impl Shape {
    /// Reads a declaration; `None` when it has ranges, or a field this does not write.
    pub(super) fn of(declaration: &str) -> Option<Self> {
        let types = declaration.strip_suffix(';')?;
        let types = types.strip_prefix("type ").or_else(|| types.strip_prefix("typeof "))?;
        if types.contains(';') {
            return None;
        }
        let (key, value) = match types.split_once(" : ") {
            Some((key, value)) => (key, Some(field(value)?)),
            None => (types, None),
        };
        Some(Self { key: key.split(" . ").map(field).collect::<Option<_>>()?, value })
    }

    /// An element; `None` when it has a range or does not fit the declaration.
    pub(super) fn element(&self, key: &Key, value: Option<&Part>) -> Option<SetElement> {
        if key.len() != self.key.len() {
            return None;
        }
        let mut bytes = Vec::new();
        for (field, part) in self.key.iter().zip(key) {
            bytes.extend(self::bytes(*field, part)?);
            if self.key.len() > 1 {
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
        }
        let value = match (self.value, value) {
            (_, None) => None,
            (Some(Field::Verdict), Some(Part::Goto(chain))) => Some(SetValue::Goto(chain.clone())),
            (Some(field), Some(part)) => Some(SetValue::Data(self::bytes(field, part)?)),
            (None, Some(_)) => return None,
        };
        Some(SetElement { key: bytes, value })
    }
}

/// An element of a set of device names; `None` when no device can have the name.
#[must_use]
pub fn device(name: &str) -> Option<SetElement> {
    let key = bytes(Field::Device, &Part::Device(name.to_owned()))?;
    Some(SetElement { key, value: None })
}

fn field(name: &str) -> Option<Field> {
    Some(match name {
        "ifname" | "iifname" => Field::Device,
        "ether_addr" => Field::Mac,
        "ipv4_addr" | "ipv6_addr" => Field::Address,
        "mark" => Field::Mark,
        "ct zone" => Field::Zone,
        "@th,208,48" => Field::Raw(6),
        "@th,64,128" => Field::Raw(16),
        "verdict" => Field::Verdict,
        _ => return None,
    })
}

fn bytes(field: Field, part: &Part) -> Option<Vec<u8>> {
    Some(match (field, part) {
        (Field::Device, Part::Device(name)) if name.len() < DEVICE => {
            let mut bytes = name.as_bytes().to_vec();
            bytes.resize(DEVICE, 0);
            bytes
        }
        (Field::Mac, Part::Mac(mac)) => mac.octets().to_vec(),
        (Field::Address, Part::Address { first, last }) if first == last => match first {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        },
        (Field::Mark, Part::Number { first, last }) if first == last => {
            u32::try_from(*first).ok()?.to_ne_bytes().to_vec()
        }
        (Field::Zone, Part::Number { first, last }) if first == last => {
            u16::try_from(*first).ok()?.to_ne_bytes().to_vec()
        }
        (Field::Raw(length), Part::Number { first, last }) if first == last => {
            let all = first.to_be_bytes();
            let (high, low) = all.split_at(all.len() - length);
            if high.iter().any(|byte| *byte != 0) {
                return None;
            }
            low.to_vec()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_with_ranges_or_other_fields_is_left_to_the_tool() {
        assert_eq!(Shape::of("type ifname . ether_addr . ipv4_addr; flags interval;"), None);
        assert_eq!(Shape::of("type inet_proto . inet_service;"), None);
        let shape = Shape::of("type ifname : mark;").expect("known");
        assert_eq!(shape, Shape { key: vec![Field::Device], value: Some(Field::Mark) });
    }

    #[test]
    fn a_key_of_several_fields_is_padded_and_one_of_one_is_not() {
        let mac = || Part::Mac("02:00:00:00:00:0a".parse().expect("mac"));
        let device = || Part::Device("tapa".to_owned());
        let pair = Shape::of("type ifname . ether_addr;").expect("known");
        let element = pair.element(&vec![device(), mac()], None).expect("fits");
        assert_eq!((element.key.len(), &element.key[..5]), (24, &b"tapa\0"[..]));
        let single = Shape::of("type ether_addr;").expect("known");
        assert_eq!(single.element(&vec![mac()], None).expect("fits").key, [2, 0, 0, 0, 0, 10]);
        assert_eq!(single.element(&vec![device()], None), None);
        assert_eq!(single.element(&vec![mac(), mac()], None), None);
    }

    #[test]
    fn what_does_not_fit_its_field_is_left_to_the_tool() {
        let shape = Shape::of("typeof iifname . @th,208,48;").expect("known");
        let key = |number: u128| vec![Part::Device("tapa".to_owned()), Part::number(number)];
        assert!(shape.element(&key(0xffff_ffff_ffff), None).is_some());
        assert_eq!(shape.element(&key(0x1_0000_0000_0000), None), None);
        let range = Part::Number { first: 1, last: 2 };
        assert_eq!(Shape::of("type mark;").expect("known").element(&vec![range], None), None);
        let long = vec![Part::Device("a-name-that-is-too-long".to_owned())];
        assert_eq!(Shape::of("type ifname;").expect("known").element(&long, None), None);
    }
}
