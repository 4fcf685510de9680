//! The everyday commands of the `openstack` client on the Network API, against a
//! server with a simulated agent.

use anyhow::{Context, Result};
use isospin_conformance::{Behind, Client, Installation, Keystone, Line, column, run};
use serde_json::Value;

/// Segments the admin may give to vlan networks.
const CONFIGURATION: &str = "[network]\nvlan_ranges = { external = [\"1:100\"] }\n";

/// In this order, as the admin.
const ADMIN: &[Line] = &[
    (
        "network create --external --provider-network-type flat --provider-physical-network external public",
        "",
    ),
    (
        "subnet create --network public --subnet-range 10.77.77.0/24 --gateway 10.77.77.1 --no-dhcp \
         --allocation-pool start=10.77.77.200,end=10.77.77.220 public-subnet",
        "",
    ),
    ("network show public -f value -c router:external -c provider:network_type", "flat\nTrue"),
    ("network create --share --provider-network-type vxlan --provider-segment 4242 shared-net", ""),
    ("network show shared-net -f value -c provider:segmentation_id -c shared", "4242\nTrue"),
    ("network set --no-share shared-net", ""),
    ("network show shared-net -f value -c shared", "False"),
    ("network list --external -f value -c Name", "public"),
    ("network list --long --name public -f value -c State -c 'Network Type'", "True flat"),
    (
        "network create --provider-network-type vlan --provider-physical-network external \
         --provider-segment 7 vlan-net",
        "",
    ),
    ("network show vlan-net -f value -c provider:segmentation_id", "7"),
    ("network create --provider-network-type local local-net", ""),
    ("network delete vlan-net local-net shared-net", ""),
    ("quota show --network demo", ""),
    ("quota set --ports 700 demo", ""),
    ("quota delete --network demo", ""),
    ("port list --long", ""),
];

const NETWORKS: &[Line] = &[
    ("network create --description First net1", ""),
    ("network list -f value -c Name --sort-column Name", "net1\npublic"),
    ("network show net1 -f value -c description -c status -c mtu", "First\n1450\nACTIVE"),
    ("network set --name net-one --description Second --disable net1", ""),
    ("network show net-one -f value -c admin_state_up -c description", "False\nSecond"),
    ("network set --enable --mtu 1400 net-one", ""),
    ("network show net-one -f value -c admin_state_up -c mtu", "True\n1400"),
    ("network set --tag blue --tag red net-one", ""),
    ("network list --tags blue,red -f value -c Name", "net-one"),
    ("network unset --tag blue net-one", ""),
    ("network show net-one -f value -c tags", "['red']"),
    ("network list --tags blue -f value -c Name", ""),
    ("network unset --all-tag net-one", ""),
    ("network set --mtu 1450 net-one", ""),
];

const SUBNETS: &[Line] = &[
    ("subnet create --network net-one --subnet-range 192.168.2.0/24 --dns-nameserver 9.9.9.9 subnet1", ""),
    ("subnet show subnet1 -f value -c gateway_ip -c enable_dhcp", "True\n192.168.2.1"),
    (
        "subnet create --network net-one --ip-version 6 --subnet-range fd00:2::/64 --ipv6-ra-mode slaac \
         --ipv6-address-mode slaac subnet6",
        "",
    ),
    ("subnet list --network net-one --ip-version 4 -f value -c Subnet", "192.168.2.0/24"),
    ("subnet list --long --name subnet6 -f value -c 'IP Version'", "6"),
    ("subnet set --name subnet-one --description Mine subnet1", ""),
    ("subnet set --host-route destination=10.9.0.0/16,gateway=192.168.2.9 subnet-one", ""),
    (
        "subnet show subnet-one -f value -c host_routes",
        "[{'destination': '10.9.0.0/16', 'nexthop': '192.168.2.9'}]",
    ),
    ("subnet set --dns-nameserver 9.9.9.10 --no-dhcp subnet-one", ""),
    ("subnet show subnet-one -f value -c dns_nameservers -c enable_dhcp", "['9.9.9.10', '9.9.9.9']\nFalse"),
    ("subnet unset --host-route destination=10.9.0.0/16,gateway=192.168.2.9 subnet-one", ""),
    ("subnet unset --dns-nameserver 9.9.9.9 subnet-one", ""),
    ("subnet show subnet-one -f value -c dns_nameservers -c host_routes", "['9.9.9.10']\n[]"),
    ("subnet set --dhcp --tag t subnet-one", ""),
    ("subnet unset --tag t subnet-one", ""),
];

