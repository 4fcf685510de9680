//! The commands of the guides do what the guides say.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use isospin_conformance::{Installation, root};
use isospin_system::{Host, same_shape, shape};

/// Commands a guide shows that are not for a test: they build, run tests, or need a
/// second machine.
const NOT_HERE: &[&str] = &["make up", "make test", "isospin token host-2"];

/// How commands begin; other indented lines of the README and the operator guide are
/// examples of files.
const COMMANDS: &[&str] = &["export ", "ip ", "isospin ", "make ", "nft ", "openstack "];

/// Lines of a page that are commands: those indented by four spaces.
fn commands(page: &str) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root().join(page)).with_context(|| page.to_owned())?;
    let commands = text.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned);
    Ok(commands.collect())
}

/// A shell as the reader's: client and binary are in its PATH, and variables it
/// exported stay.
struct Shell {
    path: String,
    state: Option<String>,
    exported: Vec<String>,
}

impl Shell {
    /// With the state directory of an installation, or with none named.
    fn new(installation: Option<&Installation>) -> Result<Self> {
        let client = root().join(".venv/bin");
        ensure!(client.join("openstack").exists(), "no client in {}: `make client` first", client.display());
        let binary = Installation::binary();
        let folder = binary.parent().context("the binary is nowhere")?;
        let path = std::env::var("PATH").unwrap_or_default();
        let state = installation.map(|it| it.state_dir().to_string_lossy().into_owned());
        Ok(Self {
            path: format!("{}:{}:{path}", client.display(), folder.display()),
            state,
            exported: Vec::new(),
        })
    }

    /// Runs a line, which must succeed; what it printed.
    fn run(&mut self, line: &str) -> Result<String> {
        if line.starts_with("export ") {
            self.exported.push(line.to_owned());
            return Ok(String::new());
        }
        let script = format!("set -e\n{}\n{line}", self.exported.join("\n"));
        let mut command = Command::new("bash");
        command.args(["-c", &script]).env("PATH", &self.path).env("ISOSPIN_IDENTITY_PASSWORD_ROUNDS", "4");
        if let Some(state) = &self.state {
            command
                .env("ISOSPIN_STATE_DIR", state)
                .env("OS_CLIENT_CONFIG_FILE", Path::new(state).join("clouds.yaml"));
        }
        let output = command.output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(output.status.success(), "{line}\n{}{}", text(&output.stdout), text(&output.stderr));
        Ok(text(&output.stdout))
    }
}

#[test]
fn the_user_guide() -> Result<()> {
    let Some(_host) = Host::enter("the user guide")? else { return Ok(()) };
    let installation = Installation::start("real")?;
    let mut shell = Shell::new(Some(&installation))?;
    let commands = commands("docs/user-guide.md")?;
    assert!(commands.len() > 20, "{commands:?}");
    for line in commands {
        let printed = shell.run(&line)?;
        // What the guide says of the more telling ones.
        for (end, expected) in [
            ("ip address show eth0", "inet 192.168.2."),
            ("port show web", "| status                  | ACTIVE"),
            ("meta_data.json", "\"name\":\"web\""),
            ("floating ip list", "10.77.77.201"),
        ] {
            ensure!(!line.ends_with(end) || printed.contains(expected), "{line}: {printed}");
        }
    }
    Ok(())
}

/// Stops what runs from the folders and removes them, also when the test failed.
struct Stopped([&'static str; 2]);

impl Drop for Stopped {
    fn drop(&mut self) {
        for folder in self.0 {
            let _ = Command::new(Installation::binary()).args(["down", "--state-dir", folder]).output();
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

#[test]
fn the_readme_and_the_operator_guide() -> Result<()> {
    let Some(_host) = Host::enter("the README")? else { return Ok(()) };
    let mut shell = Shell::new(None)?;
    let before = shape()?;
    let _stopped = Stopped(["/var/lib/isospin", "/tmp/cloud"]);
    // What `make up` does once everything is built.
    shell.run("isospin up --detach")?;
    let mut ran = 0;
    for page in ["README.md", "docs/operator-guide.md"] {
        for line in commands(page)? {
            let line = line.replace("target/release/isospin", "isospin");
            let is_command = COMMANDS.iter().any(|start| line.starts_with(start));
            if !is_command || NOT_HERE.contains(&&*line) {
                continue;
            }
            // A second installation on this host needs ports of its own.
            let second = "--agent simulated --state-dir /tmp/cloud";
            let line = line.replace(
                second,
                &format!("{second} --identity-listen 127.0.0.1:0 --network-listen 127.0.0.1:0 --feed-listen 127.0.0.1:0"),
            );
            shell.run(&line).with_context(|| page.to_owned())?;
            ran += 1;
        }
    }
    assert!(ran >= 14, "{ran} commands only");
    same_shape(&before, Duration::from_secs(5))
}
