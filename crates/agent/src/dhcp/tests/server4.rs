//! DHCPv4 conversations. Requests are written and answers read by an
//! independent implementation.

use std::net::Ipv4Addr;

use dhcproto::v4::{self, DhcpOption, MessageType, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};
use isospin_feed::facts::DhcpOption as ExtraOption;
use isospin_types::MacAddr;

use crate::dhcp::leases::{INFINITE, Lease, Leases};
use crate::dhcp::server4::{Answer, Outcome, answer};
use crate::dhcp::testing::{mac, port, service};
use crate::dhcp::wire4::RawOption;

const CLIENT: &str = "fa:16:3e:00:00:05";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn leases() -> Leases {
    let mut leases = Leases::new(service());
    let port = port(CLIENT, "10.0.0.5");
    leases.set(port.mac, Lease::of(&port).0);
    leases
}

fn request(kind: MessageType, ciaddr: Ipv4Addr, options: &[DhcpOption]) -> v4::Message {
    let mut message = v4::Message::new_with_id(7, ciaddr, NONE, NONE, NONE, &mac(CLIENT).octets());
    message.opts_mut().insert(DhcpOption::MessageType(kind));
    for option in options {
        message.opts_mut().insert(option.clone());
    }
    message
}

fn bytes(message: &v4::Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut Encoder::new(&mut out)).expect("encodes");
    out
}

fn ask(leases: &Leases, message: &v4::Message) -> Option<(Answer, v4::Message)> {
    match answer(leases, mac(CLIENT), &bytes(message)) {
        Outcome::Answer(answer) => {
            let read = v4::Message::decode(&mut Decoder::new(&answer.payload)).expect("decodes");
            assert_eq!((read.xid(), read.chaddr()), (7, &mac(CLIENT).octets()[..]));
            Some((answer, read))
        }
        Outcome::Declined(_) | Outcome::Ignored => None,
    }
}

fn everything() -> DhcpOption {
    let codes = [1, 3, 6, 12, 15, 26, 28, 51, 54, 58, 59, 119, 121, 249].map(OptionCode::from);
    DhcpOption::ParameterRequestList(codes.to_vec())
}

fn option(message: &v4::Message, code: u8) -> Option<DhcpOption> {
    message.opts().get(OptionCode::from(code)).cloned()
}

#[test]
fn a_discover_is_offered_the_ports_address_with_its_options() {
    let (sent, offer) =
        ask(&leases(), &request(MessageType::Discover, NONE, &[everything()])).expect("offer");
    assert_eq!(offer.opts().msg_type(), Some(MessageType::Offer));
    assert_eq!((offer.yiaddr(), offer.ciaddr(), offer.giaddr()), (ADDRESS, NONE, NONE));
    assert_eq!((sent.source, sent.destination, sent.client), (SERVER, ADDRESS, mac(CLIENT)));
    for want in [
        DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)),
        DhcpOption::Router(vec![Ipv4Addr::new(10, 0, 0, 1)]),
        DhcpOption::DomainNameServer(vec![Ipv4Addr::new(9, 9, 9, 9)]),
        DhcpOption::Hostname("host-10-0-0-5".to_owned()),
        DhcpOption::DomainName("openstacklocal".to_owned()),
        DhcpOption::InterfaceMtu(1450),
        DhcpOption::BroadcastAddr(Ipv4Addr::new(10, 0, 0, 255)),
        DhcpOption::AddressLeaseTime(86_400),
        DhcpOption::ServerIdentifier(SERVER),
        DhcpOption::Renewal(43_200),
        DhcpOption::Rebinding(75_600),
    ] {
        assert_eq!(offer.opts().get(OptionCode::from(&want)), Some(&want));
    }
}

#[test]
fn mask_broadcast_and_mtu_are_sent_unasked_and_others_are_not() {
    let list = DhcpOption::ParameterRequestList(vec![OptionCode::Router]);
    let (_, offer) = ask(&leases(), &request(MessageType::Discover, NONE, &[list])).expect("offer");
    let sent: Vec<u8> = offer.opts().iter().map(|(code, _)| u8::from(*code)).collect();
    assert_eq!(sent, [1, 3, 26, 28, 51, 53, 54, 58, 59]);
}

#[test]
fn a_client_that_cannot_take_unicast_is_answered_by_broadcast() {
    let mut discover = request(MessageType::Discover, NONE, &[]);
    discover.set_flags(v4::Flags::default().set_broadcast());
    let (sent, offer) = ask(&leases(), &discover).expect("offer");
    assert_eq!((sent.destination, sent.client), (Ipv4Addr::BROADCAST, mac(CLIENT)));
    assert!(offer.flags().broadcast());
}

