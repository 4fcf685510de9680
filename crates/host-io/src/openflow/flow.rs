//! Flows as values: what they match and what they do, in the words of ovs-fields(7) and
//! ovs-actions(7), and their text for `ovs-ofctl`.

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::IpNet;
use isospin_types::MacAddr;

/// Ethernet types.
pub mod ethertype {
    pub const IPV4: u16 = 0x0800;
    pub const ARP: u16 = 0x0806;
    pub const IPV6: u16 = 0x86dd;
    /// Of frames with a tag, and with a provider's tag.
    pub const VLAN: [u16; 2] = [0x8100, 0x88a8];
}

/// Bits of the connection state that must be set, and that must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CtState {
    pub on: u8,
    pub off: u8,
}

impl CtState {
    pub const NEW: u8 = 0x01;
    pub const EST: u8 = 0x02;
    pub const REL: u8 = 0x04;
    pub const RPL: u8 = 0x08;
    pub const INV: u8 = 0x10;
    pub const TRK: u8 = 0x20;
    const NAMES: [(u8, &'static str); 6] = [
        (Self::NEW, "new"),
        (Self::EST, "est"),
        (Self::REL, "rel"),
        (Self::RPL, "rpl"),
        (Self::INV, "inv"),
        (Self::TRK, "trk"),
    ];
}

impl fmt::Display for CtState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (sign, bits) in [('+', self.on), ('-', self.off)] {
            for (_, name) in Self::NAMES.iter().filter(|(bit, _)| bits & bit != 0) {
                write!(f, "{sign}{name}")?;
            }
        }
        Ok(())
    }
}

/// One condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    InPort(u32),
    /// Register, value.
    Register(u8, u32),
    /// Register, value and mask.
    RegisterBits(u8, u32, u32),
    TunnelId(u32),
    CtState(CtState),
    ConjunctionId(u32),
    /// No VLAN tag.
    Untagged,
    Vlan(u16),
    EthSrc(MacAddr),
    EthDst(MacAddr),
    /// Group addresses (true), or all others.
    ToGroup(bool),
    EthType(u16),
    /// IP protocol.
    Protocol(u8),
    Source(IpNet),
    Destination(IpNet),
    SourcePort(u16),
    /// Value and mask.
    DestinationPort(u16, u16),
    IcmpType(u8),
    IcmpCode(u8),
    ArpOp(u16),
    ArpSenderMac(MacAddr),
    ArpSender(Ipv4Addr, u8),
    ArpTarget(Ipv4Addr),
    NdTarget(IpNet),
    NdSourceMac(MacAddr),
    NdTargetMac(MacAddr),
    /// IP protocol of the connection.
    CtProtocol(u8),
    /// Ends of the connection as its first packet had them.
    CtSource(IpNet),
    CtDestination(IpNet),
    /// Port, or type of ICMP.
    CtSourcePort(u16),
    /// Value and mask; or code of ICMP.
    CtDestinationPort(u16, u16),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InPort(port) => write!(f, "in_port={port}"),
            Self::Register(number, value) => write!(f, "reg{number}={value:#x}"),
            Self::RegisterBits(number, value, mask) => write!(f, "reg{number}={value:#x}/{mask:#x}"),
            Self::TunnelId(id) => write!(f, "tun_id={id:#x}"),
            Self::CtState(state) => write!(f, "ct_state={state}"),
            Self::ConjunctionId(id) => write!(f, "conj_id={id}"),
            Self::Untagged => f.write_str("vlan_tci=0x0000/0x1fff"),
            Self::Vlan(vlan) => write!(f, "dl_vlan={vlan}"),
            Self::EthSrc(mac) => write!(f, "dl_src={mac}"),
            Self::EthDst(mac) => write!(f, "dl_dst={mac}"),
            Self::ToGroup(true) => f.write_str("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"),
            Self::ToGroup(false) => f.write_str("dl_dst=00:00:00:00:00:00/01:00:00:00:00:00"),
            Self::EthType(kind) => write!(f, "dl_type={kind:#06x}"),
            Self::Protocol(number) => write!(f, "nw_proto={number}"),
            Self::Source(net) => address(f, "nw_src", "ipv6_src", net),
            Self::Destination(net) => address(f, "nw_dst", "ipv6_dst", net),
            Self::SourcePort(port) => write!(f, "tp_src={port}"),
            Self::DestinationPort(port, u16::MAX) => write!(f, "tp_dst={port}"),
            Self::DestinationPort(port, mask) => write!(f, "tp_dst={port:#x}/{mask:#x}"),
            Self::IcmpType(kind) => write!(f, "icmp_type={kind}"),
            Self::IcmpCode(code) => write!(f, "icmp_code={code}"),
            Self::ArpOp(operation) => write!(f, "arp_op={operation}"),
            Self::ArpSenderMac(mac) => write!(f, "arp_sha={mac}"),
            Self::ArpSender(ip, 32) => write!(f, "arp_spa={ip}"),
            Self::ArpSender(ip, length) => write!(f, "arp_spa={ip}/{length}"),
            Self::ArpTarget(ip) => write!(f, "arp_tpa={ip}"),
            Self::NdTarget(net) => address(f, "nd_target", "nd_target", net),
            Self::NdSourceMac(mac) => write!(f, "nd_sll={mac}"),
            Self::NdTargetMac(mac) => write!(f, "nd_tll={mac}"),
            Self::CtProtocol(number) => write!(f, "ct_nw_proto={number}"),
            Self::CtSource(net) => address(f, "ct_nw_src", "ct_ipv6_src", net),
            Self::CtDestination(net) => address(f, "ct_nw_dst", "ct_ipv6_dst", net),
            Self::CtSourcePort(port) => write!(f, "ct_tp_src={port}"),
            Self::CtDestinationPort(port, u16::MAX) => write!(f, "ct_tp_dst={port}"),
            Self::CtDestinationPort(port, mask) => write!(f, "ct_tp_dst={port:#x}/{mask:#x}"),
        }
    }
}

