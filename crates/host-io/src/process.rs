//! Child processes: one way to run a tool at a place, with input, a time limit
//! and its words captured.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::{HostError, Place};

/// How long a tool may take unless its caller says otherwise.
pub const DEFAULT_LIMIT: Duration = Duration::from_secs(30);

/// Folders searched beside `PATH`: agents are often started without the sbin ones.
const EXTRA_FOLDERS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// What a tool that succeeded wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// A tool that has been started at its place and waits for input.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    command: String,
    limit: Duration,
}

/// Runs `program` at `place` and waits for its end. The child is killed when
/// the time is over or the caller goes away.
///
/// # Errors
/// [`HostError::ToolMissing`], [`HostError::Tool`] when it exits with anything
/// but 0, [`HostError::Timeout`].
pub async fn run(
    place: &Place,
    program: &str,
    args: &[&str],
    stdin: &[u8],
    limit: Duration,
) -> Result<Output, HostError> {
    start(place, program, args, limit).await?.finish(stdin).await
}

pub(crate) async fn start(
    place: &Place,
    program: &str,
    args: &[&str],
    limit: Duration,
) -> Result<Started, HostError> {
    let path = find(program)
        .ok_or_else(|| HostError::ToolMissing { tool: program.to_owned(), package: package_of(program) })?;
    let mut command = Command::new(path);
    command
        .args(args)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let shown = std::iter::once(program).chain(args.iter().copied()).collect::<Vec<_>>().join(" ");
    // A child starts in the namespace of the thread that makes it.
    let spawned = place.run(move || command.spawn()).await?;
    let child = spawned.map_err(|source| HostError::kernel("start", shown.clone(), source))?;
    Ok(Started { child, command: shown, limit })
}

impl Started {
    /// Process id, while it has not been waited for.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(crate) async fn finish(mut self, stdin: &[u8]) -> Result<Output, HostError> {
        let pipe = self.child.stdin.take();
        let feed = async {
            if let Some(mut pipe) = pipe {
                // A tool that fails early closes its input; its exit code says why.
                let _ = pipe.write_all(stdin).await;
            }
        };
        let both = async { tokio::join!(feed, self.child.wait_with_output()).1 };
        let output = match tokio::time::timeout(self.limit, both).await {
            Ok(result) => {
                result.map_err(|source| HostError::kernel("wait for", self.command.clone(), source))?
            }
            Err(_) => return Err(HostError::Timeout { command: self.command, limit: self.limit }),
        };
        let stderr = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        if output.status.success() {
            Ok(Output { stdout: output.stdout, stderr })
        } else {
            Err(HostError::Tool { command: self.command, status: output.status.to_string(), stderr })
        }
    }
}

/// The tools a host must have.
#[derive(Debug)]
pub struct Tools;

impl Tools {
    /// Checks that every tool is there, before anything is half done.
    ///
    /// # Errors
    /// [`HostError::ToolMissing`] for the first that is not.
    pub fn require(tools: &[&str]) -> Result<(), HostError> {
        match tools.iter().find(|tool| find(tool).is_none()) {
            None => Ok(()),
            Some(tool) => Err(HostError::ToolMissing { tool: (*tool).to_owned(), package: package_of(tool) }),
        }
    }
}

fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(EXTRA_FOLDERS.iter().map(|folder| Path::new(folder).to_owned()))
        .map(|folder| folder.join(program))
        .find(|candidate| nix::unistd::access(candidate, nix::unistd::AccessFlags::X_OK).is_ok())
}

/// Debian package that holds `tool`.
fn package_of(tool: &str) -> &'static str {
    match tool {
        "ip" | "bridge" | "tc" | "ss" => "iproute2",
        "nft" => "nftables",
        "conntrack" => "conntrack",
        "iptables" | "iptables-restore" | "ip6tables-restore" => "iptables",
        "ipset" => "ipset",
        "ping" => "iputils-ping",
        "udhcpc" => "udhcpc",
        "dnsmasq" => "dnsmasq-base",
        "ethtool" => "ethtool",
        "ovs-vsctl" | "ovs-appctl" => "openvswitch-switch",
        _ => "of the same name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn input_reaches_the_tool_and_output_comes_back() {
        let output = run(&Place::Host, "cat", &[], b"hello", DEFAULT_LIMIT).await.expect("cat");
        assert_eq!(output.stdout, b"hello");
    }

    #[tokio::test]
    async fn a_failing_tool_is_named_with_its_words() {
        let error = run(&Place::Host, "sh", &["-c", "echo bad >&2; exit 3"], b"", DEFAULT_LIMIT)
            .await
            .expect_err("fails");
        let text = error.reason();
        assert!(text.contains("exit status: 3") && text.contains("bad"), "{text}");
    }

    #[tokio::test]
    async fn a_slow_tool_is_cut_off() {
        let error =
            run(&Place::Host, "sleep", &["60"], b"", Duration::from_millis(20)).await.expect_err("too slow");
        assert!(matches!(error, HostError::Timeout { .. }), "{error}");
    }

    #[test]
    fn a_missing_tool_is_named_with_its_package() {
        let error = Tools::require(&["sh", "no-such-tool"]).expect_err("missing");
        assert_eq!(
            error.to_string(),
            "the program `no-such-tool` is missing; it is in the package of the same name"
        );
    }
}
