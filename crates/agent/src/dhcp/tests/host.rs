//! The mechanism on this machine's kernel, with a real client. Skipped aloud
//! when not root.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use dhcproto::{Decodable, Decoder, Encodable, Encoder, v4, v6};
use isospin_feed::facts::{DhcpOption, FactKey, FixedIp, Ipv6Mode, Route};
use isospin_host_io::{LinkChange, Links, Namespace, Place, VethSpec, process, sysctl};
use isospin_types::SubnetId;

use crate::converge::{Item, ItemState, Mechanism, PassReport, Scope};
use crate::dhcp::Dhcp;
use crate::dhcp::testing::{Cloud, Lab, config, mac};

const CLIENT: &str = "fa:16:3e:00:00:05";

async fn full(dhcp: &mut Dhcp, cloud: &Cloud) -> PassReport {
    dhcp.pass(&cloud.facts, &Scope::Everything, true).await
}

async fn touched(dhcp: &mut Dhcp, cloud: &Cloud, facts: &[FactKey], links: &[String]) -> PassReport {
    let scope = Scope::Touched {
        facts: facts.iter().copied().collect(),
        links: links.iter().cloned().collect::<BTreeSet<_>>(),
    };
    dhcp.pass(&cloud.facts, &scope, true).await
}

fn up(key: FactKey) -> Item {
    Item { key, state: ItemState::Up }
}