const PORTS: &[Line] = &[
    ("port create --network net-one --fixed-ip subnet=subnet-one,ip-address=192.168.2.50 port1", ""),
    ("port create --network net-one port2", ""),
    ("port list --network net-one --fixed-ip ip-address=192.168.2.50 -f value -c Name", "port1"),
    ("port show port1 -f value -c status -c mtu -c port_security_enabled", ""),
    ("port set --name port-one --description Mine --disable port1", ""),
    ("port show port-one -f value -c admin_state_up -c description", "False\nMine"),
    (
        "port set --enable --allowed-address ip-address=192.168.2.60,mac-address=fa:16:3e:00:00:60 port-one",
        "",
    ),
    ("port show port-one -f value -c admin_state_up", "True"),
    ("port unset --allowed-address ip-address=192.168.2.60,mac-address=fa:16:3e:00:00:60 port-one", ""),
    ("port show port-one -f value -c allowed_address_pairs", "[]"),
    ("port set --fixed-ip subnet=subnet-one,ip-address=192.168.2.51 port-one", ""),
    ("port unset --fixed-ip subnet=subnet-one,ip-address=192.168.2.51 port-one", ""),
    ("port list --fixed-ip ip-address=192.168.2.51 -f value", ""),
    ("port set --extra-dhcp-option name=mtu,value=1400 port-one", ""),
    ("port set --tag t port-one", ""),
    ("port list --tags t -f value -c Name", "port-one"),
    ("port unset --tag t port-one", ""),
];

const GROUPS: &[Line] = &[
    ("security group create --description Web web", ""),
    ("security group list -f value -c Name --sort-column Name", "default\nweb"),
    ("security group rule create --protocol tcp --dst-port 80 --remote-ip 0.0.0.0/0 web", ""),
    ("security group rule create --protocol icmp web", ""),
    (
        "security group rule create --protocol udp --dst-port 1000:2000 --remote-group web --ethertype IPv6 web",
        "",
    ),
    ("security group rule create --egress --protocol tcp --dst-port 443 web", ""),
    (
        "security group rule list web --ingress --protocol tcp -f value -c 'Port Range' -c 'IP Range'",
        "0.0.0.0/0 80:80",
    ),
    (
        "security group rule list web --ingress --protocol udp -f value -c 'Port Range' -c Ethertype",
        "IPv6 1000:2000",
    ),
    ("security group set --name web-servers --description Servers web", ""),
    ("security group show web-servers -f value -c description", "Servers"),
    ("security group set --tag green web-servers", ""),
    ("security group list --tags green -f value -c Name", "web-servers"),
    ("security group unset --tag green web-servers", ""),
    ("port set --security-group web-servers port-one", ""),
    ("port unset --security-group web-servers port-one", ""),
    ("port set --no-security-group port-one", ""),
    ("port show port-one -f value -c security_group_ids", "[]"),
];

const ROUTERS: &[Line] = &[
    ("router create router1", ""),
    ("router list -f value -c Name -c Status", "router1 ACTIVE"),
    ("router set --external-gateway public router1", ""),
    ("router add subnet router1 subnet-one", ""),
    ("router set --name router-one --description R --disable router1", ""),
    ("router show router-one -f value -c admin_state_up -c description", "False\nR"),
    ("router set --enable router-one", ""),
    ("router set --route destination=172.16.0.0/16,gateway=192.168.2.50 router-one", ""),
    ("router add route --route destination=172.20.0.0/16,gateway=192.168.2.50 router-one", ""),
    ("router remove route --route destination=172.20.0.0/16,gateway=192.168.2.50 router-one", ""),
    (
        "router show router-one -f value -c routes",
        "[{'destination': '172.16.0.0/16', 'nexthop': '192.168.2.50'}]",
    ),
    ("router unset --route destination=172.16.0.0/16,gateway=192.168.2.50 router-one", ""),
    ("router show router-one -f value -c routes", "[]"),
    ("port list --router router-one --device-owner network:router_interface -f value -c Status", "ACTIVE"),
    ("floating ip create --description F public", ""),
    ("floating ip create --port port2 --description G public", ""),
    ("floating ip list --long -f value -c Description --sort-column Description", "F\nG"),
    ("quota show --network -f value", ""),
    ("subnet list --long", ""),
];

/// All that was made goes again.
const GONE: &[Line] = &[
    ("router unset --external-gateway router-one", ""),
    ("router remove subnet router-one subnet-one", ""),
    ("router delete router-one", ""),
    ("port delete port-one port2", ""),
    ("security group delete web-servers", ""),
    ("subnet delete subnet6 subnet-one", ""),
    ("network delete net-one", ""),
    ("network list -f value -c Name", "public"),
    ("subnet list -f value -c Name", "public-subnet"),
    ("port list -f value", ""),
    ("router list -f value", ""),
    ("floating ip list -f value", ""),
    ("security group list -f value -c Name", "default"),
];

/// Who types the commands.
struct Cloud {
    admin: Client,
    demo: Client,
    _installation: Installation,
    _keystone: Option<Keystone>,
}

fn start() -> Result<Cloud> {
    let installation = Installation::configured("simulated", CONFIGURATION)?;
    clients(installation, None)
}

