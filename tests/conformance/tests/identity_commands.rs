//! The commands `isospin identity` and `isospin keys`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use isospin_conformance::{Api, Installation, root};

fn bootstrap(installation: &Installation, password: &str) -> Result<String> {
    let mut command = installation.command(&Installation::binary());
    command.args([
        "identity",
        "bootstrap",
        "--bootstrap-username",
        "root",
        "--bootstrap-project-name",
        "ops",
    ]);
    command.args(["--bootstrap-region-id", "Two", "--bootstrap-public-url", "http://identity.example/v3"]);
    let output = command.env("OS_BOOTSTRAP_PASSWORD", password).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn an_administrator_of_another_name_is_made_and_mended() -> Result<()> {
    let installation = Installation::start("none")?;
    let refused = bootstrap(&installation, "first").expect_err("the database is in use").to_string();
    assert!(refused.contains("cannot open the database"), "{refused}");
    installation.run(&["down"])?;
    for password in ["first", "second"] {
        let printed = bootstrap(&installation, password)?;
        assert_eq!(printed, "User root has the role admin in the project ops and on the system.\n");
    }
    installation.up("none")?;
    let api = Api::log_in_as(&installation, "root", "second", "ops")?;
    let endpoints = api.identity("GET", "/v3/endpoints?region_id=Two", "")?.body();
    assert_eq!(endpoints["endpoints"].as_array().map(Vec::len), Some(1), "{endpoints}");
    assert_eq!(endpoints["endpoints"][0]["url"], "http://identity.example/v3");
    assert!(Api::log_in_as(&installation, "root", "first", "ops").is_err());
    Ok(())
}

fn mode(path: &Path) -> Result<u32> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o777)
}

#[test]
fn files_written_for_a_user_log_the_user_in() -> Result<()> {
    let installation = Installation::start("none")?;
    let openstack = root().join(".venv/bin/openstack");
    let admin = Api::log_in(&installation, "admin")?;
    let odd = "it's \"$HOME\" \\\\ #1";
    let user = serde_json::json!({"user": {"name": "odd", "password": odd}}).to_string();
    assert_eq!(admin.identity("POST", "/v3/users", &user)?.status, 201);
    let id = admin.identity("GET", "/v3/users?name=odd", "")?.body()["users"][0]["id"].clone();
    let role = admin.identity("GET", "/v3/roles?name=member", "")?.body()["roles"][0]["id"].clone();
    let (id, role) = (id.as_str().context("no user")?, role.as_str().context("no role")?);
    let grant = format!("/v3/projects/{}/users/{id}/roles/{role}", admin.project);
    assert_eq!(admin.identity("PUT", &grant, "")?.status, 204);

    let secret = installation.state_dir().join("secret");
    std::fs::write(&secret, format!("{odd}\n"))?;
    let files = [
        ("clouds", installation.state_dir().join("odd.yaml")),
        ("openrc", installation.state_dir().join("odd-openrc")),
    ];
    for (kind, path) in &files {
        let (path, secret) = (path.to_string_lossy(), secret.to_string_lossy());
        installation.run(&[
            "identity",
            kind,
            "odd",
            "--project",
            "admin",
            "--password-file",
            &secret,
            "--output",
            &path,
        ])?;
    }
    for (_, path) in &files {
        assert_eq!(mode(path)?, 0o600, "{}", path.display());
    }
    let mut by_cloud = Command::new(&openstack);
    by_cloud.env("OS_CLIENT_CONFIG_FILE", &files[0].1).args(["--os-cloud", "isospin"]);
    let mut by_variables = Command::new("sh");
    by_variables.args(["-c", ". \"$1\"; shift; exec \"$@\"", "sh"]).arg(&files[1].1).arg(&openstack);
    for mut command in [by_cloud, by_variables] {
        let output = command.args(["token", "issue", "-f", "value", "-c", "user_id"]).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), id);
    }

    let printed = installation.run(&["identity", "clouds", "admin", "--system"])?;
    assert!(printed.contains("system_scope: all") && !printed.contains("project_name"), "{printed}");
    let said = installation.output(&["identity", "clouds", "odd"])?;
    assert!(String::from_utf8_lossy(&said.stderr).contains("OS_PASSWORD"), "{said:?}");
    Ok(())
}

#[test]
fn keys_are_rotated_while_the_server_runs() -> Result<()> {
    let installation = Installation::start("none")?;
    let before = Api::log_in(&installation, "admin")?;
    assert_eq!(installation.run(&["keys", "rotate"])?, "Key 2 seals tokens from now on.\n");
    let after = Api::log_in(&installation, "admin")?;
    for api in [&before, &after] {
        assert_eq!(api.network("GET", "/networks", "")?.status, 200);
    }
    let keys = installation.state_dir().join("fernet-keys");
    assert_eq!((mode(&keys)?, mode(&keys.join("0"))?), (0o700, 0o600));
    // The key of the first token would go.
    let refused = installation.output(&["keys", "rotate"])?;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"), "{refused:?}");
    assert_eq!(before.network("GET", "/networks", "")?.status, 200);
    let printed = installation.run(&["keys", "rotate", "--force"])?;
    assert_eq!(printed, "Key 3 seals tokens from now on.\nKey 1 is gone.\n");
    assert_eq!(after.network("GET", "/networks", "")?.status, 200);
    Ok(())
}
