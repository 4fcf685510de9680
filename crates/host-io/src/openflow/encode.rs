//! Flows as messages of OpenFlow 1.4, with the extensions of Open vSwitch (nicira-ext.h,
//! ovs-fields(7)): each field and action in the form the switch itself gives back, so
//! that what it holds can be compared byte by byte.

use ipnet::IpNet;
use isospin_types::MacAddr;

use super::flow::{Action, Field, Part, Value, ethertype};

/// Classes of fields: of old, of Open vSwitch, of OpenFlow, of Ericsson.
const NXM0: u32 = 0x0000 << 16;
const NXM1: u32 = 0x0001 << 16;
const OXM: u32 = 0x8000 << 16;
const ERIC: u32 = 0x1000 << 16;
/// Whose extensions these actions are.
const NICIRA: u32 = 0x0000_2320;
const EXPERIMENTER: u16 = 0xffff;
/// Instructions.
const METER: u16 = 6;
const APPLY_ACTIONS: u16 = 4;
/// Of a tag that is there.
const PRESENT: u16 = 0x1000;
const NORMAL: u32 = 0xffff_fffa;
const IN_PORT: u32 = 0xffff_fff8;
const UDP: u8 = 17;
const SCTP: u8 = 132;
const ICMPV6: u8 = 58;

/// What a field is called in messages.
const fn header(class: u32, field: u8, length: u8) -> u32 {
    class | ((field as u32) << 9) | length as u32
}

const fn register(number: u8) -> u32 {
    header(NXM1, number, 4)
}

/// Bits of a field from `offset` on.
const fn bits(offset: u16, count: u16) -> u16 {
    (offset << 6) | (count - 1)
}

impl Part {
    /// Its header and how many bits it has.
    const fn place(self) -> (u32, u16) {
        match self {
            Self::EthSource => (header(NXM0, 2, 6), 48),
            Self::EthDestination => (header(NXM0, 1, 6), 48),
            Self::ArpOp => (header(NXM0, 15, 2), 16),
            Self::ArpSender => (header(NXM0, 16, 4), 32),
            Self::ArpTarget => (header(NXM0, 17, 4), 32),
            Self::ArpSenderMac => (header(NXM1, 17, 6), 48),
            Self::ArpTargetMac => (header(NXM1, 18, 6), 48),
            Self::Ipv6Source => (header(NXM1, 19, 16), 128),
            Self::Ipv6Destination => (header(NXM1, 20, 16), 128),
        }
    }
}

/// The conditions of a flow, as messages have them, not padded.
pub(super) fn matched(fields: &[Field]) -> Vec<u8> {
    let of = |pick: fn(&Field) -> Option<u16>| fields.iter().find_map(pick).unwrap_or(0);
    let context = Context {
        kind: of(|field| if let Field::EthType(kind) = field { Some(*kind) } else { None }),
        protocol: of(|field| if let Field::Protocol(number) = field { Some((*number).into()) } else { None }),
    };
    let mut out = Vec::with_capacity(64);
    for field in fields {
        context.put(&mut out, field);
    }
    out
}

/// What decides how other fields of the same flow are called.
struct Context {
    kind: u16,
    protocol: u16,
}

