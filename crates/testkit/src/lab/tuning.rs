//! What operators of a switch in userspace tune (docs/operator/openvswitch.md): its queues, and
//! its core.

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::socket::{setsockopt, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::{Domain, Socket};

/// Frames of a second of what tests send; the kernel's own default holds those of 0.2 s.
const BYTES: usize = 8 << 20;

/// Makes the queues of a switch's ports so long that no frame is lost in them while other
/// processes of a test keep the switch from its core. A switch in the kernel has no such
/// queue; operators of one in userspace set `net.core.rmem_default`
/// (docs/operator/openvswitch.md). Ports that come later have short ones.
///
/// # Errors
/// There is no such process, or it may not be touched.
pub fn lengthen_queues(process: u32) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(process)?).context("no process has the number 0")?;
    let switch = pidfd_open(pid, PidfdFlags::empty()).context("the switch has ended")?;
    for entry in std::fs::read_dir(format!("/proc/{process}/fd"))? {
        let entry = entry?;
        // Those closed meanwhile are of no interest.
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        if !target.to_string_lossy().starts_with("socket:") {
            continue;
        }
        let number = entry.file_name().to_string_lossy().parse()?;
        let Ok(shared) = pidfd_getfd(&switch, number, PidfdGetfdFlags::empty()) else { continue };
        let socket = Socket::from(shared);
        if socket.domain()? == Domain::PACKET {
            setsockopt(&socket, sockopt::RcvBufForce, &BYTES)?;
        }
    }
    Ok(())
}

/// Keeps a process on a core, or with 0 the calling thread; so are those they start later.
///
/// # Errors
/// There is no such process or core.
pub fn stay_on(process: u32, core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    let keep = |thread| Ok(sched_setaffinity(nix::unistd::Pid::from_raw(thread), &cores)?);
    if process == 0 {
        return keep(0);
    }
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        keep(thread?.file_name().to_string_lossy().parse()?)?;
    }
    Ok(())
}
