//! What is opened to other projects, and groups of addresses.

use anyhow::Result;
use isospin_conformance::Line;

use super::Cloud;

const RBAC: &[Line] = &[
    ("network create lent", ""),
    ("net := network show lent -f value -c id", ""),
    ("demo := project show demo -f value -c id", ""),
    ("admin := project show admin -f value -c id", ""),
    (
        "entry := network rbac create --type network --action access_as_shared --target-project demo lent \
         -f value -c id",
        "",
    ),
    ("network rbac show {entry} -f value -c action -c object_type", "access_as_shared\nnetwork"),
    ("network rbac show {entry} -f value -c object_id -c target_project_id", "{net}\n{demo}"),
    ("network rbac list --type network --action access_as_shared -f value -c ID", "{entry}"),
    ("network rbac list --long --target-project demo -f value -c Action", "access_as_shared"),
    ("network rbac list --target-project admin -f value -c ID", ""),
    ("network rbac set --target-project admin {entry}", ""),
    ("network rbac show {entry} -f value -c target_project_id", "{admin}"),
    ("network rbac set --target-project demo {entry}", ""),
    (
        "out := network rbac create --type network --action access_as_external --target-all-projects lent \
         -f value -c id",
        "",
    ),
    ("network show lent -f value -c router:external", "True"),
    ("network rbac delete {out}", ""),
    ("network show lent -f value -c router:external", "False"),
];

#[test]
fn rbac_entries() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.admin(RBAC)?;
    cloud.demo(&[
        ("network list --name lent -f value -c Name", "lent"),
        ("port create --network lent guest", ""),
    ])?;
    let said = cloud.admin.refused("network rbac list --type nonsense")?;
    assert!(said.contains("nonsense"), "{said}");
    cloud.demo(&[("port delete guest", "")])?;
    cloud.admin(&[("network rbac delete {entry}", ""), ("network delete lent", "")])?;
    cloud.demo(&[("network list --name lent -f value -c Name", "")])
}

const ADDRESS_GROUPS: &[Line] = &[
    ("address group create --description First --address 10.1.0.0/16 --address 10.2.0.1 ag", ""),
    ("address group list -f value -c Name -c Description", "ag First"),
    ("address group show ag -f value -c addresses", "['10.1.0.0/16', '10.2.0.1/32']"),
    ("address group set --name ag-one --description Second --address 10.3.0.0/16 ag", ""),
    ("address group show ag-one -f value -c description", "Second"),
    ("address group unset --address 10.1.0.0/16 --address 10.2.0.1/32 ag-one", ""),
    ("address group show ag-one -f value -c addresses", "['10.3.0.0/16']"),
    ("group := address group show ag-one -f value -c id", ""),
    ("security group create web", ""),
    (
        "rule := security group rule create --protocol tcp --dst-port 80 --remote-address-group ag-one web \
         -f value -c id",
        "",
    ),
    ("security group rule show {rule} -f value -c remote_address_group_id", "{group}"),
];

#[test]
fn address_groups() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.demo(ADDRESS_GROUPS)?;
    let said = cloud.demo.refused("address group delete ag-one")?;
    assert!(said.contains("409") || said.contains("in use"), "{said}");
    cloud.demo(&[
        ("security group delete web", ""),
        ("address group delete ag-one", ""),
        ("address group list -f value", ""),
    ])
}

const DEFAULT_RULES: &[Line] = &[
    (
        "rule := default security group rule create --protocol tcp --dst-port 22 --remote-ip 10.0.0.0/8 \
         --for-custom-sg --description Ssh -f value -c id",
        "",
    ),
    (
        "default security group rule show {rule} -f value -c protocol -c port_range_min -c used_in_default_sg \
         -c used_in_non_default_sg",
        "22\ntcp\nFalse\nTrue",
    ),
    ("default security group rule list --protocol tcp -f value -c ID", "{rule}"),
    ("security group create templated", ""),
    ("security group rule list templated --ingress -f value -c 'Port Range'", "22:22"),
    ("security group delete templated", ""),
    ("default security group rule delete {rule}", ""),
    ("default security group rule list --protocol tcp -f value -c ID", ""),
];

/// Groups that keep no state of connections.
const STATELESS: &[Line] = &[
    ("security group create --stateless free", ""),
    ("security group show free -f value -c stateful", "False"),
    ("security group list -f value -c Name -c Shared --sort-column Name", "default False\nfree False"),
    ("security group set --stateful free", ""),
    ("security group show free -f value -c stateful", "True"),
    ("security group set --stateless --tag t free", ""),
    ("security group show free -f value -c stateful -c tags", "False\n['t']"),
    ("security group unset --all-tag free", ""),
    ("security group delete free", ""),
    ("security group default statefulness list -f value", ""),
];

#[test]
fn default_rules_and_statefulness_of_security_groups() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.admin(DEFAULT_RULES)?;
    cloud.admin(STATELESS)
}
