//! What belongs to floating IPs and routers: port forwardings, helpers, flavors, meters.

use anyhow::Result;
use isospin_conformance::Line;

use super::Cloud;

const REACHABLE: &[Line] = &[
    ("router create router", ""),
    ("router set --external-gateway public router", ""),
    ("router add subnet router subnet", ""),
    ("port create --network net --fixed-ip subnet=subnet,ip-address=192.168.2.50 port", ""),
    ("port := port show port -f value -c id", ""),
    ("router := router show router -f value -c id", ""),
    ("fip := floating ip create public -f value -c id", ""),
];

const FORWARDINGS: &[Line] = &[
    (
        "forwarding := floating ip port forwarding create --internal-ip-address 192.168.2.50 --port port \
         --internal-protocol-port 80 --external-protocol-port 8080 --protocol tcp --description Web {fip} \
         -f value -c id",
        "",
    ),
    (
        "floating ip port forwarding list {fip} -f value -c 'Internal Port' -c 'External Port' -c Protocol",
        "80 8080 tcp",
    ),
    (
        "floating ip port forwarding show {fip} {forwarding} -f value -c external_port -c internal_ip_address \
         -c internal_port_id",
        "8080\n192.168.2.50\n{port}",
    ),
    (
        "floating ip port forwarding set --external-protocol-port 8081 --protocol udp --description Other {fip} \
         {forwarding}",
        "",
    ),
    (
        "floating ip port forwarding show {fip} {forwarding} -f value -c description -c external_port -c protocol",
        "Other\n8081\nudp",
    ),
    ("floating ip port forwarding list --protocol tcp {fip} -f value -c ID", ""),
    ("floating ip port forwarding delete {fip} {forwarding}", ""),
    ("floating ip port forwarding list {fip} -f value -c ID", ""),
];

const HELPERS: &[Line] = &[
    (
        "helper := network l3 conntrack helper create --helper tftp --protocol udp --port 69 router \
         -f value -c id",
        "",
    ),
    (
        "network l3 conntrack helper list router -f value -c ID -c Helper -c Protocol -c Port",
        "{helper} tftp udp 69",
    ),
    ("network l3 conntrack helper set --port 6969 router {helper}", ""),
    (
        "network l3 conntrack helper show router {helper} -f value -c helper -c port -c protocol",
        "tftp\n6969\nudp",
    ),
    ("network l3 conntrack helper delete router {helper}", ""),
    ("network l3 conntrack helper list router -f value", ""),
];

const GONE: &[Line] = &[
    ("floating ip delete {fip}", ""),
    ("router remove subnet router subnet", ""),
    ("router delete router", ""),
    ("port delete port", ""),
];

#[test]
fn port_forwardings() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.demo(REACHABLE)?;
    cloud.demo(FORWARDINGS)?;
    cloud.demo(GONE)
}

#[test]
fn conntrack_helpers() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.demo(REACHABLE)?;
    cloud.demo(HELPERS)?;
    cloud.demo(GONE)
}

const FLAVORS: &[Line] = &[
    ("network flavor create --service-type L3_ROUTER_NAT --description First flavor", ""),
    ("network flavor list -f value -c Name -c Enabled -c 'Service Type'", "flavor True L3_ROUTER_NAT"),
    ("network flavor set --name flavor-one --description Second --disable flavor", ""),
    ("network flavor show flavor-one -f value -c description -c enabled", "Second\nFalse"),
    ("network flavor set --enable flavor-one", ""),
    ("profile := network flavor profile create --description P --metainfo vendor -f value -c id", ""),
    ("network flavor profile list -f value -c ID -c Enabled -c Metainfo", "{profile} True vendor"),
    ("network flavor profile set --description Q --disable {profile}", ""),
    ("network flavor profile show {profile} -f value -c description -c enabled", "Q\nFalse"),
    ("network flavor add profile flavor-one {profile}", ""),
    ("network flavor show flavor-one -f value -c service_profile_ids", "['{profile}']"),
    ("network flavor remove profile flavor-one {profile}", ""),
    ("network flavor profile delete {profile}", ""),
    ("network flavor delete flavor-one", ""),
    ("network flavor list -f value", ""),
    ("network flavor profile list -f value", ""),
];

#[test]
fn flavors_and_service_providers() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.admin(FLAVORS)?;
    let providers = cloud.admin.json("network service provider list")?;
    assert_eq!(providers[0]["Service Type"], "L3_ROUTER_NAT", "{providers}");
    Ok(())
}

const METERS: &[Line] = &[
    ("network meter create --description First meter", ""),
    ("network meter list -f value -c Name -c Description", "meter First"),
    ("network meter show meter -f value -c description -c shared", "First\nFalse"),
    ("rule := network meter rule create --ingress --remote-ip-prefix 10.0.0.0/8 meter -f value -c id", ""),
    ("network meter rule list -f value -c ID -c Direction", "{rule} ingress"),
    ("network meter rule show {rule} -f value -c direction", "ingress"),
    ("network meter rule delete {rule}", ""),
    ("network meter delete meter", ""),
    ("network meter list -f value", ""),
];

#[test]
fn meters() -> Result<()> {
    Cloud::start()?.admin(METERS)
}
