//! What is found at which path.

use http::{Method, StatusCode};
use isospin_feed::facts::{FixedIp, Ipv6Mode, Route};
use isospin_types::SubnetId;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{add_floating, get, shared};
use crate::dhcp::testing::Cloud;
use crate::metadata::index::Door;
use crate::metadata::listener::{Shared, answer};

const SOURCE: &str = "10.0.0.5";
const MAC: &str = "fa:16:3e:00:00:05";
const DEVICE: &str = "6f4e1bb4-5b0e-4a54-9b7b-6d9f4a6d1d4a";

/// An instance `web` at 10.0.0.5 with a floating IP.
fn instance() -> (Cloud, Shared) {
    let mut cloud = Cloud::new();
    let port = cloud.add_instance(MAC, SOURCE);
    cloud.change_port(port, |port| {
        port.device_id = DEVICE.to_owned();
        port.hostname = "web".to_owned();
    });
    add_floating(&mut cloud, port, "10.77.77.201");
    let shared = shared(&cloud);
    (cloud, shared)
}

fn check(path: &str, want: Option<&str>) {
    let (cloud, shared) = instance();
    let found = get(&shared, Door::Network(cloud.network), SOURCE, path);
    assert_eq!(found.as_deref(), want, "{path}");
}

fn json(cloud: &Cloud, shared: &Shared, path: &str) -> Value {
    let text = get(shared, Door::Network(cloud.network), SOURCE, path).expect("found");
    serde_json::from_str(&text).expect("json")
}

#[test]
fn the_ec2_tree_is_listed_as_directories_are() {
    let versions = "1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n2008-02-01\n\
                    2008-09-01\n2009-04-04\nlatest";
    check("/", Some(versions));
    check("/ec2", Some(versions));
    check("/latest", Some("meta-data/"));
    check("/latest/", Some("meta-data/"));
    let all = "ami-launch-index\nhostname\ninstance-action\ninstance-id\nlocal-hostname\nlocal-ipv4\n\
               mac\nnetwork/\nplacement/\npublic-hostname\npublic-ipv4";
    check("/latest/meta-data/", Some(all));
    check("/2009-04-04/meta-data", Some(all));
    check("/1.0/meta-data", Some("ami-launch-index\nhostname\ninstance-id\nlocal-ipv4"));
    check("/latest/meta-data/placement/", Some("availability-zone"));
    check("/latest/meta-data/network/interfaces/macs/", Some("fa:16:3e:00:00:05/"));
}

#[test]
fn ec2_values_are_plain_text() {
    check("/latest/meta-data/instance-id", Some(DEVICE));
    check("/latest/meta-data/hostname", Some("web.openstacklocal"));
    check("/latest/meta-data/local-hostname", Some("web.openstacklocal"));
    check("/latest/meta-data/local-ipv4", Some("10.0.0.5"));
    check("/latest/meta-data/public-ipv4", Some("10.77.77.201"));
    check("/latest/meta-data/mac", Some(MAC));
    check("/latest/meta-data/placement/availability-zone", Some("nova"));
    let card = "/latest/meta-data/network/interfaces/macs/fa:16:3e:00:00:05";
    check(&format!("{card}/local-ipv4s"), Some("10.0.0.5"));
    check(&format!("{card}/public-ipv4s"), Some("10.77.77.201"));
    check(&format!("{card}/subnet-ipv4-cidr-block"), Some("10.0.0.0/24"));
    check(&format!("{card}/device-number"), Some("0"));
    // Doubled slashes and dots are one path.
    check("//latest/./meta-data//x/../instance-id/", Some(DEVICE));
}

#[test]
fn what_is_not_there_is_not_found() {
    for path in [
        "/latest/user-data",
        "/latest/meta-data/no-such",
        "/latest/meta-data/instance-id/more",
        "/2010-01-01/meta-data",
        "/latest/dynamic",
        "/openstack/2011-01-01",
        "/openstack/latest/user_data",
        "/openstack/latest/password",
        "/openstack/latest/meta_data.json/more",
        "/openstack/2012-08-10/network_data.json",
        "/favicon.ico",
    ] {
        check(path, None);
    }
}

#[test]
fn the_openstack_tree_lists_versions_and_files() {
    let versions = "2012-08-10\n2013-04-04\n2013-10-17\n2015-10-15\n2016-06-30\n2016-10-06\n2017-02-22\n\
                    2018-08-27\n2020-10-14\nlatest";
    check("/openstack", Some(versions));
    check(
        "/openstack/latest/",
        Some("meta_data.json\nvendor_data.json\nnetwork_data.json\nvendor_data2.json"),
    );
    check("/openstack/2012-08-10", Some("meta_data.json"));
    check("/openstack/latest/vendor_data.json", Some("{}"));
    check("/openstack/latest/vendor_data2.json", Some("{}"));
}