impl Context {
    fn put(&self, out: &mut Vec<u8>, field: &Field) {
        match *field {
            Field::InPort(port) => exact(out, header(OXM, 0, 4), &port.to_be_bytes()),
            Field::Register(number, value) => exact(out, register(number), &value.to_be_bytes()),
            Field::RegisterBits(number, value, mask) => {
                masked(out, register(number), &value.to_be_bytes(), &mask.to_be_bytes());
            }
            Field::TunnelId(id) => exact(out, header(OXM, 38, 8), &u64::from(id).to_be_bytes()),
            Field::CtState(state) => {
                let mask = u32::from(state.on | state.off);
                let value = u32::from(state.on);
                masked(out, header(NXM1, 105, 4), &value.to_be_bytes(), &mask.to_be_bytes());
            }
            Field::ConjunctionId(id) => exact(out, header(NXM1, 37, 4), &id.to_be_bytes()),
            Field::Untagged => exact(out, header(OXM, 6, 2), &[0, 0]),
            Field::Vlan(vlan) => exact(out, header(OXM, 6, 2), &(PRESENT | vlan).to_be_bytes()),
            Field::EthDst(mac) => exact(out, header(OXM, 3, 6), &mac.octets()),
            Field::ToGroup(is_group) => {
                masked(out, header(OXM, 3, 6), &[u8::from(is_group), 0, 0, 0, 0, 0], &[1, 0, 0, 0, 0, 0]);
            }
            Field::EthSrc(mac) => exact(out, header(OXM, 4, 6), &mac.octets()),
            Field::EthType(kind) => exact(out, header(OXM, 5, 2), &kind.to_be_bytes()),
            Field::Protocol(number) => exact(out, header(OXM, 10, 1), &[number]),
            Field::Source(net) => prefix(out, [header(OXM, 11, 4), header(OXM, 26, 16)], &net),
            Field::Destination(net) => prefix(out, [header(OXM, 12, 4), header(OXM, 27, 16)], &net),
            Field::SourcePort(port) => exact(out, header(OXM, self.ports(), 2), &port.to_be_bytes()),
            Field::DestinationPort(port, mask) => {
                masked(out, header(OXM, self.ports() + 1, 2), &port.to_be_bytes(), &mask.to_be_bytes());
            }
            Field::IcmpType(kind) => exact(out, header(OXM, self.icmp(), 1), &[kind]),
            Field::IcmpCode(code) => exact(out, header(OXM, self.icmp() + 1, 1), &[code]),
            Field::ArpOp(operation) => exact(out, header(OXM, 21, 2), &operation.to_be_bytes()),
            Field::ArpSender(ip, length) => {
                let mask = if length == 0 { 0 } else { u32::MAX << (32 - u32::from(length.min(32))) };
                masked(out, header(OXM, 22, 4), &ip.octets(), &mask.to_be_bytes());
            }
            Field::ArpTarget(ip) => exact(out, header(OXM, 23, 4), &ip.octets()),
            Field::ArpSenderMac(mac) => exact(out, header(OXM, 24, 6), &mac.octets()),
            Field::NdTarget(net) => prefix(out, [header(OXM, 31, 16); 2], &net),
            Field::NdSourceMac(mac) => exact(out, header(OXM, 32, 6), &mac.octets()),
            Field::NdTargetMac(mac) => exact(out, header(OXM, 33, 6), &mac.octets()),
            Field::CtProtocol(number) => exact(out, header(NXM1, 119, 1), &[number]),
            Field::CtSource(net) => prefix(out, [header(NXM1, 120, 4), header(NXM1, 122, 16)], &net),
            Field::CtDestination(net) => prefix(out, [header(NXM1, 121, 4), header(NXM1, 123, 16)], &net),
            Field::CtSourcePort(port) => exact(out, header(NXM1, 124, 2), &port.to_be_bytes()),
            Field::CtDestinationPort(port, mask) => {
                masked(out, header(NXM1, 125, 2), &port.to_be_bytes(), &mask.to_be_bytes());
            }
        }
    }

    /// The field of source ports, of TCP unless said otherwise; that of destination ports is
    /// the next.
    fn ports(&self) -> u8 {
        match self.protocol {
            protocol if protocol == u16::from(UDP) => 15,
            protocol if protocol == u16::from(SCTP) => 17,
            _ => 13,
        }
    }

    /// The field of ICMP types; that of codes is the next.
    fn icmp(&self) -> u8 {
        let is_v6 = self.kind == ethertype::IPV6 || self.protocol == u16::from(ICMPV6);
        if is_v6 { 29 } else { 19 }
    }
}

fn exact(out: &mut Vec<u8>, header: u32, value: &[u8]) {
    out.extend(header.to_be_bytes());
    out.extend(value);
}

/// A mask of ones is none, and one of zeros no condition.
fn masked(out: &mut Vec<u8>, header: u32, value: &[u8], mask: &[u8]) {
    if mask.iter().all(|byte| *byte == 0xff) {
        return exact(out, header, value);
    }
    if mask.iter().all(|byte| *byte == 0) {
        return;
    }
    // Both are as long as the value alone was.
    out.extend((header + 0x100 + (header & 0xff)).to_be_bytes());
    // Bits nobody looks at are refused.
    out.extend(value.iter().zip(mask).map(|(value, mask)| value & mask));
    out.extend(mask);
}

