//! DHCPv6 conversations. Requests are written and answers read by an
//! independent implementation.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use dhcproto::v6::{self, DhcpOption, IAAddr, IANA, MessageType, ORO, OptionCode, Status};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};
use isospin_feed::facts::FixedIp;

use crate::dhcp::leases::{Lease, Leases, Subnet6};
use crate::dhcp::server6::answer;
use crate::dhcp::testing::{mac, port, service};

const CLIENT: &str = "fa:16:3e:00:00:05";
const DUID: [u8; 10] = [0, 3, 0, 1, 1, 2, 3, 4, 5, 6];
const SERVER: [u8; 10] = [0, 3, 0, 1, 0xfa, 0x16, 0x3e, 0, 0, 0xfe];

fn address() -> Ipv6Addr {
    "2001:db8::5".parse().expect("address")
}

fn leases(stateful: bool) -> Leases {
    let mut port = port(CLIENT, "10.0.0.5");
    let mut service = service();
    let id = "5b3c3a52-0f34-4f5e-a8e1-2f43c0d9d006".parse().expect("id");
    let prefix = "2001:db8::/64".parse().expect("prefix");
    let dns = vec!["2001:db8::53".parse().expect("address")];
    service.subnets6 = BTreeMap::from([(id, Subnet6 { prefix, stateful, dns })]);
    port.fixed_ips.push(FixedIp { subnet_id: id, ip_address: address().into() });
    let mut leases = Leases::new(service);
    leases.set(port.mac, Lease::of(&port).0);
    leases
}

fn message(kind: MessageType, server: bool, options: &[DhcpOption]) -> v6::Message {
    let mut message = v6::Message::new_with_id(kind, [1, 2, 3]);
    message.opts_mut().insert(DhcpOption::ClientId(DUID.to_vec()));
    if server {
        message.opts_mut().insert(DhcpOption::ServerId(SERVER.to_vec()));
    }
    for option in options {
        message.opts_mut().insert(option.clone());
    }
    message
}

fn association(held: &[Ipv6Addr]) -> DhcpOption {
    let addresses = held.iter().map(|addr| {
        DhcpOption::IAAddr(IAAddr {
            addr: *addr,
            preferred_life: 0,
            valid_life: 0,
            opts: v6::DhcpOptions::new(),
        })
    });
    DhcpOption::IANA(IANA { id: 9, t1: 0, t2: 0, opts: addresses.collect() })
}

fn ask_to(leases: &Leases, multicast: bool, message: &v6::Message) -> Option<v6::Message> {
    let mut out = Vec::new();
    message.encode(&mut Encoder::new(&mut out)).expect("encodes");
    let bytes = answer(leases, mac(CLIENT), multicast, &out)?;
    let read = v6::Message::decode(&mut Decoder::new(&bytes)).expect("decodes");
    assert_eq!(read.xid(), [1, 2, 3]);
    assert_eq!(read.opts().get(OptionCode::ServerId), Some(&DhcpOption::ServerId(SERVER.to_vec())));
    Some(read)
}

fn ask(leases: &Leases, message: &v6::Message) -> Option<v6::Message> {
    ask_to(leases, true, message)
}

/// Addresses and valid lifetimes of the first association, and its status.
fn granted(reply: &v6::Message) -> (Vec<(Ipv6Addr, u32)>, Option<Status>) {
    let Some(DhcpOption::IANA(found)) = reply.opts().get(OptionCode::IANA) else {
        panic!("no association in {reply:?}")
    };
    assert_eq!(found.id, 9);
    let addresses = found.opts.iter().filter_map(|option| match option {
        DhcpOption::IAAddr(found) => Some((found.addr, found.valid_life)),
        _ => None,
    });
    let status = found.opts.iter().find_map(|option| match option {
        DhcpOption::StatusCode(found) => Some(found.status),
        _ => None,
    });
    (addresses.collect(), status)
}

fn status(reply: &v6::Message) -> Option<Status> {
    match reply.opts().get(OptionCode::StatusCode) {
        Some(DhcpOption::StatusCode(found)) => Some(found.status),
        _ => None,
    }
}