/// RFC 2131 §4.3.2, table 4: where the address stands in each state.
#[test]
fn each_state_of_a_client_is_confirmed() {
    let wanted = DhcpOption::RequestedIpAddress(ADDRESS);
    let selecting = request(
        MessageType::Request,
        NONE,
        &[wanted.clone(), DhcpOption::ServerIdentifier(SERVER), everything()],
    );
    let rebooting = request(MessageType::Request, NONE, &[wanted]);
    let renewing = request(MessageType::Request, ADDRESS, &[]);
    for message in [selecting, rebooting, renewing] {
        let (sent, ack) = ask(&leases(), &message).expect("ack");
        assert_eq!(ack.opts().msg_type(), Some(MessageType::Ack));
        assert_eq!((ack.yiaddr(), sent.destination), (ADDRESS, ADDRESS));
        assert_eq!(ack.ciaddr(), message.ciaddr());
    }
}

#[test]
fn a_wrong_address_is_refused_aloud() {
    let wrong = Ipv4Addr::new(10, 0, 0, 6);
    let cases = [
        request(MessageType::Request, NONE, &[DhcpOption::RequestedIpAddress(wrong)]),
        request(
            MessageType::Request,
            NONE,
            &[DhcpOption::RequestedIpAddress(wrong), DhcpOption::ServerIdentifier(SERVER)],
        ),
        request(MessageType::Request, wrong, &[]),
    ];
    for message in cases {
        let (sent, nak) = ask(&leases(), &message).expect("nak");
        assert_eq!(nak.opts().msg_type(), Some(MessageType::Nak));
        assert_eq!((nak.yiaddr(), nak.ciaddr(), sent.destination), (NONE, NONE, Ipv4Addr::BROADCAST));
        assert_eq!(option(&nak, 54), Some(DhcpOption::ServerIdentifier(SERVER)));
        assert_eq!(option(&nak, 51), None);
    }
}

#[test]
fn what_is_meant_for_others_is_ignored() {
    let wanted = DhcpOption::RequestedIpAddress(ADDRESS);
    let other_server = DhcpOption::ServerIdentifier(Ipv4Addr::new(10, 0, 0, 3));
    assert_eq!(ask(&leases(), &request(MessageType::Request, NONE, &[wanted, other_server])), None);
    for kind in [MessageType::Release, MessageType::Offer, MessageType::Ack, MessageType::Nak] {
        assert_eq!(ask(&leases(), &request(kind, ADDRESS, &[])), None, "{kind:?}");
    }
    let mut relayed = request(MessageType::Discover, NONE, &[]);
    relayed.set_giaddr(Ipv4Addr::new(10, 9, 9, 9));
    assert_eq!(ask(&leases(), &relayed), None);
    let mut reply = request(MessageType::Discover, NONE, &[]);
    reply.set_opcode(v4::Opcode::BootReply);
    assert_eq!(ask(&leases(), &reply), None);
}

#[test]
fn unknown_clients_and_claimed_addresses_get_nothing() {
    let discover = bytes(&request(MessageType::Discover, NONE, &[]));
    let stranger = mac("fa:16:3e:00:00:99");
    // The frame came from somebody else than the message says.
    assert_eq!(answer(&leases(), stranger, &discover), Outcome::Ignored);
    let mut empty = leases();
    let port = empty.ports().next().expect("port");
    empty.remove(port);
    assert_eq!(answer(&empty, mac(CLIENT), &discover), Outcome::Ignored);
    assert_eq!(answer(&leases(), MacAddr::BROADCAST, &discover), Outcome::Ignored);
}

#[test]
fn an_inform_gets_options_and_no_lease() {
    let (sent, ack) = ask(&leases(), &request(MessageType::Inform, ADDRESS, &[everything()])).expect("ack");
    assert_eq!(ack.opts().msg_type(), Some(MessageType::Ack));
    assert_eq!((ack.yiaddr(), sent.destination), (NONE, ADDRESS));
    assert_eq!([51, 58, 59].map(|code| option(&ack, code)), [None, None, None]);
    assert!(option(&ack, 6).is_some());
}

#[test]
fn a_declined_address_is_told_once_and_not_answered() {
    let decline = request(MessageType::Decline, NONE, &[DhcpOption::RequestedIpAddress(ADDRESS)]);
    assert_eq!(answer(&leases(), mac(CLIENT), &bytes(&decline)), Outcome::Declined(ADDRESS));
}

#[test]
fn an_endless_lease_has_no_renewal_times() {
    let mut service = service();
    service.server.lease_time = INFINITE;
    let mut leases = leases();
    leases.set_service(service);
    let (_, offer) = ask(&leases, &request(MessageType::Discover, NONE, &[])).expect("offer");
    assert_eq!(option(&offer, 51), Some(DhcpOption::AddressLeaseTime(u32::MAX)));
    assert_eq!([58, 59].map(|code| option(&offer, code)), [None, None]);
}

