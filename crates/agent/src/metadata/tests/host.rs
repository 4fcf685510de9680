//! Requests over real sockets through both kinds of namespace. Skipped aloud
//! when not root.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use isospin_feed::facts::FactKey;
use isospin_host_io::{LinkChange, Links, Namespace, Nft, Place, RouteEntry, RouteScope, VethSpec};
use isospin_types::RouterId;

use super::add_router;
use crate::converge::{Mechanism, PassReport, Scope};
use crate::dhcp::Dhcp;
use crate::dhcp::testing::{Cloud, Lab, config, mac};
use crate::metadata::{Metadata, router_namespace};

const CLIENT: &str = "fa:16:3e:00:00:05";
const OTHER: &str = "fa:16:3e:00:00:06";

async fn full(mechanism: &mut dyn Mechanism, cloud: &Cloud) -> PassReport {
    mechanism.pass(&cloud.facts, &Scope::Everything, true).await
}

fn instance(cloud: &mut Cloud, device: &str, mac: &str, address: &str) {
    let id = cloud.add_instance(mac, address);
    cloud.change_port(id, |port| port.device_id = device.to_owned());
}

/// A namespace on the lab's bridge with this address, which reaches the metadata
/// address by `via`.
async fn client(lab: &mut Lab, hardware: &str, address: &str, via: &str) -> Namespace {
    let client = lab.client(mac(hardware)).await;
    let links = Links::open(&Place::Namespace(client.clone())).await.expect("netlink");
    links.add_address("eth0", format!("{address}/24").parse().expect("net")).await.expect("address");
    let route = RouteEntry {
        destination: "169.254.169.254/32".parse().expect("net"),
        via: Some(via.parse().expect("address")),
        link: Some("eth0".to_owned()),
        protocol: 4,
        scope: RouteScope::Global,
    };
    links.add_route(&route).await.expect("route");
    client
}

/// Status line and body of one request, with headers as given.
async fn request(client: &Namespace, path: &str, headers: &str) -> Option<(String, String)> {
    let text = format!("GET {path} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n{headers}\r\n");
    let exchange = move || -> std::io::Result<String> {
        let address = "169.254.169.254:80".parse().expect("address");
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(text.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = client.run(exchange).await.expect("namespace").ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.lines().next()?.to_owned(), body.to_owned()))
}

async fn body(client: &Namespace, path: &str) -> Option<String> {
    let (status, body) = request(client, path, "").await?;
    (status == "HTTP/1.1 200 OK").then_some(body)
}

#[tokio::test]
async fn an_isolated_network_is_served_in_its_dhcp_namespace() {
    let Some(mut lab) = Lab::new().await else { return };
    let mut cloud = Cloud::new();
    lab.owns(&cloud);
    instance(&mut cloud, "mine", CLIENT, "10.0.0.5");
    let (mut dhcp, mut metadata) = (Dhcp::new(&config()), Metadata::new(&config()));
    full(&mut dhcp, &cloud).await;
    assert_eq!(full(&mut metadata, &cloud).await, PassReport::default());
    lab.wire(&cloud).await;
    let known = client(&mut lab, CLIENT, "10.0.0.5", "10.0.0.2").await;
    assert_eq!(body(&known, "/latest/meta-data/instance-id").await.as_deref(), Some("mine"));
    assert_eq!(body(&known, "/latest/meta-data/local-ipv4").await.as_deref(), Some("10.0.0.5"));
    let json = body(&known, "/openstack/latest/meta_data.json").await.expect("found");
    assert!(json.contains("\"uuid\":\"mine\""), "{json}");

    // The namespace goes and comes: so do the sockets.
    Namespace::delete(&cloud.namespace()).expect("deleted");
    full(&mut dhcp, &cloud).await;
    full(&mut metadata, &cloud).await;
    lab.wire(&cloud).await;
    assert_eq!(body(&known, "/latest/meta-data/instance-id").await.as_deref(), Some("mine"));

    // A router comes: the address goes from the namespace, and so does the socket.
    let leg = cloud.add_router();
    let scope = Scope::Touched { facts: [FactKey::Port(leg)].into(), links: [].into() };
    dhcp.pass(&cloud.facts, &scope, true).await;
    metadata.pass(&cloud.facts, &scope, true).await;
    assert_eq!(metadata.listening.len(), 0);
}

