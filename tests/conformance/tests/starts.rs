//! Bad starts: each gets a clear error, leaves nothing running and nothing half done.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Result, ensure};
use isospin_conformance::{Attempt, Installation, may_run_as_root};

/// Nobody's user and group.
const NOBODY: u32 = 65534;

#[test]
fn a_busy_port_is_named_with_the_flag_that_chooses_another() -> Result<()> {
    for flag in ["--identity-listen", "--network-listen", "--feed-listen"] {
        let taken = TcpListener::bind("127.0.0.1:0")?;
        let address = taken.local_addr()?.to_string();
        let attempt = Attempt::new("none")?.with(&[flag, &address]);
        let said = attempt.refused()?;
        assert!(said.contains(&address) && said.contains(flag) && said.contains("in use"), "{said}");
        assert!(!attempt.state_dir().join("isospin.sqlite").exists(), "{flag}: the database was made");
        drop(taken);
        attempt.works()?;
    }
    Ok(())
}

#[test]
fn damaged_files_are_named_and_left_as_they_are() -> Result<()> {
    for (file, contents, expected) in [
        ("isospin.sqlite", &[7u8; 8192][..], "not a database"),
        ("credentials.json", b"{\"admin\":", "damaged"),
        ("pki/authority.pem", b"-----BEGIN NOTHING-----", "cannot open the authority"),
        ("fernet-keys/1", b"too short", "key"),
    ] {
        let attempt = Attempt::new("none")?;
        attempt.file(file, contents)?;
        let said = attempt.refused()?;
        let place = file.split('/').next().unwrap_or(file);
        assert!(said.contains(place) && said.contains(expected), "{file}: {said}");
        ensure!(std::fs::read(attempt.state_dir().join(file))? == contents, "{file} was written over");
        std::fs::remove_file(attempt.state_dir().join(file))?;
        if file != "fernet-keys/1" {
            attempt.works()?;
        }
    }
    Ok(())
}

#[test]
fn a_database_with_a_damaged_page_is_refused() -> Result<()> {
    let attempt = Attempt::new("none")?;
    attempt.works()?;
    let path = attempt.state_dir().join("isospin.sqlite");
    let mut database = std::fs::read(&path)?;
    // The file says what it is, but its first page, which lists the tables, is gone.
    database[100..4096].fill(0xa5);
    std::fs::write(&path, &database)?;
    for log in ["isospin.sqlite-wal", "isospin.sqlite-shm"] {
        let _ = std::fs::remove_file(attempt.state_dir().join(log));
    }
    let said = attempt.refused()?;
    assert!(said.contains("isospin.sqlite is damaged"), "{said}");
    assert_eq!(std::fs::read(&path)?[..4096], database[..4096], "it was written over");
    Ok(())
}

#[test]
fn a_state_directory_that_is_none_is_refused() -> Result<()> {
    let attempt = Attempt::new("none")?;
    attempt.file("file", b"")?;
    let path = attempt.state_dir().join("file/state");
    let said = attempt.refused_when(|command| {
        command.arg("--state-dir").arg(&path);
    })?;
    assert!(said.contains("cannot create the state directory") && said.contains("file/state"), "{said}");
    Ok(())
}

#[test]
fn a_damaged_replica_costs_the_agent_nothing_but_the_replica() -> Result<()> {
    let attempt = Attempt::new("simulated")?;
    attempt.works()?;
    let replica = attempt.state_dir().join("agent/replica");
    let mut damaged = 0;
    for entry in std::fs::read_dir(&replica)? {
        std::fs::write(entry?.path(), b"garbage")?;
        damaged += 1;
    }
    assert!(damaged > 0, "no replica in {}", replica.display());
    attempt.works()?;
    let log = std::fs::read_to_string(attempt.state_dir().join("logs/agent.log"))?;
    assert!(log.contains("the replica on disk is not used"), "{log}");
    Ok(())
}

