//! What `ovs-ofctl` 3.1 sent for the same flows.

use super::super::bundle::in_order;
use super::super::flow::CtState;
use super::*;

fn net(text: &str) -> IpNet {
    text.parse().expect("prefix")
}

fn mac(last: u8) -> MacAddr {
    MacAddr::new([0, 1, 2, 3, 4, last])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Conditions have no order of their own.
fn same_match(fields: &[Field], theirs: &str) {
    let pairs: Vec<&[u8]> = theirs.as_bytes().chunks(2).collect();
    let byte = |pair: &&[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("text"), 16).expect("hex");
    let theirs: Vec<u8> = pairs.iter().map(byte).collect();
    assert_eq!(hex(&in_order(&matched(fields))), hex(&in_order(&theirs)));
}

#[test]
fn conditions_on_frames_and_ipv4() {
    let fields = [
        Field::InPort(3),
        Field::Register(5, 7),
        Field::RegisterBits(6, 0x10, 0x10),
        Field::CtState(CtState { on: CtState::TRK, off: CtState::RPL | CtState::INV }),
        Field::Untagged,
        Field::EthSrc(mac(5)),
        Field::ToGroup(true),
        Field::EthType(ethertype::IPV4),
        Field::Protocol(6),
        Field::Source(net("10.0.0.0/8")),
        Field::SourcePort(5),
        Field::DestinationPort(0x50, 0xfff0),
        Field::CtProtocol(6),
        Field::CtSource(net("10.0.0.0/8")),
        Field::CtSourcePort(5),
        Field::CtDestinationPort(80, u16::MAX),
    ];
    let theirs = "8000000400000003800008060001020304058000070c01000000000001000000000080000a02080080000c02\
        0000800017080a000000ff000000800014010680001a02000580001d040050fff000010a040000000700010d08000000\
        10000000100001d30800000020000000380001f1080a000000ff0000000001ee01060001f80200050001fa020050";
    same_match(&fields, theirs);
    let fields = [
        Field::TunnelId(5),
        Field::Vlan(7),
        Field::ConjunctionId(9),
        Field::EthDst(mac(5)),
        Field::EthType(ethertype::IPV4),
        Field::Destination(net("10.0.0.1/32")),
    ];
    let theirs = "00014a04000000098000060600010203040580000a02080080000c021007800018040a00000180004c080000\
        000000000005";
    same_match(&fields, theirs);
    // Of nothing.
    same_match(&[Field::Source(net("0.0.0.0/0")), Field::ArpSender([0, 0, 0, 0].into(), 0)], "");
}

#[test]
fn conditions_on_ipv6() {
    let fields = [
        Field::CtState(CtState { on: CtState::TRK, off: CtState::INV }),
        Field::EthType(ethertype::IPV6),
        Field::Protocol(17),
        Field::Source(net("fe80::/64")),
        Field::Destination(net("fe80::1/128")),
        Field::SourcePort(5),
        Field::DestinationPort(6, u16::MAX),
        Field::CtProtocol(17),
        Field::CtSource(net("fe80::/10")),
        Field::CtDestination(net("fe80::1/128")),
        Field::CtDestinationPort(0x10, 0xfff0),
    ];
    let theirs = "80000a0286dd80003520fe800000000000000000000000000000ffffffffffffffff0000000000000000800036\
        10fe800000000000000000000000000001800014011180001e0200058000200200060001d30800000020000000300001f5\
        20fe800000000000000000000000000000ffc000000000000000000000000000000001f610fe8000000000000000000000\
        000000010001ee01110001fb040010fff0";
    same_match(&fields, theirs);
    let solicitation = [
        Field::EthType(ethertype::IPV6),
        Field::Protocol(58),
        Field::IcmpType(135),
        Field::NdTarget(net("fe80::/64")),
        Field::NdSourceMac(MacAddr::new([0, 0x11, 0x22, 0x33, 0x44, 0x55])),
    ];
    let theirs = "80000a0286dd800014013a80003a018780003f20fe800000000000000000000000000000ffffffffffffffff00\
        0000000000000080004006001122334455";
    same_match(&solicitation, theirs);
    let advertised = Field::NdTargetMac(MacAddr::new([0, 0x11, 0x22, 0x33, 0x44, 0x55]));
    let theirs = "80000a0286dd800014013a80003a018880004206001122334455";
    let kind = [Field::EthType(ethertype::IPV6), Field::Protocol(58), Field::IcmpType(136)];
    same_match(&[&kind[..], &[advertised]].concat(), theirs);
}

#[test]
fn conditions_on_other_protocols() {
    let kind = |protocol| [Field::EthType(ethertype::IPV4), Field::Protocol(protocol)];
    let ports = [Field::SourcePort(4), Field::DestinationPort(5, u16::MAX)];
    same_match(&[kind(132), ports].concat(), "80000a0208008000140184800022020004800024020005");
    let icmp = [Field::IcmpType(4), Field::IcmpCode(5)];
    same_match(&[kind(1), icmp].concat(), "80000a020800800014010180002601048000280105");
    let arp = [
        Field::EthType(ethertype::ARP),
        Field::ArpOp(1),
        Field::ArpSenderMac(MacAddr::new([0, 0x11, 0x22, 0x33, 0x44, 0x55])),
        Field::ArpSender([10, 0, 0, 0].into(), 8),
        Field::ArpTarget([10, 0, 0, 1].into()),
    ];
    let theirs = "80000a02080680002a02000180002d080a000000ff00000080002e040a00000180003006001122334455";
    same_match(&arp, theirs);
}

#[test]
fn actions_of_switching() {
    let actions = [
        Action::SetDscp(5),
        Action::PushVlan(1),
        Action::StripVlan,
        Action::SetTunnel(5),
        Action::Track { zone_register: 6, commit: true, table: None },
        Action::Track { zone_register: 6, commit: false, table: Some(3) },
        Action::Untrack,
        Action::Clone(vec![Action::Load(5, 1), Action::Resubmit(3)]),
        Action::InPort,
    ];
    let theirs = "000400d0000000000019001080001001050000000000000000110008810000000019001080000c021001000000000000\
        00120008000000000019001080004c080000000000000005ffff0018000023200023000100010c04000fff0000000000\
        ffff0018000023200023000000010c04000f030000000000ffff001000002320002b000000000000ffff003800002320\
        002a000000000000ffff0018000023200007001f00010a040000000000000001ffff001000002320000efff803000000\
        00000010fffffff80000000000000000";
    assert_eq!(hex(&instructions(&actions)), theirs);
    let actions = [
        Action::ForgetInPort,
        Action::SetBit(8, 22),
        Action::Load(5, 7),
        Action::OutputRegister(5),
        Action::Output(3),
        Action::Resubmit(9),
    ];
    let theirs = "0004008800000000ffff0018000023200007000f00000002000000000000ffffffff001800002320000705800001\
        10040000000000000001ffff0018000023200007001f00010a040000000000000007ffff001800002320000f001f00010a04\
        ffff00000000000000000010000000030000000000000000ffff001000002320000efff809000000";
    assert_eq!(hex(&instructions(&actions)), theirs);
    assert_eq!(
        hex(&instructions(&[Action::Conjunction(1, 2, 2)])),
        "0004001800000000ffff0010000023200022010200000001"
    );
    assert_eq!(hex(&instructions(&[])), "");
    assert_eq!(hex(&instructions(&[Action::Meter(5)])), "0006000800000005");
}

#[test]
fn actions_of_answers_and_learning() {
    let learn = Action::LearnSenders { table: 20, seconds: 300, cookie: 9 };
    let theirs = "0004006800000000ffff00600000232000100000012c000100000000000000090000140000000000000c0000080200\
        000000080200000030000004060000000002060000281000000000080200000840000120080000000120080000102080000004\
        000000000000";
    assert_eq!(hex(&instructions(&[learn])), theirs);
    let own = MacAddr::new([0, 0x11, 0x22, 0x33, 0x44, 0x55]);
    let answer = [
        Action::Move(Part::EthSource, Part::EthDestination),
        Action::Set(Value::EthSource(own)),
        Action::LoadPart(Part::ArpOp, 2),
        Action::Move(Part::ArpSenderMac, Part::ArpTargetMac),
        Action::Move(Part::ArpSender, Part::ArpTarget),
        Action::LoadPart(Part::ArpSenderMac, 0x1234),
        Action::LoadPart(Part::ArpSender, 0xffff),
        Action::InPort,
    ];
    let theirs = "000400b800000000ffff001800002320000600300000000000000406000002060019001080000806001122334455\
        0000ffff0018000023200007000f00001e020000000000000002ffff00180000232000060030000000000001220600012406ff\
        ff00180000232000060020000000000000200400002204ffff0018000023200007002f000122060000000000001234ffff0018\
        000023200007001f00002004000000000000ffff00000010fffffff80000000000000000";
    assert_eq!(hex(&instructions(&answer)), theirs);
    let advertise = [
        Action::Set(Value::Icmp6Type(136)),
        Action::Set(Value::Icmp6Code(0)),
        Action::Set(Value::NdOptionsType(2)),
        Action::Set(Value::NdReserved(0x6000_0000)),
    ];
    let theirs = "00040048000000000019001080003a0188000000000000000019001080003c0100000000000000000019001010000401\
        020000000000000000190010100002046000000000000000";
    assert_eq!(hex(&instructions(&advertise)), theirs);
    let says = [
        Action::Move(Part::EthSource, Part::EthDestination),
        Action::Set(Value::EthSource(own)),
        Action::Move(Part::Ipv6Source, Part::Ipv6Destination),
        Action::Set(Value::Ipv6Source("fe80::1".parse().expect("ip"))),
        Action::Set(Value::NdTargetMac(own)),
        Action::InPort,
    ];
    let theirs = "0004008000000000ffff0018000023200006003000000000000004060000020600190010800008060011223344550000\
        ffff001800002320000600800000000000012610000128100019001880003410fe800000000000000000000000000001\
        0019001080004206001122334455000000000010fffffff80000000000000000";
    assert_eq!(hex(&instructions(&says)), theirs);
}
