//! A host for one test.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use isospin_conformance::may_run_as_root;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Memory for what the test writes beside its state directory.
const SCRATCH: &str = "/run";

/// Files that take the place of those in /etc inside a named namespace.
const RESOLVERS: &str = "/etc/netns";

/// Stands for the host the calling thread is on.
#[derive(Debug)]
pub struct Host {
    _entered: (),
}

impl Host {
    /// Moves the calling thread, and whatever it starts from now on, to a fresh host:
    /// no devices but `lo`, no rules, no named namespaces, an empty /run and /var/lib,
    /// and an /etc whose changes nobody else sees. `None`: not root, which is said
    /// aloud; in CI it is a failure.
    ///
    /// # Errors
    /// The kernel's.
    pub fn enter(test: &str) -> Result<Option<Self>> {
        if !may_run_as_root(test) {
            return Ok(None);
        }
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context("cannot leave this host")?;
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
            .context("cannot keep mounts private")?;
        mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none).context("cannot mount /sys")?;
        for folder in [SCRATCH, "/var/lib"] {
            mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))
                .with_context(|| format!("cannot mount {folder}"))?;
        }
        std::fs::create_dir("/run/netns")?;
        lay_over(Path::new("/etc"))?;
        if Path::new(RESOLVERS).exists() {
            std::fs::remove_dir_all(RESOLVERS)?;
        }
        run("ip", &["link", "set", "lo", "up"])?;
        Ok(Some(Self { _entered: () }))
    }

    /// Takes a tool away from this host.
    ///
    /// # Errors
    /// The kernel's.
    pub fn without(&self, tool: &str) -> Result<()> {
        for folder in ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"] {
            if std::fs::symlink_metadata(Path::new(folder).join(tool)).is_ok() {
                lay_over(Path::new(folder))?;
                std::fs::remove_file(Path::new(folder).join(tool))?;
            }
        }
        Ok(())
    }
}

/// From now on what is changed in the folder is changed for this host only.
fn lay_over(folder: &Path) -> Result<()> {
    let name = folder.to_string_lossy().replace('/', "_");
    let layers: Vec<_> =
        ["upper", "work"].iter().map(|layer| format!("{SCRATCH}/over{name}/{layer}")).collect();
    for layer in &layers {
        std::fs::create_dir_all(layer)?;
    }
    let options = format!("lowerdir={},upperdir={},workdir={}", folder.display(), layers[0], layers[1]);
    mount(Some("overlay"), folder, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .with_context(|| format!("cannot lay memory over {}", folder.display()))
}

/// Runs a tool that must succeed; what it printed.
///
/// # Errors
/// It failed: with what it said.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
