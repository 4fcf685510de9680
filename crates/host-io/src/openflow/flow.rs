//! Flows as values: what they match and what they do, in the words of ovs-fields(7) and
//! ovs-actions(7).

use std::net::{Ipv4Addr, Ipv6Addr};

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
    /// Back to where the frame came from.
    InPort,
    /// From, to: both as long.
    Move(Part, Part),
    /// Up to 64 bits.
    LoadPart(Part, u64),
    Set(Value),
    /// A flow for the VLAN and sender of the frame, in this table and with priority 1: what
    /// is for that sender leaves untagged, with the tunnel id and by the port this came by.
    LearnSenders {
        table: u8,
        seconds: u16,
        cookie: u64,
    },
}

/// A part of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    EthSource,
    EthDestination,
    ArpOp,
    ArpSender,
    ArpTarget,
    ArpSenderMac,
    ArpTargetMac,
    Ipv6Source,
    Ipv6Destination,
}

/// What a part of a frame becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    EthSource(MacAddr),
    Icmp6Type(u8),
    Icmp6Code(u8),
    NdOptionsType(u8),
    /// Flags of an advertisement, with what is reserved.
    NdReserved(u32),
    NdTargetMac(MacAddr),
    Ipv6Source(Ipv6Addr),
}

/// A flow: the highest priority that matches in a table wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    pub table: u8,
    pub priority: u16,
    pub fields: Vec<Field>,
    pub actions: Vec<Action>,
}