/// With one header for IPv4 and one for IPv6.
fn prefix(out: &mut Vec<u8>, [v4, v6]: [u32; 2], net: &IpNet) {
    match net {
        IpNet::V4(net) => masked(out, v4, &net.addr().octets(), &net.netmask().octets()),
        IpNet::V6(net) => masked(out, v6, &net.addr().octets(), &net.netmask().octets()),
    }
}

/// The instructions of a flow: none drops.
pub(super) fn instructions(actions: &[Action]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    let mut rest = actions;
    if let [Action::Meter(id), others @ ..] = actions {
        out.extend(METER.to_be_bytes());
        out.extend(8_u16.to_be_bytes());
        out.extend(id.to_be_bytes());
        rest = others;
    }
    if rest.is_empty() {
        return out;
    }
    let begin = out.len();
    out.extend(APPLY_ACTIONS.to_be_bytes());
    out.extend([0; 6]);
    list(&mut out, rest);
    close(&mut out, begin);
    out
}

fn list(out: &mut Vec<u8>, actions: &[Action]) {
    for action in actions {
        put(out, action);
    }
}

fn put(out: &mut Vec<u8>, action: &Action) {
    match action {
        Action::Resubmit(table) => nicira(out, 14, |out| {
            out.extend((IN_PORT as u16).to_be_bytes());
            out.push(*table);
        }),
        Action::Output(port) => output(out, *port),
        Action::Normal => output(out, NORMAL),
        Action::InPort => output(out, IN_PORT),
        Action::OutputRegister(number) => nicira(out, 15, |out| {
            out.extend(bits(0, 32).to_be_bytes());
            out.extend(register(*number).to_be_bytes());
            out.extend(u16::MAX.to_be_bytes());
            out.extend([0; 6]);
        }),
        Action::ForgetInPort => load(out, header(NXM0, 0, 2), bits(0, 16), 0xffff),
        Action::Load(number, value) => load(out, register(*number), bits(0, 32), u64::from(*value)),
        Action::SetBit(number, bit) => load(out, register(*number), bits(u16::from(*bit), 1), 1),
        Action::LoadPart(part, value) => {
            let (header, count) = part.place();
            load(out, header, bits(0, count), *value);
        }
        Action::Move(from, to) => moved(out, *from, *to),
        Action::Set(value) => set(out, value),
        Action::SetVlan(vlan) => set_field(out, header(OXM, 6, 2), &(PRESENT | vlan).to_be_bytes()),
        Action::PushVlan(vlan) => {
            standard(out, 17, |out| out.extend([ethertype::VLAN[0].to_be_bytes(), [0; 2]].concat()));
            set_field(out, header(OXM, 6, 2), &(PRESENT | vlan).to_be_bytes());
        }
        Action::StripVlan => standard(out, 18, |out| out.extend([0; 4])),
        Action::SetTunnel(id) => set_field(out, header(OXM, 38, 8), &u64::from(*id).to_be_bytes()),
        // Within others it is an action of its own, which OpenFlow 1.4 has not.
        Action::Meter(_) => {}
        Action::SetDscp(mark) => set_field(out, header(OXM, 8, 1), &[*mark]),
        Action::Track { zone_register, commit, table } => nicira(out, 35, |out| {
            out.extend(u16::from(*commit).to_be_bytes());
            out.extend(register(*zone_register).to_be_bytes());
            out.extend(bits(0, 16).to_be_bytes());
            out.push(table.unwrap_or(0xff));
            out.extend([0; 5]);
        }),
        Action::Untrack => nicira(out, 43, |_| {}),
        Action::Conjunction(id, clause, of) => nicira(out, 34, |out| {
            out.extend([clause.saturating_sub(1), *of]);
            out.extend(id.to_be_bytes());
        }),
        Action::Clone(actions) => nicira(out, 42, |out| {
            out.extend([0; 6]);
            list(out, actions);
        }),
        Action::LearnSenders { table, seconds, cookie } => learn(out, *table, *seconds, *cookie),
    }
}

/// An action of OpenFlow itself.
fn standard(out: &mut Vec<u8>, kind: u16, body: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend(kind.to_be_bytes());
    out.extend([0; 2]);
    body(out);
    close(out, begin);
}

