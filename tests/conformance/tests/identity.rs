//! The everyday commands of the `openstack` client on the Identity API.

use anyhow::Result;
use isospin_conformance::{Client, Installation, column, run};

/// In this order, as the admin.
const COMMANDS: &[(&str, &str)] = &[
    ("service list", ""),
    ("endpoint list --service network --interface public -f value -c Region", "RegionOne"),
    ("region list -f value -c Region", "RegionOne"),
    ("domain show default -f value -c name", "Default"),
    ("project create --description Test p1", ""),
    ("project show p1 -f value -c description", "Test"),
    ("project set --description Other p1", ""),
    ("project show p1 -f value -c description", "Other"),
    ("user create --project p1 --password secret1 --email a@example.org u1", ""),
    ("user show u1 -f value -c email", "a@example.org"),
    ("role add --project p1 --user u1 member", ""),
    ("role assignment list --user u1 --project p1 --names -f value -c Role -c User", "member u1@Default"),
    ("user set --password secret2 --email b@example.org u1", ""),
    ("user show u1 -f value -c email", "b@example.org"),
    ("role remove --project p1 --user u1 member", ""),
    ("role assignment list --user u1 --project p1 --names -f value", ""),
    ("group create g1", ""),
    ("group add user g1 u1", ""),
    ("group contains user g1 u1", "u1 in group g1"),
    ("role add --project p1 --group g1 reader", ""),
    ("role assignment list --user u1 --effective --names -f value -c Role", "reader"),
    ("group remove user g1 u1", ""),
    ("group delete g1", ""),
    ("user delete u1", ""),
    ("project delete p1", ""),
    ("role create r1", ""),
    ("role set --name r2 r1", ""),
    ("role show r2 -f value -c name", "r2"),
    ("role delete r2", ""),
    ("service create --name volume --description Disks volumev3", ""),
    ("endpoint create --region RegionOne volumev3 public http://127.0.0.1:8776", ""),
    ("endpoint list --service volumev3 -f value -c URL", "http://127.0.0.1:8776"),
    ("service delete volume", ""),
    ("domain create --description Test d1", ""),
    ("domain set --disable d1", ""),
    ("domain delete d1", ""),
    ("region create R2", ""),
    ("region delete R2", ""),
];

#[test]
fn tokens_catalog_projects_users_and_roles() -> Result<()> {
    let installation = Installation::start("none")?;
    let mut admin = Client::start(&installation, "isospin")?;
    let mut demo = Client::start(&installation, "isospin-demo")?;

    let token = admin.json("token issue")?;
    let id = token["id"].as_str().unwrap_or_default();
    assert!(id.len() > 100 && id.starts_with("gAAAA"), "a Fernet token: {token}");
    let mut types = column(&admin.json("catalog list")?, "Type")?;
    types.sort_unstable();
    assert_eq!(types, ["identity", "network"]);
    for (list, expected) in [
        ("project list", &["admin", "demo", "service"][..]),
        ("user list", &["admin", "demo"]),
        ("role list", &["admin", "manager", "member", "reader", "service"]),
    ] {
        let mut names = column(&admin.json(list)?, "Name")?;
        names.sort_unstable();
        assert_eq!(names, expected, "{list}");
    }
    run(&mut admin, COMMANDS)?;

    assert_eq!(column(&demo.json("project list --my-projects")?, "Name")?, ["demo"]);
    for line in ["user list", "project create p2", "role create r3", "user set --password x admin"] {
        let said = demo.refused(line)?;
        assert!(said.contains("403"), "openstack {line}: {said}");
    }
    // The client says nothing when a grant is refused.
    demo.ok("role add --user demo --project demo admin")?;
    assert_eq!(column(&admin.json("role assignment list --user demo --names")?, "Role")?, ["member"]);
    Ok(())
}

#[test]
fn a_password_that_is_changed_and_a_user_that_is_disabled_end_tokens() -> Result<()> {
    let installation = Installation::start("none")?;
    let mut admin = Client::start(&installation, "isospin")?;
    let mut demo = Client::start(&installation, "isospin-demo")?;
    let token = demo.json("token issue")?["id"].as_str().unwrap_or_default().to_owned();
    let ask = |token: &str| {
        let api = isospin_conformance::Api::log_in(&installation, "admin")?;
        let mut theirs = api.clone();
        theirs.token = token.to_owned();
        anyhow::Ok(theirs.network("GET", "/networks", "")?.status)
    };
    assert_eq!(ask(&token)?, 200);
    admin.ok("user set --disable demo")?;
    assert_eq!(ask(&token)?, 401);
    assert!(demo.refused("token issue")?.contains("401"));
    admin.ok("user set --enable demo")?;
    let token = demo.json("token issue")?["id"].as_str().unwrap_or_default().to_owned();
    assert_eq!(ask(&token)?, 200);
    demo.ok(&format!("token revoke {token}"))?;
    assert_eq!(ask(&token)?, 401);
    Ok(())
}
