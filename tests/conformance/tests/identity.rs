//! The everyday commands of the `openstack` client on the Identity API.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use isospin_conformance::{Api, Client, Installation, column, run};

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

/// What documents 000 (the controller's services) and 003 (Keystone, Glance, Nova,
/// Placement, Neutron) type, as the admin, and what they print; passwords are given instead
/// of asked for. What they make of the built-in services goes first.
const DOCUMENTS: &[(&str, &str)] = &[
    ("project delete service", ""),
    ("service delete neutron", ""),
    ("domain create --description \"An Example Domain\" example", ""),
    (
        "domain list -f value -c Name -c Enabled -c Description --sort-column Name",
        "Default True The default domain\nexample True An Example Domain",
    ),
    ("project create --domain default --description \"Service Project\" service", ""),
    ("project show service -f value -c description -c domain_id", "Service Project\ndefault"),
    ("project create --domain default --description \"Demo Project\" myproject", ""),
    ("project list -f value -c Name --sort-column Name", "admin\ndemo\nmyproject\nservice"),
    ("user create --domain default --password MYUSER_PASS myuser", ""),
    ("user show myuser -f value -c domain_id -c enabled -c name", "default\nTrue\nmyuser"),
    ("role create myrole", ""),
    ("role show myrole -f value -c domain_id -c name", "myrole\nNone"),
    ("role list -f value -c Name --sort-column Name", "admin\nmanager\nmember\nmyrole\nreader\nservice"),
    ("role add --project myproject --user myuser myrole", ""),
    ("user list -f value -c Name --sort-column Name", "admin\ndemo\nmyuser"),
    ("token issue -f value -c project_id", ""),
    ("user create --domain default --password secret glance", ""),
    ("role add --project service --user glance admin", ""),
    (
        "service create --name glance --description \"OpenStack Image\" image -f value -c name -c type -c enabled",
        "glance\nimage\nTrue",
    ),
    (
        "endpoint create --region RegionOne image public http://controller:9292 -f value -c interface -c url -c service_type",
        "public\nhttp://controller:9292\nimage",
    ),
    ("endpoint create --region RegionOne image internal http://controller:9292", ""),
    ("endpoint create --region RegionOne image admin http://controller:9292", ""),
    ("user create --domain default --password secret nova", ""),
    ("role add --project service --user nova admin", ""),
    ("service create --name nova --description \"OpenStack Compute\" compute", ""),
    ("endpoint create --region RegionOne compute public http://controller:8774/v2.1", ""),
    ("endpoint create --region RegionOne compute internal http://controller:8774/v2.1", ""),
    ("endpoint create --region RegionOne compute admin http://controller:8774/v2.1", ""),
    ("user create --domain default --password secret placement", ""),
    ("role add --project service --user placement admin", ""),
    ("service create --name placement --description \"Placement API\" placement", ""),
    ("endpoint create --region RegionOne placement public http://controller:8778", ""),
    ("endpoint create --region RegionOne placement internal http://controller:8778", ""),
    ("endpoint create --region RegionOne placement admin http://controller:8778", ""),
    ("user create --domain default --password neutron neutron", ""),
    ("role add --project service --user neutron admin", ""),
    ("service create --name neutron --description \"OpenStack Networking\" network", ""),
    ("endpoint create --region RegionOne network public http://controller:9696", ""),
    ("endpoint create --region RegionOne network internal http://controller:9696", ""),
    ("endpoint create --region RegionOne network admin http://controller:9696", ""),
    (
        "endpoint list --service network -f value -c Interface -c URL --sort-column Interface",
        "admin http://controller:9696\ninternal http://controller:9696\npublic http://controller:9696",
    ),
];

#[test]
fn the_commands_of_the_documents() -> Result<()> {
    let installation = Installation::start("none")?;
    let mut admin = Client::start(&installation, "isospin")?;
    run(&mut admin, DOCUMENTS)?;
    // The way of 003 with everything on the command line, and with OS_* variables.
    let url = Api::log_in(&installation, "admin")?.identity;
    let token = |project: &str, user: &str, password: &str| {
        let arguments = format!(
            "--os-auth-url {url}/v3 --os-project-domain-name Default --os-user-domain-name Default \
             --os-project-name {project} --os-username {user} --os-password {password} token issue -f json"
        );
        openstack(&arguments, &[])
    };
    let password = installation.password("admin")?;
    ensure!(token("admin", "admin", &password)?.contains("gAAAA"));
    ensure!(token("myproject", "myuser", "MYUSER_PASS")?.contains("gAAAA"));
    let auth_url = format!("{url}/v3");
    let variables = [
        ("OS_PROJECT_DOMAIN_NAME", "Default"),
        ("OS_USER_DOMAIN_NAME", "Default"),
        ("OS_PROJECT_NAME", "myproject"),
        ("OS_USERNAME", "myuser"),
        ("OS_PASSWORD", "MYUSER_PASS"),
        ("OS_AUTH_URL", auth_url.as_str()),
        ("OS_IDENTITY_API_VERSION", "3"),
        ("OS_IMAGE_API_VERSION", "2"),
    ];
    ensure!(openstack("token issue -f json", &variables)?.contains("gAAAA"));
    Ok(())
}

/// What the client prints when it is run as people do, with nothing but these variables.
fn openstack(arguments: &str, variables: &[(&str, &str)]) -> Result<String> {
    let program = isospin_conformance::root().join(".venv/bin/openstack");
    let output = Command::new(&program)
        .args(arguments.split_whitespace())
        .env_clear()
        .env("HOME", "/nonexistent")
        .envs(variables.iter().copied())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(output.status.success(), "openstack {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What users hand on, limits, and what else the client knows of Identity.
const MORE: &[(&str, &str)] = &[
    (
        "application credential create --secret s3cret --role member ac1 -f value -c name -c secret -c unrestricted",
        "ac1\nFalse\ns3cret",
    ),
    ("application credential list -f value -c Name", "ac1"),
    ("application credential delete ac1", ""),
    ("credential create --type cert demo cert1 -f value -c blob -c type", "cert1\ncert"),
    ("access := ec2 credentials create -f value -c access", ""),
    ("ec2 credentials show {access} -f value -c access", "{access}"),
    ("ec2 credentials delete {access}", ""),
    (
        "registered limit create --service network --default-limit 10 ports -f value -c default_limit -c resource_name",
        "10\nports",
    ),
    (
        "limit create --project demo --service network --resource-limit 5 ports -f value -c resource_limit",
        "5",
    ),
    ("limit list --project demo -f value -c \"Resource Name\" -c \"Resource Limit\"", "ports 5"),
    ("trust := trust create --project admin --role member admin demo -f value -c id", ""),
    ("trust show {trust} -f value -c is_impersonation", "False"),
    ("trust delete {trust}", ""),
    ("role add --domain default --user demo --inherited reader", ""),
    (
        "role assignment list --user demo --inherited --names -f value -c Role -c Domain -c Inherited",
        "reader Default True",
    ),
    ("role remove --domain default --user demo --inherited reader", ""),
    ("implied role create reader --implied-role service -f value -c implies", ""),
    ("implied role delete reader --implied-role service", ""),
];

#[test]
fn what_users_hand_on_and_limits() -> Result<()> {
    let installation = Installation::start("none")?;
    let mut admin = Client::start(&installation, "isospin")?;
    isospin_conformance::Script::default().run(&mut admin, MORE)?;
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