/// An action of Open vSwitch.
fn nicira(out: &mut Vec<u8>, subtype: u16, body: impl FnOnce(&mut Vec<u8>)) {
    standard(out, EXPERIMENTER, |out| {
        out.extend(NICIRA.to_be_bytes());
        out.extend(subtype.to_be_bytes());
        body(out);
    });
}

/// Fills up to eight bytes, and writes the length into the second word.
fn close(out: &mut Vec<u8>, begin: usize) {
    pad(out, begin);
    let length = u16::try_from(out.len() - begin).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(field) = out.get_mut(begin + 2..begin + 4) {
        field.copy_from_slice(&length);
    }
}

/// Fills up to a multiple of eight bytes from `begin`.
pub(super) fn pad(out: &mut Vec<u8>, begin: usize) {
    out.resize(begin + (out.len() - begin).next_multiple_of(8), 0);
}

fn output(out: &mut Vec<u8>, port: u32) {
    standard(out, 0, |out| {
        out.extend(port.to_be_bytes());
        out.extend([0; 8]);
    });
}

fn load(out: &mut Vec<u8>, header: u32, bits: u16, value: u64) {
    nicira(out, 7, |out| {
        out.extend(bits.to_be_bytes());
        out.extend(header.to_be_bytes());
        out.extend(value.to_be_bytes());
    });
}

fn moved(out: &mut Vec<u8>, from: Part, to: Part) {
    let ((from, count), (to, _)) = (from.place(), to.place());
    nicira(out, 6, |out| {
        out.extend(count.to_be_bytes());
        out.extend([0; 4]);
        out.extend(from.to_be_bytes());
        out.extend(to.to_be_bytes());
    });
}

fn set_field(out: &mut Vec<u8>, header: u32, value: &[u8]) {
    standard(out, 25, |out| exact(out, header, value));
}

fn set(out: &mut Vec<u8>, value: &Value) {
    let mac = |out: &mut Vec<u8>, field, mac: &MacAddr| set_field(out, header(OXM, field, 6), &mac.octets());
    match value {
        Value::EthSource(address) => mac(out, 4, address),
        Value::NdTargetMac(address) => mac(out, 33, address),
        Value::Icmp6Type(kind) => set_field(out, header(OXM, 29, 1), &[*kind]),
        Value::Icmp6Code(code) => set_field(out, header(OXM, 30, 1), &[*code]),
        Value::NdOptionsType(kind) => set_field(out, header(ERIC, 2, 1), &[*kind]),
        Value::NdReserved(flags) => set_field(out, header(ERIC, 1, 4), &flags.to_be_bytes()),
        Value::Ipv6Source(ip) => set_field(out, header(OXM, 26, 16), &ip.octets()),
    }
}

/// Of a learned flow: what it matches, loads and outputs.
fn learn(out: &mut Vec<u8>, table: u8, seconds: u16, cookie: u64) {
    const MATCH: u16 = 0;
    const LOAD: u16 = 1 << 11;
    const OUTPUT: u16 = 2 << 11;
    const VALUE: u16 = 1 << 13;
    let (vlan, tunnel, in_port) = (header(NXM0, 4, 2), header(NXM1, 16, 8), header(OXM, 0, 4));
    let (source, _) = Part::EthSource.place();
    let (destination, _) = Part::EthDestination.place();
    let at = |out: &mut Vec<u8>, header: u32| {
        out.extend(header.to_be_bytes());
        out.extend([0; 2]);
    };
    nicira(out, 16, |out| {
        out.extend([0; 2]);
        out.extend(seconds.to_be_bytes());
        out.extend(1_u16.to_be_bytes());
        out.extend(cookie.to_be_bytes());
        out.extend([0, 0, table, 0, 0, 0, 0, 0]);
        for (from, to, count) in [(vlan, vlan, 12), (source, destination, 48)] {
            out.extend((MATCH | count).to_be_bytes());
            at(out, from);
            at(out, to);
        }
        out.extend((VALUE | LOAD | 16).to_be_bytes());
        out.extend([0; 2]);
        at(out, vlan);
        out.extend((LOAD | 64).to_be_bytes());
        at(out, tunnel);
        at(out, tunnel);
        out.extend((OUTPUT | 32).to_be_bytes());
        at(out, in_port);
    });
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