#[test]
fn a_port_with_two_addresses_is_offered_the_one_it_asks_for() {
    let mut port = port(CLIENT, "10.0.0.5");
    let mut second = port.fixed_ips[0];
    second.ip_address = "10.0.0.50".parse().expect("address");
    port.fixed_ips.push(second);
    let mut leases = Leases::new(service());
    leases.set(port.mac, Lease::of(&port).0);
    let offered = |options: &[DhcpOption]| {
        ask(&leases, &request(MessageType::Discover, NONE, options)).expect("offer").1.yiaddr()
    };
    let fifty = Ipv4Addr::new(10, 0, 0, 50);
    assert_eq!(offered(&[]), ADDRESS);
    assert_eq!(offered(&[DhcpOption::RequestedIpAddress(fifty)]), fifty);
    assert_eq!(offered(&[DhcpOption::RequestedIpAddress(Ipv4Addr::new(10, 0, 0, 51))]), ADDRESS);
}

fn with_extra(options: &[(&str, &str)]) -> Leases {
    let mut port = port(CLIENT, "10.0.0.5");
    port.extra_dhcp_opts = options
        .iter()
        .map(|(name, value)| ExtraOption {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            ip_version: 4,
        })
        .collect();
    let mut leases = Leases::new(service());
    let (lease, refused) = Lease::of(&port);
    assert_eq!(refused, Vec::<String>::new());
    leases.set(port.mac, lease);
    leases
}

#[test]
fn a_ports_own_options_replace_the_servers_and_blank_ones_remove_them() {
    let leases = with_extra(&[
        ("mtu", "1400"),
        ("router", ""),
        ("server-ip-address", "10.9.0.1"),
        ("150", "10.9.0.2"),
    ]);
    let (_, offer) = ask(&leases, &request(MessageType::Discover, NONE, &[everything()])).expect("offer");
    assert_eq!(option(&offer, 26), Some(DhcpOption::InterfaceMtu(1400)));
    assert_eq!(option(&offer, 3), None);
    assert_eq!(offer.siaddr(), Ipv4Addr::new(10, 9, 0, 1));
    assert_eq!(option(&offer, 150), Some(DhcpOption::TFTPServerAddress(Ipv4Addr::new(10, 9, 0, 2))));
}

#[test]
fn a_boot_client_is_served_in_two_stages() {
    let leases =
        with_extra(&[("tag:!ipxe,67", "undionly.kpxe"), ("tag:ipxe,67", "http://10.9.0.1/boot.ipxe")]);
    let file = |options: &[DhcpOption]| {
        let (_, offer) = ask(&leases, &request(MessageType::Discover, NONE, options)).expect("offer");
        option(&offer, 67)
    };
    let ipxe = DhcpOption::Unknown(v4::UnknownOption::new(OptionCode::from(175), vec![1]));
    assert_eq!(file(&[]), Some(DhcpOption::BootfileName(b"undionly.kpxe".to_vec())));
    assert_eq!(file(&[ipxe]), Some(DhcpOption::BootfileName(b"http://10.9.0.1/boot.ipxe".to_vec())));
}

#[test]
fn a_boot_file_reaches_a_client_that_knows_only_the_header() {
    let leases = with_extra(&[("bootfile-name", "pxelinux.0")]);
    let list = DhcpOption::ParameterRequestList(vec![OptionCode::Router]);
    let (_, offer) = ask(&leases, &request(MessageType::Discover, NONE, &[list])).expect("offer");
    assert_eq!(offer.fname(), Some(&b"pxelinux.0\0"[..]));
}

#[test]
fn what_finds_no_room_goes_to_the_header_and_then_is_left_out() {
    let mut service = service();
    let subnet = service.subnets4.values_mut().next().expect("subnet");
    let text = |code: u8| RawOption::new(code, vec![b'x'; 60]);
    subnet.options.extend((230..=240).map(text));
    let mut leases = leases();
    leases.set_service(service);
    let message = request(MessageType::Discover, NONE, &[]);
    let (sent, _) = ask(&leases, &message).expect("offer");
    assert!(sent.payload.len() <= 548, "{}", sent.payload.len());
    let read = crate::dhcp::wire4::Request::parse(&as_request(&sent.payload)).expect("parses");
    let found: Vec<u8> = (230..=240).filter(|code| read.option(*code).is_some()).collect();
    // Four in the options field, two in `file`, one in `sname`.
    assert_eq!(found, (230..=236).collect::<Vec<u8>>());
    assert_eq!(read.option(52), Some(&[3][..]));
    // A client that takes more gets more.
    let large = request(MessageType::Discover, NONE, &[DhcpOption::MaxMessageSize(1400)]);
    let (_, offer) = ask(&leases, &large).expect("offer");
    assert!((230..=240).all(|code| option(&offer, code).is_some()));
}

/// Our own reader takes requests only.
fn as_request(reply: &[u8]) -> Vec<u8> {
    let mut bytes = reply.to_vec();
    bytes[0] = 1;
    bytes
}