#[test]
fn a_second_start_in_the_same_directory_is_refused() -> Result<()> {
    let installation = Installation::start("none")?;
    let output = installation.output(&["up", "--detach", "--agent", "none"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("already runs"), "{said}");
    assert_eq!(installation.status()?["ready"], true, "the first runs on");
    Ok(())
}

#[test]
fn a_bad_configuration_is_refused_before_anything_is_made() -> Result<()> {
    for (toml, expected) in [
        ("[network]\nglobal_physnet_mut = 9000\n", &["line 2", "did you mean `global_physnet_mtu`?"][..]),
        ("[netwrok]\n", &["netwrok", "did you mean `network`?"]),
        ("[network]\nlisten = \"nowhere\"\n", &["line 2", "nowhere"]),
        ("[feed]\nlisten = 9697\n", &["line 2", "string"]),
        ("[agent\n", &["line 1"]),
        ("[network]\ntenant_network_types = [\"flat\"]\n", &["tenant_network_types", "'flat'"]),
        ("[network]\nvxlan_ranges = [\"5:1\"]\n", &["vxlan_ranges", "'5:1'"]),
        ("[store]\nurl = \"mysql://nobody\"\n", &["invalid PostgreSQL address"]),
        ("[store]\nurl_file = \"/nonexistent\"\n", &["url_file", "/nonexistent"]),
        ("[log]\nlevel = \"lots of it\"\n", &["[log] level", "lots of it"]),
        ("[log]\nformat = \"xml\"\n", &["[log] format", "xml"]),
    ] {
        let attempt = Attempt::new("none")?;
        attempt.file("isospin.toml", toml.as_bytes())?;
        let path = attempt.state_dir().join("isospin.toml");
        let said = attempt.refused_when(|command| {
            command.arg("--config").arg(&path);
        })?;
        for text in expected {
            assert!(said.contains(text), "{toml}: {said}");
        }
        assert!(!attempt.state_dir().join("isospin.sqlite").exists(), "{toml}: the database was made");
    }
    let attempt = Attempt::new("none")?;
    let said = attempt.refused_when(|command| {
        command.args(["--config", "/nonexistent/isospin.toml"]);
    })?;
    assert!(said.contains("/nonexistent/isospin.toml"), "{said}");
    let said = attempt.refused_when(|command| {
        command.env("ISOSPIN_NETWORK_DNS_DOMIAN", "example.org");
    })?;
    assert!(said.contains("ISOSPIN_NETWORK_DNS_DOMIAN") && said.contains("`dns_domain`"), "{said}");
    Ok(())
}

#[test]
fn a_database_server_that_is_not_there_is_named() -> Result<()> {
    let attempt = Attempt::new("none")?;
    attempt.file("isospin.toml", b"[store]\nurl = \"postgresql://isospin@127.0.0.1:1/isospin\"\n")?;
    let path = attempt.state_dir().join("isospin.toml");
    let said = attempt.refused_when(|command| {
        command.arg("--config").arg(&path);
    })?;
    assert!(said.contains("cannot open the database") && said.contains("refused"), "{said}");
    Ok(())
}

#[test]
fn without_root_a_real_agent_is_refused_and_a_simulated_one_runs() -> Result<()> {
    if !may_run_as_root("starting as another user") {
        return Ok(());
    }
    // The checkout may lie where only root can look: give the other user a copy.
    let folder = tempfile::Builder::new().prefix("isospin-attempt-").tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let copy = folder.path().join("isospin");
    std::fs::copy(Installation::binary(), &copy)?;
    let state = folder.path().join("state");
    std::fs::create_dir(&state)?;
    chown(&state, Some(NOBODY), Some(NOBODY))?;
    let run = |arguments: &[&str]| -> Result<(bool, String)> {
        let output = Command::new(&copy)
            .args(arguments)
            .arg("--state-dir")
            .arg(&state)
            .uid(NOBODY)
            .gid(NOBODY)
            .current_dir("/")
            .output()?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let (started, said) = run(&["up", "--detach"])?;
    assert!(!started && said.contains("root") && said.contains("--agent simulated"), "{said}");
    assert_eq!(std::fs::read_dir(&state)?.count(), 0, "something was made before the refusal");
    for command in [&["agent"][..], &["demo"], &["attach", "x", "--netns", "y"], &["detach", "x"]] {
        let (done, said) = run(command)?;
        assert!(!done && said.contains("root"), "{command:?}: {said}");
    }
    let listens = ["--identity-listen", "--network-listen", "--feed-listen"];
    let listens: Vec<&str> = listens.iter().flat_map(|flag| [*flag, "127.0.0.1:0"]).collect();
    let (started, said) = run(&[&["up", "--detach", "--agent", "simulated"][..], &listens].concat())?;
    assert!(started, "{said}");
    assert!(run(&["down"])?.0);
    Ok(())
}

#[test]
fn commands_say_what_is_missing() -> Result<()> {
    let attempt = Attempt::new("none")?;
    let run = |arguments: &[&str]| -> Result<(bool, String)> {
        let output = Command::new(Installation::binary())
            .args(arguments)
            .env("ISOSPIN_STATE_DIR", attempt.state_dir())
            .output()?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let (done, said) = run(&["status"])?;
    assert!(!done && said.contains("isospin up"), "{said}");
    if may_run_as_root("attach, detach and demo without a cloud") {
        for command in
            [&["attach", "x", "--netns", "y"][..], &["detach", "x"], &["demo"], &["demo", "--remove"]]
        {
            let (done, said) = run(command)?;
            assert!(!done && said.contains("isospin up"), "{command:?}: {said}");
        }
    }
    assert!(run(&["down"])?.0, "stopping what does not run is fine");
    Ok(())
}

#[test]
fn commands_name_the_port_that_is_not_there() -> Result<()> {
    if !may_run_as_root("attaching a port that is not there") {
        return Ok(());
    }
    let installation = Installation::start("simulated")?;
    for command in [&["attach", "nothing", "--netns", "isospin-none"][..], &["detach", "nothing"]] {
        let output = installation.output(command)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("there is no port 'nothing'"), "{said}");
    }
    assert!(!std::path::Path::new("/run/netns/isospin-none").exists(), "a namespace was made");
    Ok(())
}

#[test]
fn only_the_owner_reads_the_state_directory() -> Result<()> {
    let installation = Installation::start("simulated")?;
    let mut folders = vec![installation.state_dir().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let mode = metadata.permissions().mode() & 0o777;
            assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", entry.path().display());
            match metadata.is_dir() {
                true => folders.push(entry.path()),
                false => files += 1,
            }
        }
    }
    assert!(files > 10, "{files} files only");
    Ok(())
}
