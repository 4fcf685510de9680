//! Where prefixes come from, and how much of them is used.

use anyhow::Result;
use isospin_conformance::Line;

use super::Cloud;

const SCOPES: &[Line] = &[
    ("address scope create --ip-version 4 scope", ""),
    ("address scope list --ip-version 4 -f value -c Name -c 'IP Version' -c Shared", "scope 4 False"),
    ("address scope set --name scope-one scope", ""),
    ("scope := address scope show scope-one -f value -c id", ""),
    ("address scope show {scope} -f value -c name -c ip_version", "4\nscope-one"),
];

const POOLS: &[Line] = &[
    (
        "subnet pool create --pool-prefix 10.8.0.0/16 --default-prefix-length 26 --address-scope scope-one \
         --description First pool",
        "",
    ),
    ("subnet pool list -f value -c Name -c Prefixes", "pool ['10.8.0.0/16']"),
    ("subnet pool show pool -f value -c default_prefixlen -c address_scope_id", "{scope}\n26"),
    (
        "subnet pool set --name pool-one --description Second --pool-prefix 10.9.0.0/16 \
         --default-prefix-length 24 --min-prefix-length 16 --max-prefix-length 28 --tag t pool",
        "",
    ),
    (
        "subnet pool show pool-one -f value -c default_prefixlen -c description -c max_prefixlen -c min_prefixlen",
        "24\nSecond\n28\n16",
    ),
    ("subnet pool list --tags t -f value -c Name", "pool-one"),
    ("subnet pool unset --tag t pool-one", ""),
    ("subnet pool show pool-one -f value -c tags", "[]"),
    ("network create pooled", ""),
    ("subnet create --network pooled --subnet-pool pool-one --prefix-length 25 taken", ""),
    ("subnet show taken -f value -c cidr", "10.8.0.0/25"),
    ("subnet list --subnet-pool pool-one -f value -c Name", "taken"),
    ("subnet create --network pooled --subnet-pool pool-one --subnet-range 10.9.1.0/24 chosen", ""),
    ("subnet show chosen -f value -c cidr", "10.9.1.0/24"),
];

const GONE: &[Line] = &[
    ("network delete pooled", ""),
    ("subnet pool set --no-address-scope pool-one", ""),
    ("subnet pool delete pool-one", ""),
    ("subnet pool list -f value", ""),
    ("address scope delete scope-one", ""),
    ("address scope list -f value", ""),
];

#[test]
fn address_scopes_and_subnet_pools() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.demo(SCOPES)?;
    cloud.demo(POOLS)?;
    let said = cloud.demo.refused("address scope delete scope-one")?;
    assert!(said.contains("409"), "{said}");
    let said = cloud.demo.refused("subnet pool delete pool-one")?;
    assert!(said.contains("existing allocations"), "{said}");
    cloud.demo(GONE)
}

#[test]
fn shared_pools_and_onboarding() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.admin(&[
        ("address scope create --share everybody", ""),
        ("subnet pool create --pool-prefix 10.20.0.0/16 --default-prefix-length 24 --share --address-scope everybody common", ""),
        ("subnet pool show common -f value -c shared -c is_default", "False\nTrue"),
        ("subnet pool set --default common", ""),
        ("subnet pool show common -f value -c is_default", "True"),
    ])?;
    cloud.demo(&[
        ("subnet pool list --share -f value -c Name", "common"),
        ("network create defaulted", ""),
        ("subnet create --network defaulted --use-default-subnet-pool --ip-version 4 from-default", ""),
        ("network delete defaulted", ""),
        ("subnet pool create --pool-prefix 172.30.0.0/24 mine", ""),
        ("network onboard subnet net mine", ""),
        ("subnet pool list --name mine -f value -c Prefixes", "['172.30.0.0/24', '192.168.2.0/24']"),
    ])?;
    cloud.demo(&[("network delete net", ""), ("subnet pool delete mine", "")])?;
    cloud.admin(&[
        ("subnet pool set --no-default common", ""),
        ("subnet pool delete common", ""),
        ("address scope delete everybody", ""),
    ])
}

#[test]
fn ip_availability() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.demo(&[("port create --network net one", "")])?;
    cloud.admin(&[
        (
            "ip availability list --project demo -f value -c 'Network Name' -c 'Total IPs' -c 'Used IPs'",
            "net 253 2",
        ),
        ("ip availability show net -f value -c used_ips -c total_ips", "253\n2"),
    ])
}

#[test]
fn an_auto_allocated_topology() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.admin(&[
        ("network set --default public", ""),
        ("subnet pool create --pool-prefix 10.30.0.0/16 --default-prefix-length 24 --share --default common", ""),
    ])?;
    cloud.demo(&[
        ("network auto allocated topology create --check-resources -f value -c dry_run", ""),
        ("topology := network auto allocated topology create -f value -c id", ""),
        ("network show {topology} -f value -c name", "auto_allocated_network"),
        ("network auto allocated topology create -f value -c id", "{topology}"),
        ("network auto allocated topology delete", ""),
        ("network list --name auto_allocated_network -f value", ""),
    ])?;
    cloud.admin(&[("subnet pool delete common", "")])
}