#[test]
fn an_address_is_advertised_then_given_then_renewed() {
    let wants =
        DhcpOption::ORO(ORO { opts: vec![OptionCode::DomainNameServers, OptionCode::DomainSearchList] });
    let ia = association(&[]);
    let solicit = message(MessageType::Solicit, false, &[ia.clone(), wants.clone()]);
    let advertise = ask(&leases(true), &solicit).expect("advertise");
    assert_eq!(advertise.msg_type(), MessageType::Advertise);
    assert_eq!(granted(&advertise), (vec![(address(), 86_400)], None));
    let dns = DhcpOption::DomainNameServers(vec!["2001:db8::53".parse().expect("address")]);
    assert_eq!(advertise.opts().get(OptionCode::DomainNameServers), Some(&dns));
    assert!(advertise.opts().get(OptionCode::DomainSearchList).is_some());
    for (kind, server) in
        [(MessageType::Request, true), (MessageType::Renew, true), (MessageType::Rebind, false)]
    {
        let reply = ask(&leases(true), &message(kind, server, &[association(&[address()])])).expect("reply");
        assert_eq!(reply.msg_type(), MessageType::Reply);
        assert_eq!(granted(&reply), (vec![(address(), 86_400)], None), "{kind:?}");
        assert_eq!(reply.opts().get(OptionCode::DomainNameServers), None, "not asked for");
    }
}

#[test]
fn a_rapid_commit_is_answered_at_once() {
    let solicit = message(MessageType::Solicit, false, &[association(&[]), DhcpOption::RapidCommit]);
    let reply = ask(&leases(true), &solicit).expect("reply");
    assert_eq!(reply.msg_type(), MessageType::Reply);
    assert!(reply.opts().get(OptionCode::RapidCommit).is_some());
}

#[test]
fn wrong_addresses_are_taken_away() {
    let wrong: Ipv6Addr = "2001:db8::66".parse().expect("address");
    let reply =
        ask(&leases(true), &message(MessageType::Renew, true, &[association(&[wrong])])).expect("reply");
    assert_eq!(granted(&reply).0, [(address(), 86_400), (wrong, 0)]);
}

#[test]
fn confirm_says_whether_addresses_belong_to_the_link() {
    for (held, want) in [("2001:db8::77", Status::Success), ("2001:db9::5", Status::NotOnLink)] {
        let confirm = message(MessageType::Confirm, false, &[association(&[held.parse().expect("address")])]);
        assert_eq!(ask(&leases(true), &confirm).as_ref().and_then(status), Some(want), "{held}");
    }
    assert_eq!(ask(&leases(true), &message(MessageType::Confirm, false, &[association(&[])])), None);
}

#[test]
fn a_stateless_subnet_gives_options_only() {
    let wants = DhcpOption::ORO(ORO { opts: vec![OptionCode::DomainNameServers] });
    let inform = message(MessageType::InformationRequest, false, &[wants]);
    let reply = ask(&leases(false), &inform).expect("reply");
    assert!(reply.opts().get(OptionCode::DomainNameServers).is_some());
    assert_eq!(ask(&leases(false), &message(MessageType::Solicit, false, &[association(&[])])), None);
    let request =
        ask(&leases(false), &message(MessageType::Request, true, &[association(&[])])).expect("reply");
    assert_eq!(granted(&request), (vec![], Some(Status::NoAddrsAvail)));
}

#[test]
fn messages_with_wrong_identifiers_are_dropped_and_unicast_is_sent_away() {
    let ia = association(&[]);
    let cases = [
        message(MessageType::Solicit, true, std::slice::from_ref(&ia)),
        message(MessageType::Request, false, std::slice::from_ref(&ia)),
        message(MessageType::Advertise, true, &[]),
        message(MessageType::Reply, true, &[]),
    ];
    for case in &cases {
        assert_eq!(ask(&leases(true), case), None, "{case:?}");
    }
    let mut nameless = message(MessageType::Solicit, false, std::slice::from_ref(&ia));
    nameless.opts_mut().remove(OptionCode::ClientId);
    assert_eq!(ask(&leases(true), &nameless), None);
    let request = message(MessageType::Request, true, std::slice::from_ref(&ia));
    let told = ask_to(&leases(true), false, &request).expect("reply");
    assert_eq!(status(&told), Some(Status::UseMulticast));
    assert_eq!(ask_to(&leases(true), false, &message(MessageType::Solicit, false, &[ia])), None);
}

#[test]
fn release_and_decline_are_acknowledged_and_change_nothing() {
    for kind in [MessageType::Release, MessageType::Decline] {
        let reply = ask(&leases(true), &message(kind, true, &[association(&[address()])])).expect("reply");
        assert_eq!(status(&reply), Some(Status::Success));
    }
}