/// N01, N02 (bug 1865036): what a guest writes into its request does not say who it is.
#[tokio::test]
async fn n02_headers_of_the_guest_are_worth_nothing() {
    let Some(mut lab) = Lab::new().await else { return };
    let mut cloud = Cloud::new();
    lab.owns(&cloud);
    instance(&mut cloud, "victim", CLIENT, "10.0.0.5");
    instance(&mut cloud, "thief", OTHER, "10.0.0.6");
    let (mut dhcp, mut metadata) = (Dhcp::new(&config()), Metadata::new(&config()));
    full(&mut dhcp, &cloud).await;
    full(&mut metadata, &cloud).await;
    lab.wire(&cloud).await;
    let thief = client(&mut lab, OTHER, "10.0.0.6", "10.0.0.2").await;
    let headers = format!(
        "X-Forwarded-For: 10.0.0.5\r\nForwarded: for=10.0.0.5\r\nX-Real-IP: 10.0.0.5\r\nX-Instance-ID: victim\r\n\
         X-Tenant-ID: project\r\nX-Instance-ID-Signature: 00\r\nX-Neutron-Network-ID: {}\r\n\
         X-Neutron-Router-ID: {}\r\nHost: victim\r\n",
        cloud.network,
        RouterId::random(),
    );
    for path in ["/latest/meta-data/instance-id", "http://victim/latest/meta-data/instance-id"] {
        let (status, id) = request(&thief, path, &headers).await.expect("answer");
        assert_eq!((status.as_str(), id.as_str()), ("HTTP/1.1 200 OK", "thief"), "{path}");
    }
    // Nor does a source that no port has say anything.
    let stranger = client(&mut lab, "fa:16:3e:00:00:77", "10.0.0.77", "10.0.0.2").await;
    let (status, text) = request(&stranger, "/latest/meta-data/instance-id", &headers).await.expect("answer");
    assert_eq!((status.as_str(), text.as_str()), ("HTTP/1.1 404 Not Found", "404 Not Found\n"));
}

/// The router's namespace as the router mechanism makes it: a leg on the bridge
/// and the redirection of the metadata address.
async fn router(lab: &mut Lab, id: RouterId) -> Namespace {
    let namespace = Namespace::create(&router_namespace(id)).expect("namespace");
    lab.remove_in_the_end(namespace.name());
    let near = format!("r{}", &id.to_string()[..8]);
    let pair = VethSpec {
        name: near.clone(),
        mac: None,
        mtu: None,
        alias: None,
        peer_name: "qr-test".to_owned(),
        peer_mac: None,
        peer_namespace: Some(namespace.clone()),
    };
    lab.host().create_veth(&pair).await.expect("pair");
    let up = LinkChange { up: Some(true), ..LinkChange::default() };
    let in_bridge = LinkChange { master: Some(Some(lab.bridge.clone())), ..up.clone() };
    lab.host().set(&near, &in_bridge).await.expect("in bridge");
    let place = Place::Namespace(namespace.clone());
    let links = Links::open(&place).await.expect("netlink");
    links.set("lo", &up).await.expect("up");
    links.set("qr-test", &up).await.expect("up");
    links.add_address("qr-test", "10.0.0.1/24".parse().expect("net")).await.expect("address");
    let rules = "table ip test { chain prerouting { type nat hook prerouting priority dstnat; \
                 ip daddr 169.254.169.254 tcp dport 80 redirect to :9697\n }\n}\n";
    Nft::open(place).apply(rules).await.expect("rules");
    namespace
}

#[tokio::test]
async fn a_routed_network_is_served_in_the_routers_namespace() {
    let Some(mut lab) = Lab::new().await else { return };
    let mut cloud = Cloud::new();
    lab.owns(&cloud);
    instance(&mut cloud, "mine", CLIENT, "10.0.0.5");
    let leg = cloud.add_router();
    let id = add_router(&mut cloud, &[leg]);
    let mut metadata = Metadata::new(&config());
    // The namespace is not there yet: no failure, and served once it is.
    assert_eq!(full(&mut metadata, &cloud).await, PassReport::default());
    let namespace = router(&mut lab, id).await;
    let scope = Scope::Touched { facts: [FactKey::Router(id)].into(), links: [].into() };
    assert_eq!(metadata.pass(&cloud.facts, &scope, true).await, PassReport::default());
    let known = client(&mut lab, CLIENT, "10.0.0.5", "10.0.0.1").await;
    assert_eq!(body(&known, "/latest/meta-data/instance-id").await.as_deref(), Some("mine"));
    assert_eq!(body(&known, "/latest/user-data").await, None);

    // A port that comes is known at once.
    let other = client(&mut lab, OTHER, "10.0.0.6", "10.0.0.1").await;
    assert_eq!(body(&other, "/latest/meta-data/instance-id").await, None);
    instance(&mut cloud, "other", OTHER, "10.0.0.6");
    let key = cloud.facts.ports.values().find(|port| port.device_id == "other").expect("port").id;
    let scope = Scope::Touched { facts: [FactKey::Port(key)].into(), links: [].into() };
    metadata.pass(&cloud.facts, &scope, true).await;
    assert_eq!(body(&other, "/latest/meta-data/instance-id").await.as_deref(), Some("other"));

    // The router goes: its socket too, which would keep the namespace alive.
    cloud.facts.routers.clear();
    let scope = Scope::Touched { facts: [FactKey::Router(id)].into(), links: [].into() };
    metadata.pass(&cloud.facts, &scope, true).await;
    assert_eq!(body(&known, "/latest/meta-data/instance-id").await, None);
    drop(namespace);
}
