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