/// What a client that got a lease was told, by the names `udhcpc` gives it;
/// `None` when nobody answered.
async fn lease(lab: &Lab, client: &Namespace) -> Option<BTreeMap<String, String>> {
    let (script, output) = (lab.folder.path().join("script"), lab.folder.path().join("environment"));
    let text = format!("#!/bin/sh\n[ \"$1\" = bound ] && env > {}\nexit 0\n", output.display());
    std::fs::write(&script, text).expect("script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let _ = std::fs::remove_file(&output);
    let script = script.display().to_string();
    let mut arguments: Vec<&str> = "-i eth0 -n -q -f -t 3 -T 1 -s".split(' ').collect();
    arguments.push(&script);
    for option in
        ["router", "dns", "mtu", "hostname", "domain", "staticroutes", "lease", "serverid", "bootfile"]
    {
        arguments.extend(["-O", option]);
    }
    // It fails when nobody answers; the file says.
    let place = Place::Namespace(client.clone());
    let _ = process::run(&place, "udhcpc", &arguments, &[], Duration::from_secs(20)).await;
    let text = std::fs::read_to_string(&output).ok()?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Some(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn check_lease(lease: &BTreeMap<String, String>, want: &[(&str, &str)]) {
    for (name, value) in want {
        assert_eq!(lease.get(*name).map(String::as_str), Some(*value), "{name} in {lease:?}");
    }
}

#[tokio::test]
async fn a_client_is_told_everything_and_a_healthy_host_is_left_alone() {
    let Some(mut lab) = Lab::new().await else { return };
    let mut cloud = Cloud::new();
    lab.owns(&cloud);
    cloud.change_subnet(|subnet| {
        let destination = "192.168.0.0/16".parse().expect("net");
        subnet.host_routes = vec![Route { destination, nexthop: "10.0.0.9".parse().expect("address") }];
    });
    let port = cloud.add_instance(CLIENT, "10.0.0.5");
    cloud.change_port(port, |port| port.hostname = "web".to_owned());
    let mut dhcp = Dhcp::new(&config());
    let report = full(&mut dhcp, &cloud).await;
    assert!(report.changes > 0 && !report.retry, "{report:?}");
    assert_eq!(report.items, [up(FactKey::DhcpService(cloud.network)), up(FactKey::Port(port))]);
    lab.wire(&cloud).await;

    let client = lab.client(mac(CLIENT)).await;
    let told = lease(&lab, &client).await.expect("lease");
    check_lease(
        &told,
        &[
            ("ip", "10.0.0.5"),
            ("subnet", "255.255.255.0"),
            ("mask", "24"),
            ("broadcast", "10.0.0.255"),
            ("router", "10.0.0.1"),
            ("dns", "9.9.9.9"),
            ("mtu", "1450"),
            ("hostname", "web"),
            ("domain", "openstacklocal"),
            ("lease", "86400"),
            ("serverid", "10.0.0.2"),
            ("staticroutes", "192.168.0.0/16 10.0.0.9 169.254.169.254/32 10.0.0.2 0.0.0.0/0 10.0.0.1"),
        ],
    );

    assert_eq!(full(&mut dhcp, &cloud).await.changes, 0);
    // The agent starts again: it adopts what is there.
    drop(dhcp);
    let mut dhcp = Dhcp::new(&config());
    let report = full(&mut dhcp, &cloud).await;
    assert_eq!((report.changes, report.swept, report.retry), (0, 0, false), "{report:?}");
    check_lease(&lease(&lab, &client).await.expect("lease"), &[("ip", "10.0.0.5")]);
}

#[tokio::test]
async fn a_changed_port_changes_its_lease_and_nothing_on_the_host() {
    let Some(mut lab) = Lab::new().await else { return };
    let mut cloud = Cloud::new();
    lab.owns(&cloud);
    let mut dhcp = Dhcp::new(&config());
    full(&mut dhcp, &cloud).await;
    lab.wire(&cloud).await;
    let client = lab.client(mac(CLIENT)).await;

    let port = cloud.add_instance(CLIENT, "10.0.0.5");
    let report = touched(&mut dhcp, &cloud, &[FactKey::Port(port)], &[]).await;
    assert_eq!(report, PassReport { items: vec![up(FactKey::Port(port))], ..PassReport::default() });
    check_lease(&lease(&lab, &client).await.expect("lease"), &[("ip", "10.0.0.5")]);

    cloud.change_port(port, |port| {
        port.fixed_ips[0].ip_address = "10.0.0.6".parse().expect("address");
        let name = "bootfile-name".to_owned();
        port.extra_dhcp_opts = vec![DhcpOption { name, value: "a b;$(id)".to_owned(), ip_version: 4 }];
    });
    assert_eq!(touched(&mut dhcp, &cloud, &[FactKey::Port(port)], &[]).await.changes, 0);
    let told = lease(&lab, &client).await.expect("lease");
    check_lease(&told, &[("ip", "10.0.0.6"), ("bootfile", "a b;$(id)")]);

    cloud.facts.ports.remove(&port);
    let report = touched(&mut dhcp, &cloud, &[FactKey::Port(port)], &[]).await;
    assert_eq!(report, PassReport::default());
    assert_eq!(lease(&lab, &client).await, None, "an unknown client is not answered");
}

/// The client has an address: it asks by an ordinary socket, past any broadcast.
#[tokio::test]
async fn a_lease_is_renewed_by_unicast() {
    let Some(mut lab) = Lab::new().await else { return };
    let mut cloud = Cloud::new();
    lab.owns(&cloud);
    cloud.add_instance(CLIENT, "10.0.0.5");
    let mut dhcp = Dhcp::new(&config());
    full(&mut dhcp, &cloud).await;
    lab.wire(&cloud).await;
    let client = lab.client(mac(CLIENT)).await;
    let inside = Links::open(&Place::Namespace(client.clone())).await.expect("netlink");
    inside.add_address("eth0", "10.0.0.5/24".parse().expect("net")).await.expect("address");

    let mut request = v4::Message::new_with_id(
        5,
        Ipv4Addr::new(10, 0, 0, 5),
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::UNSPECIFIED,
        &mac(CLIENT).octets(),
    );
    request.opts_mut().insert(v4::DhcpOption::MessageType(v4::MessageType::Request));
    let mut bytes = Vec::new();
    request.encode(&mut Encoder::new(&mut bytes)).expect("encodes");
    let answer = client
        .run(move || {
            let socket = UdpSocket::bind("10.0.0.5:68").expect("bind");
            exchange(&socket, "10.0.0.2:67".parse().expect("address"), &bytes)
        })
        .await
        .expect("namespace");
    let (answer, from) = answer.expect("answer");
    let ack = v4::Message::decode(&mut Decoder::new(&answer)).expect("decodes");
    assert_eq!(ack.opts().msg_type(), Some(v4::MessageType::Ack));
    assert_eq!((ack.yiaddr(), from.to_string()), (Ipv4Addr::new(10, 0, 0, 5), "10.0.0.2:67".to_owned()));
}

/// Sends, and sends again each second, until an answer comes.
fn exchange(socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) -> Option<(Vec<u8>, SocketAddr)> {
    socket.set_read_timeout(Some(Duration::from_secs(1))).expect("timeout");
    let mut buffer = [0; 1500];
    for _ in 0..10 {
        // The link-local address of a fresh device takes a moment.
        match socket.send_to(bytes, to) {
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {}
            sent => assert_eq!(sent.expect("sent"), bytes.len()),
        }
        if let Ok((length, from)) = socket.recv_from(&mut buffer) {
            return Some((buffer[..length].to_vec(), from));
        }
    }
    None
}

#[tokio::test]
async fn an_address_of_version_six_is_given() {
    let Some(mut lab) = Lab::new().await else { return };
    let mut cloud = Cloud::new();
    lab.owns(&cloud);
    let six = SubnetId::random();
    cloud.add_subnet(six, "2001:db8::/64", |subnet| {
        subnet.ipv6_address_mode = Some(Ipv6Mode::Dhcpv6Stateful);
    });
    let port = cloud.add_instance(CLIENT, "10.0.0.5");
    let address: Ipv6Addr = "2001:db8::5".parse().expect("address");
    cloud.change_port(port, |port| {
        port.fixed_ips.push(FixedIp { subnet_id: six, ip_address: address.into() });
    });
    let mut dhcp = Dhcp::new(&config());
    full(&mut dhcp, &cloud).await;
    lab.wire(&cloud).await;
    let client = lab.client(mac(CLIENT)).await;

    let mut solicit = v6::Message::new_with_id(v6::MessageType::Solicit, [1, 2, 3]);
    solicit.opts_mut().insert(v6::DhcpOption::ClientId(vec![0, 3, 0, 1, 9, 9]));
    solicit.opts_mut().insert(v6::DhcpOption::RapidCommit);
    let association = v6::IANA { id: 1, t1: 0, t2: 0, opts: v6::DhcpOptions::new() };
    solicit.opts_mut().insert(v6::DhcpOption::IANA(association));
    let mut bytes = Vec::new();
    solicit.encode(&mut Encoder::new(&mut bytes)).expect("encodes");
    let inside = Links::open(&Place::Namespace(client.clone())).await.expect("netlink");
    let index = inside.get("eth0").await.expect("netlink").expect("eth0").index;
    let answer = client
        .run(move || {
            let socket = UdpSocket::bind("[::]:546").expect("bind");
            let group = "ff02::1:2".parse().expect("group");
            exchange(&socket, SocketAddrV6::new(group, 547, 0, index).into(), &bytes)
        })
        .await
        .expect("namespace");
    let reply = v6::Message::decode(&mut Decoder::new(&answer.expect("answer").0)).expect("decodes");
    let Some(v6::DhcpOption::IANA(given)) = reply.opts().get(v6::OptionCode::IANA) else {
        panic!("{reply:?}")
    };
    let Some(v6::DhcpOption::IAAddr(given)) = given.opts.get(v6::OptionCode::IAAddr) else {
        panic!("{reply:?}")
    };
    assert_eq!((given.addr, given.valid_life), (address, 86_400));
    assert_eq!(full(&mut dhcp, &cloud).await.changes, 0);
}

#[tokio::test]
async fn what_is_broken_by_hand_heals() {
    let Some(mut lab) = Lab::new().await else { return };
    let mut cloud = Cloud::new();
    lab.owns(&cloud);
    cloud.add_instance(CLIENT, "10.0.0.5");
    let mut dhcp = Dhcp::new(&config());
    full(&mut dhcp, &cloud).await;
    lab.wire(&cloud).await;
    let client = lab.client(mac(CLIENT)).await;

    // The name goes; our sockets keep the old namespace and its device alive.
    Namespace::delete(&cloud.namespace()).expect("deleted");
    assert!(full(&mut dhcp, &cloud).await.changes > 0);
    lab.wire(&cloud).await;
    check_lease(&lease(&lab, &client).await.expect("lease"), &[("ip", "10.0.0.5")]);

    // The pair goes: an event names the tap.
    lab.host().delete(&cloud.tap()).await.expect("deleted");
    assert!(touched(&mut dhcp, &cloud, &[], &[cloud.tap()]).await.changes > 0);
    lab.wire(&cloud).await;
    check_lease(&lease(&lab, &client).await.expect("lease"), &[("ip", "10.0.0.5")]);

    let namespace = Namespace::open(&cloud.namespace()).expect("open").expect("there");
    let place = Place::Namespace(namespace);
    let inside = Links::open(&place).await.expect("netlink");
    let down = LinkChange { up: Some(false), mtu: Some(1500), ..LinkChange::default() };
    inside.set(&cloud.inside(), &down).await.expect("down");
    inside.delete_address(&cloud.inside(), "10.0.0.2/24".parse().expect("net")).await.expect("deleted");
    inside.add_address(&cloud.inside(), "10.0.0.77/24".parse().expect("net")).await.expect("added");
    sysctl::set(&place, "net.ipv4.ip_forward", "1").await.expect("set");
    assert!(full(&mut dhcp, &cloud).await.changes > 0);
    assert_eq!(sysctl::get(&place, "net.ipv4.ip_forward").await.expect("get"), "0");
    assert_eq!(full(&mut dhcp, &cloud).await.changes, 0);
    check_lease(&lease(&lab, &client).await.expect("lease"), &[("ip", "10.0.0.5"), ("mtu", "1450")]);
}

#[tokio::test]
async fn the_metadata_address_follows_the_router() {
    let Some(mut lab) = Lab::new().await else { return };
    let cloud = Cloud::new();
    lab.owns(&cloud);
    let mut dhcp = Dhcp::new(&config());
    full(&mut dhcp, &cloud).await;
    let namespace = Namespace::open(&cloud.namespace()).expect("open").expect("there");
    let inside = Links::open(&Place::Namespace(namespace)).await.expect("netlink");
    let has_it = async || {
        let addresses = inside.addresses(Some(&cloud.inside())).await.expect("addresses");
        addresses.iter().any(|address| address.net.to_string() == "169.254.169.254/32")
    };
    assert!(has_it().await);
    let mut changed = Cloud { facts: cloud.facts.clone(), ..cloud };
    let router = changed.add_router();
    assert_eq!(touched(&mut dhcp, &changed, &[FactKey::Port(router)], &[]).await.changes, 1);
    assert!(!has_it().await);
    changed.facts.ports.remove(&router);
    assert_eq!(touched(&mut dhcp, &changed, &[FactKey::Port(router)], &[]).await.changes, 1);
    assert!(has_it().await);
}

/// N05, N18: one network that cannot be served is told and stops no other.
#[tokio::test]
async fn n05_a_network_that_fails_stops_no_other() {
    let Some(mut lab) = Lab::new().await else { return };
    let mut cloud = Cloud::new();
    lab.owns(&cloud);
    let other = Cloud::new();
    lab.owns(&other);
    cloud.facts.networks.extend(other.facts.networks.clone());
    cloud.facts.ports.extend(other.facts.ports.clone());
    cloud.facts.dhcp_services.extend(other.facts.dhcp_services.clone());
    // Somebody else's namespace has the name.
    let foreign = Namespace::create(&other.namespace()).expect("namespace");
    let pair = VethSpec {
        name: other.tap(),
        mac: None,
        mtu: None,
        alias: None,
        peer_name: "theirs".to_owned(),
        peer_mac: None,
        peer_namespace: Some(foreign.clone()),
    };
    lab.host().create_veth(&pair).await.expect("pair");

    let mut dhcp = Dhcp::new(&config());
    let report = full(&mut dhcp, &cloud).await;
    assert!(report.retry);
    assert!(report.items.contains(&up(FactKey::DhcpService(cloud.network))), "{report:?}");
    let failed = |item: &Item| {
        item.key == FactKey::DhcpService(other.network)
            && matches!(&item.state, ItemState::Failed(reason) if reason.contains("not made by this agent"))
    };
    assert!(report.items.iter().any(failed), "{report:?}");
    let theirs = Links::open(&Place::Namespace(foreign)).await.expect("netlink");
    assert!(theirs.get("theirs").await.expect("netlink").is_some(), "untouched");
    // Nor does a sweep take it.
    cloud.facts.dhcp_services.remove(&other.network);
    assert_eq!(full(&mut dhcp, &cloud).await.swept, 0);
    assert!(Namespace::open(&other.namespace()).expect("open").is_some());
    // The next pass is the retry, once there is room.
    drop(theirs);
    let service = other.facts.dhcp_services[&other.network];
    cloud.facts.dhcp_services.insert(other.network, service);
    full(&mut dhcp, &cloud).await;
    Namespace::delete(&other.namespace()).expect("deleted");
    let report = touched(&mut dhcp, &cloud, &[], &[]).await;
    assert_eq!(report.items, [up(FactKey::DhcpService(other.network))]);
    assert!(!report.retry);
}

#[tokio::test]
async fn nothing_is_removed_before_that_is_allowed_and_only_ours_ever() {
    let Some(mut lab) = Lab::new().await else { return };
    let mut cloud = Cloud::new();
    lab.owns(&cloud);
    let mut dhcp = Dhcp::new(&config());
    full(&mut dhcp, &cloud).await;
    let stranger = Cloud::new();
    lab.owns(&stranger);
    Namespace::create(&stranger.namespace()).expect("namespace");

    cloud.facts.dhcp_services.clear();
    let key = FactKey::DhcpService(cloud.network);
    let mut fresh = Dhcp::new(&config());
    let report = fresh.pass(&cloud.facts, &Scope::Everything, false).await;
    assert_eq!(report, PassReport::default());
    assert!(Namespace::open(&cloud.namespace()).expect("open").is_some());

    let report = touched(&mut dhcp, &cloud, &[key], &[]).await;
    assert_eq!((report.changes, report.swept), (1, 1));
    assert_eq!(Namespace::open(&cloud.namespace()).expect("open"), None);
    assert_eq!(lab.host().get(&cloud.tap()).await.expect("netlink"), None);
    assert_eq!(full(&mut dhcp, &cloud).await, PassReport::default());
    assert!(Namespace::open(&stranger.namespace()).expect("open").is_some());
}

#[tokio::test]
async fn a_fresh_agent_sweeps_what_an_earlier_life_left() {
    let Some(mut lab) = Lab::new().await else { return };
    let mut cloud = Cloud::new();
    lab.owns(&cloud);
    full(&mut Dhcp::new(&config()), &cloud).await;
    cloud.facts = isospin_feed::facts::Facts::default();
    let report = full(&mut Dhcp::new(&config()), &cloud).await;
    assert_eq!((report.changes, report.swept), (1, 1));
    assert_eq!(Namespace::open(&cloud.namespace()).expect("open"), None);
}

#[tokio::test]
async fn a_service_that_moves_to_another_host_ends_here() {
    let Some(mut lab) = Lab::new().await else { return };
    let mut cloud = Cloud::new();
    lab.owns(&cloud);
    let mut dhcp = Dhcp::new(&config());
    full(&mut dhcp, &cloud).await;
    let port = cloud.dhcp_port;
    cloud.change_port(port, |port| port.host = "elsewhere".to_owned());
    let report = touched(&mut dhcp, &cloud, &[FactKey::Port(port)], &[]).await;
    let down = Item { key: FactKey::DhcpService(cloud.network), state: ItemState::Down };
    assert_eq!((report.items, report.swept), (vec![down], 1));
    assert_eq!(Namespace::open(&cloud.namespace()).expect("open"), None);
}
