//! Quality of service, and trunks.

use anyhow::Result;
use isospin_conformance::{Line, column};

use super::Cloud;

const POLICIES: &[Line] = &[
    ("network qos policy create --description First policy", ""),
    ("policy := network qos policy show policy -f value -c id", ""),
    ("network qos policy list -f value -c Name -c Shared -c Default", "policy False False"),
    ("network qos policy set --name policy-one --description Second --share --default policy", ""),
    (
        "network qos policy show policy-one -f value -c description -c is_default -c shared",
        "Second\nTrue\nTrue",
    ),
    ("network qos policy set --no-default --no-share policy-one", ""),
    ("network qos policy show policy-one -f value -c is_default -c shared", "False\nFalse"),
];

const RULES: &[Line] = &[
    (
        "limit := network qos rule create --type bandwidth-limit --max-kbps 3000 --max-burst-kbits 300 --egress \
         policy-one -f value -c id",
        "",
    ),
    ("network qos rule show policy-one {limit} -f value -c max_kbps -c direction", "egress\n3000"),
    ("network qos rule set --max-kbps 4000 --ingress policy-one {limit}", ""),
    ("network qos rule show policy-one {limit} -f value -c max_kbps -c direction", "ingress\n4000"),
    ("mark := network qos rule create --type dscp-marking --dscp-mark 26 policy-one -f value -c id", ""),
    ("network qos rule set --dscp-mark 28 policy-one {mark}", ""),
    ("network qos rule show policy-one {mark} -f value -c dscp_mark", "28"),
    (
        "least := network qos rule create --type minimum-bandwidth --min-kbps 10 --egress policy-one \
         -f value -c id",
        "",
    ),
    ("network qos rule set --min-kbps 20 policy-one {least}", ""),
    ("network qos rule show policy-one {least} -f value -c min_kbps -c direction", "egress\n20"),
    (
        "rate := network qos rule create --type minimum-packet-rate --min-kpps 5 --any policy-one \
         -f value -c id",
        "",
    ),
    ("network qos rule show policy-one {rate} -f value -c min_kpps -c direction", "any\n5"),
    (
        "network qos rule list policy-one -f value -c Type --sort-column Type",
        "bandwidth_limit\ndscp_marking\nminimum_bandwidth\nminimum_packet_rate",
    ),
    ("network qos rule delete policy-one {least}", ""),
    ("network qos rule delete policy-one {rate}", ""),
    ("network qos rule delete policy-one {mark}", ""),
    ("network qos rule list policy-one -f value -c ID", "{limit}"),
    ("network qos rule type show bandwidth_limit -f value -c rule_type_name", "bandwidth_limit"),
];

const USE: &[Line] = &[
    ("network set --qos-policy policy-one public", ""),
    ("network show public -f value -c qos_policy_id", "{policy}"),
    ("floating := floating ip create --qos-policy policy-one public -f value -c id", ""),
    ("floating ip show {floating} -f value -c qos_policy_id", "{policy}"),
    ("router create limited", ""),
    ("router set --external-gateway public --qos-policy policy-one limited", ""),
];

const UNUSED: &[Line] = &[
    ("floating ip unset --qos-policy {floating}", ""),
    ("floating ip show {floating} -f value -c qos_policy_id", "None"),
    ("floating ip delete {floating}", ""),
    ("router unset --qos-policy limited", ""),
    ("router delete limited", ""),
    ("network set --no-qos-policy public", ""),
    ("network show public -f value -c qos_policy_id", "None"),
    ("network qos policy delete policy-one", ""),
    ("network qos policy list -f value", ""),
];

#[test]
fn qos_policies_rules_and_rule_types() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.admin(POLICIES)?;
    cloud.admin(RULES)?;
    let types = column(&cloud.admin.json("network qos rule type list")?, "Type")?;
    assert!(types.contains(&"bandwidth_limit".to_owned()), "{types:?}");
    let all = column(&cloud.admin.json("network qos rule type list --all-rules")?, "Type")?;
    assert!(all.contains(&"minimum_packet_rate".to_owned()) && all.len() > types.len(), "{all:?}");
    cloud.admin(USE)?;
    let said = cloud.admin.refused("network qos policy delete policy-one")?;
    assert!(said.contains("is used by network"), "{said}");
    cloud.admin(UNUSED)
}

const TRUNKS: &[Line] = &[
    ("port create --network net parent", ""),
    ("port create --network net first", ""),
    ("port create --network net second", ""),
    ("first := port show first -f value -c id", ""),
    ("second := port show second -f value -c id", ""),
    (
        "network trunk create --parent-port parent --subport port=first,segmentation-type=vlan,segmentation-id=101 \
         --description First trunk",
        "",
    ),
    ("network trunk list --long -f value -c Name -c Description -c Status", "trunk First DOWN"),
    ("network trunk set --name trunk-one --description Second --disable trunk", ""),
    ("network trunk show trunk-one -f value -c description -c is_admin_state_up", "Second\nFalse"),
    ("network trunk set --enable trunk-one", ""),
    ("network trunk set --subport port=second,segmentation-type=vlan,segmentation-id=102 trunk-one", ""),
    (
        "network subport list --trunk trunk-one -f value -c Port -c 'Segmentation ID' \
         --sort-column 'Segmentation ID'",
        "{first} 101\n{second} 102",
    ),
];

const TRUNKS_GONE: &[Line] = &[
    ("network trunk unset --subport second trunk-one", ""),
    ("network subport list --trunk trunk-one -f value -c Port", "{first}"),
    ("network trunk delete trunk-one", ""),
    ("network trunk list -f value", ""),
    ("port delete parent first second", ""),
];

#[test]
fn trunks() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.demo(TRUNKS)?;
    let said = cloud.demo.refused("port delete second")?;
    assert!(said.contains("subport"), "{said}");
    cloud.demo(TRUNKS_GONE)
}