fn address(f: &mut fmt::Formatter<'_>, v4: &str, v6: &str, net: &IpNet) -> fmt::Result {
    let name = if matches!(net, IpNet::V4(_)) { v4 } else { v6 };
    if net.prefix_len() == net.max_prefix_len() {
        write!(f, "{name}={}", net.addr())
    } else {
        write!(f, "{name}={net}")
    }
}

/// One thing done with a frame. A flow without any drops it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Resubmit(u8),
    Output(u32),
    /// To the port whose number the register holds.
    OutputRegister(u8),
    /// The frame may leave by the port it came in by.
    ForgetInPort,
    /// As a switch that learns.
    Normal,
    /// Register, value.
    Load(u8, u32),
    /// One bit of a register becomes 1.
    SetBit(u8, u8),
    /// Changes the tag there is.
    SetVlan(u16),
    /// Adds a tag.
    PushVlan(u16),
    StripVlan,
    SetTunnel(u32),
    /// Drops what is above the rate of the meter; stands before all others.
    Meter(u32),
    /// Differentiated services code point of an IP packet.
    SetDscp(u8),
    /// Through the connection tracker, in the zone the register holds.
    Track {
        zone_register: u8,
        commit: bool,
        table: Option<u8>,
    },
    Untrack,
    /// Id, clause from 1, clauses.
    Conjunction(u32, u8, u8),
    Clone(Vec<Action>),
    /// As the text says: for what is written once and never taken apart.
    Verbatim(String),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resubmit(table) => write!(f, "resubmit(,{table})"),
            Self::Output(port) => write!(f, "output:{port}"),
            Self::OutputRegister(number) => write!(f, "output:NXM_NX_REG{number}[]"),
            Self::ForgetInPort => f.write_str("load:0xffff->NXM_OF_IN_PORT[]"),
            Self::Normal => f.write_str("NORMAL"),
            Self::Load(number, value) => write!(f, "load:{value:#x}->NXM_NX_REG{number}[]"),
            Self::SetBit(number, bit) => write!(f, "load:0x1->NXM_NX_REG{number}[{bit}]"),
            // The forms of OpenFlow 1.4, which come back as they were sent.
            Self::SetVlan(vlan) => write!(f, "set_field:{}->vlan_vid", 0x1000 | vlan),
            Self::PushVlan(vlan) => write!(f, "push_vlan:0x8100,set_field:{}->vlan_vid", 0x1000 | vlan),
            Self::StripVlan => f.write_str("pop_vlan"),
            Self::Meter(id) => write!(f, "meter:{id}"),
            Self::SetDscp(mark) => write!(f, "set_field:{mark}->ip_dscp"),
            Self::SetTunnel(id) => write!(f, "set_field:{id:#x}->tun_id"),
            Self::Track { zone_register, commit, table } => {
                f.write_str(if *commit { "ct(commit," } else { "ct(" })?;
                if let Some(table) = table {
                    write!(f, "table={table},")?;
                }
                write!(f, "zone=NXM_NX_REG{zone_register}[0..15])")
            }
            Self::Untrack => f.write_str("ct_clear"),
            Self::Conjunction(id, clause, of) => write!(f, "conjunction({id},{clause}/{of})"),
            Self::Clone(actions) => {
                f.write_str("clone(")?;
                list(f, actions)?;
                f.write_str(")")
            }
            Self::Verbatim(text) => f.write_str(text),
        }
    }
}

pub(super) fn list(f: &mut impl fmt::Write, parts: &[impl fmt::Display]) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_char(',')?;
        }
        write!(f, "{part}")?;
    }
    Ok(())
}

/// A flow: the highest priority that matches in a table wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    pub table: u8,
    pub priority: u16,
    pub fields: Vec<Field>,
    pub actions: Vec<Action>,
}