/// The same with users and tokens of a real Keystone.
fn start_behind_keystone() -> Result<Cloud> {
    let Behind { installation, keystone, .. } = Behind::start(CONFIGURATION, "")?;
    clients(installation, Some(keystone))
}

fn clients(installation: Installation, keystone: Option<Keystone>) -> Result<Cloud> {
    let admin = Client::start(&installation, "isospin")?;
    let demo = Client::start(&installation, "isospin-demo")?;
    Ok(Cloud { admin, demo, _installation: installation, _keystone: keystone })
}

#[test]
fn networks_subnets_ports_groups_routers_and_floating_ips() -> Result<()> {
    everyday(start()?)
}

#[test]
fn networks_subnets_ports_groups_routers_and_floating_ips_behind_keystone() -> Result<()> {
    everyday(start_behind_keystone()?)
}

fn everyday(Cloud { mut admin, mut demo, .. }: Cloud) -> Result<()> {
    run(&mut admin, ADMIN)?;
    for lines in [NETWORKS, SUBNETS, PORTS, GROUPS, ROUTERS] {
        run(&mut demo, lines)?;
    }
    floating_ips(&mut demo)?;
    let rules = demo.json("security group rule list web-servers --ingress --protocol icmp")?;
    let rule = rules[0]["ID"].as_str().context("no rule")?.to_owned();
    assert_eq!(demo.json(&format!("security group rule show {rule}"))?["protocol"], "icmp");
    demo.ok(&format!("security group rule delete {rule}"))?;
    run(&mut demo, GONE)?;
    admin.ok("network delete public")?;
    Ok(())
}

/// Sets, unsets and deletes the two floating IPs.
fn floating_ips(demo: &mut Client) -> Result<()> {
    let listed = demo.json("floating ip list")?;
    let addresses = column(&listed, "Floating IP Address")?;
    assert_eq!(addresses.len(), 2, "{listed}");
    let free =
        listed.as_array().into_iter().flatten().find(|ip| ip["Port"].is_null()).context("none is free")?;
    let free = free["Floating IP Address"].as_str().context("no address")?.to_owned();
    let show = |demo: &mut Client, name: &str| -> Result<Value> {
        Ok(demo.json(&format!("floating ip show {free}"))?[name].take())
    };
    demo.ok(&format!("floating ip set --port port-one {free}"))?;
    assert_eq!(show(demo, "fixed_ip_address")?, "192.168.2.50");
    demo.ok(&format!("floating ip unset --port {free}"))?;
    assert_eq!(show(demo, "fixed_ip_address")?, Value::Null);
    demo.ok(&format!("floating ip set --description Other --tag t {free}"))?;
    assert_eq!(show(demo, "description")?, "Other");
    demo.ok(&format!("floating ip unset --tag t {free}"))?;
    for address in addresses {
        demo.ok(&format!("floating ip delete {address}"))?;
    }
    Ok(())
}

#[test]
fn a_project_sees_its_own() -> Result<()> {
    own_things(start()?)
}

#[test]
fn a_project_sees_its_own_behind_keystone() -> Result<()> {
    own_things(start_behind_keystone()?)
}

fn own_things(Cloud { mut admin, mut demo, .. }: Cloud) -> Result<()> {
    for line in [
        "network create foreign",
        "subnet create --network foreign --subnet-range 10.3.0.0/24 foreign-subnet",
        "port create --network foreign foreign-port",
        "router create foreign-router",
        "security group create foreign-group",
        "network create --share shared",
        "network create --external public",
    ] {
        admin.ok(line)?;
    }
    demo.ok("network create own")?;
    for (list, expected) in [
        ("network list", &["own", "public", "shared"][..]),
        ("subnet list", &[]),
        ("port list", &[]),
        ("router list", &[]),
        ("security group list", &[]),
    ] {
        let mut names = column(&demo.json(list)?, "Name")?;
        names.sort_unstable();
        assert_eq!(names, expected, "{list}");
    }
    for (line, expected) in [
        ("network show foreign", "No Network found"),
        ("subnet show foreign-subnet", "No Subnet found"),
        ("port show foreign-port", "No Port found"),
        ("router show foreign-router", "No Router found"),
        ("security group show foreign-group", "No SecurityGroup found"),
        ("network delete foreign", "No Network found"),
        ("network set --name mine shared", "403"),
        ("network delete shared", "403"),
        ("network create --share other", "disallowed by policy"),
        ("network create --external other", "disallowed by policy"),
    ] {
        let said = demo.refused(line)?;
        assert!(said.contains(expected), "openstack {line}: {said}");
    }
    assert_eq!(demo.ok("network agent list -f value")?.trim(), "", "agents are for admins");
    let shown = demo.json("network show own")?;
    assert!(shown.get("provider:network_type").is_none_or(Value::is_null), "for admins only: {shown}");
    let shown = admin.json("network show own")?;
    assert_eq!(shown["provider:network_type"], "vxlan", "{shown}");
    Ok(())
}