#[test]
fn meta_data_says_who_the_instance_is() {
    let (cloud, shared) = instance();
    let mut data = json(&cloud, &shared, "/openstack/latest/meta_data.json");
    let seed = data.as_object_mut().and_then(|data| data.remove("random_seed")).expect("seed");
    assert_eq!(seed.as_str().map(str::len), Some(684), "512 bytes as base64");
    let want = json!({
        "uuid": DEVICE,
        "hostname": "web.openstacklocal",
        "name": "web",
        "launch_index": 0,
        "availability_zone": "nova",
        "project_id": "project",
        "devices": [],
        "dedicated_cpus": [],
    });
    assert_eq!(data, want);
    let again = json(&cloud, &shared, "/openstack/latest/meta_data.json");
    assert_ne!(again.get("random_seed"), Some(&seed));
    let oldest = json(&cloud, &shared, "/openstack/2012-08-10/meta_data.json");
    assert_eq!(oldest.get("project_id"), None);
}

#[test]
fn network_data_describes_cards_networks_and_services() {
    let (mut cloud, _) = instance();
    let six = SubnetId::random();
    cloud.add_subnet(six, "2001:db8::/64", |subnet| subnet.ipv6_address_mode = Some(Ipv6Mode::Slaac));
    let still = SubnetId::random();
    cloud.add_subnet(still, "10.0.9.0/24", |subnet| {
        subnet.enable_dhcp = false;
        subnet.gateway_ip = Some("10.0.9.1".parse().expect("address"));
        let destination = "192.168.0.0/16".parse().expect("net");
        subnet.host_routes = vec![Route { destination, nexthop: "10.0.9.7".parse().expect("address") }];
    });
    let id = *cloud.facts.ports.iter().find(|(_, port)| port.device_id == DEVICE).expect("port").0;
    cloud.change_port(id, |port| {
        for (subnet_id, address) in [(six, "2001:db8::5"), (still, "10.0.9.5")] {
            port.fixed_ips.push(FixedIp { subnet_id, ip_address: address.parse().expect("address") });
        }
    });
    let tap = format!("tap{}", id.device_suffix());
    let network = cloud.network.to_string();
    let want = json!({
        "links": [{
            "id": tap, "vif_id": id.to_string(), "type": "bridge", "mtu": 1450, "ethernet_mac_address": MAC,
        }],
        "networks": [
            { "id": "network0", "type": "ipv4_dhcp", "link": tap, "network_id": network },
            {
                "id": "network1", "type": "ipv6_slaac", "link": tap, "network_id": network,
                "ip_address": "2001:db8::5", "netmask": "ffff:ffff:ffff:ffff::", "routes": [], "services": [],
            },
            {
                "id": "network2", "type": "ipv4", "link": tap, "network_id": network,
                "ip_address": "10.0.9.5", "netmask": "255.255.255.0", "services": [],
                "routes": [
                    { "network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.9.1" },
                    { "network": "192.168.0.0", "netmask": "255.255.0.0", "gateway": "10.0.9.7" },
                ],
            },
        ],
        "services": [{ "type": "dns", "address": "9.9.9.9" }],
    });
    assert_eq!(json(&cloud, &shared(&cloud), "/openstack/latest/network_data.json"), want);
}

#[test]
fn a_port_without_a_device_stands_for_itself() {
    let mut cloud = Cloud::new();
    let id = cloud.add_instance(MAC, SOURCE);
    cloud.change_port(id, |port| port.device_id = String::new());
    let found = get(&shared(&cloud), Door::Network(cloud.network), SOURCE, "/latest/meta-data/instance-id");
    assert_eq!(found, Some(id.to_string()));
    let name = get(&shared(&cloud), Door::Network(cloud.network), SOURCE, "/latest/meta-data/hostname");
    assert_eq!(name.as_deref(), Some("host-10-0-0-5.openstacklocal"));
}

#[test]
fn only_reading_is_allowed() {
    let (cloud, shared) = instance();
    let ask = |method: Method| {
        let source = SOURCE.parse().expect("address");
        answer(&method, "/latest/meta-data/", Door::Network(cloud.network), source, &shared).status()
    };
    assert_eq!(ask(Method::HEAD), StatusCode::OK);
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::CONNECT, Method::OPTIONS] {
        assert_eq!(ask(method), StatusCode::METHOD_NOT_ALLOWED);
    }
}

proptest! {
    /// Any path is found or not; no path brings another instance's id.
    #[test]
    fn any_path_is_survived(path in "(/|\\.|[a-z0-9_-]{1,9}|latest|openstack|meta-data|\\PC){0,12}") {
        let (cloud, shared) = instance();
        let found = get(&shared, Door::Network(cloud.network), SOURCE, &path);
        prop_assert!(found.is_none_or(|text| !text.contains(&cloud.dhcp_port.to_string())));
    }
}
