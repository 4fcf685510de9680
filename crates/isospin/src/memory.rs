//! What a process holds of its machine's memory.
//!
//! A server has many cores' worth of requests and takes its memory from mimalloc, whose threads
//! do not wait for each other. An agent holds one or two MiB and shares its host with what is
//! paid for: there mimalloc keeps some ten MiB beside them, glibc's with a single arena two.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, Ordering};
use std::{fs, io};

use mimalloc::MiMalloc;
use nix::sys::mman::{MmapAdvise, madvise};
use rustix::fs::{Mode, OFlags};

/// The allocator of this process: for a server or for an agent.
#[derive(Debug)]
pub struct Allocator;

const UNDECIDED: u8 = 0;
const SERVER: u8 = 1;
const AGENT: u8 = 2;
/// Decided by the first allocation, before there is a second thread, and never changed.
static DECISION: AtomicU8 = AtomicU8::new(UNDECIDED);

fn is_agent() -> bool {
    match DECISION.load(Ordering::Relaxed) {
        UNDECIDED => {
            let is_agent = is_agent_command();
            DECISION.store(if is_agent { AGENT } else { SERVER }, Ordering::Relaxed);
            is_agent
        }
        decided => decided == AGENT,
    }
}

/// Whether the first argument is `agent`. Allocates nothing.
fn is_agent_command() -> bool {
    let Ok(file) = rustix::fs::open(c"/proc/self/cmdline", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    else {
        return false;
    };
    // The path of the program is in it as well.
    let mut line = [0; 4096 + 16];
    let Ok(length) = rustix::io::read(&file, &mut line) else { return false };
    first_argument(&line[..length]) == Some(c"agent")
}

fn first_argument(line: &[u8]) -> Option<&CStr> {
    let name = line.iter().position(|byte| *byte == 0)?;
    CStr::from_bytes_until_nul(line.get(name + 1..)?).ok()
}

// SAFETY: each call is handed to one of two allocators, and always to the same one.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those either asks for.
        unsafe { if is_agent() { System.alloc(layout) } else { MiMalloc.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { if is_agent() { System.alloc_zeroed(layout) } else { MiMalloc.alloc_zeroed(layout) } }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above, and the block is of this allocator.
        unsafe { if is_agent() { System.dealloc(block, layout) } else { MiMalloc.dealloc(block, layout) } }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above, and the block is of this allocator.
        unsafe {
            if is_agent() {
                System.realloc(block, layout, size)
            } else {
                MiMalloc.realloc(block, layout, size)
            }
        }
    }
}

/// Asks the kernel and the C library for what an agent needs; before there are threads.
pub fn keep_small() {
    // Pages of 2 MiB are most of what an agent would hold. A kernel that has none refuses,
    // which is as well.
    let _ = nix::sys::prctl::set_thp_disable(true);
    // SAFETY: sets a number in the C library; nothing else runs yet.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Gives back the pages of the program that only its start has used: tables of the loader,
/// options, certificates, the first look at the host. What is needed again is read from the
/// page cache, 64 KiB at a time, as at the start.
///
/// # Errors
/// When the kernel does not say what is mapped.
pub fn give_back_start() -> io::Result<()> {
    let program = fs::read_link("/proc/self/exe")?;
    let mapped = fs::read_to_string("/proc/self/maps")?;
    let program = program.to_string_lossy();
    for (first, last) in mapped.lines().filter_map(|line| unwritten(line, &program)) {
        let Some(start) = NonNull::new(ptr::with_exposed_provenance_mut(first)) else { continue };
        // SAFETY: these pages are the file's: they cannot be written to, and the loader did not
        // before they became so. They read as before.
        unsafe { madvise(start, last - first, MmapAdvise::MADV_DONTNEED)? };
    }
    Ok(())
}

/// First octet and the one after the last, when this line of `/proc/self/maps` is code of the
/// program, or its constants from the start of the file. Other constants are relocated: they
/// were written before they were protected.
fn unwritten(line: &str, program: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (addresses, rights, offset) = (words.next()?, words.next()?, words.next()?);
    let is_of_program =
        line.split_once(" /").is_some_and(|(_, path)| program.strip_prefix('/') == Some(path));
    let is_constant = rights == "r--p" && offset.bytes().all(|digit| digit == b'0');
    if !is_of_program || !(rights == "r-xp" || is_constant) {
        return None;
    }
    let (first, last) = addresses.split_once('-')?;
    Some((usize::from_str_radix(first, 16).ok()?, usize::from_str_radix(last, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_command_of_an_agent_is_one() {
        assert_eq!(first_argument(b"/usr/bin/isospin\0agent\0--join\0"), Some(c"agent"));
        assert_eq!(first_argument(b"isospin\0server\0agent\0"), Some(c"server"));
        assert_eq!(first_argument(b"isospin\0"), None);
        assert_eq!(first_argument(b""), None);
    }

    #[test]
    fn code_and_constants_go_and_what_was_written_stays() {
        let of = |line: &str| unwritten(line, "/opt/with space/isospin");
        let code = "55a0-55b0 r-xp 00ba6000 fe:00 1026                    /opt/with space/isospin";
        assert_eq!(of(code), Some((0x55a0, 0x55b0)));
        let constants = "5500-55a0 r--p 00000000 fe:00 1026                    /opt/with space/isospin";
        assert_eq!(of(constants), Some((0x5500, 0x55a0)));
        let relocated = "55b0-55c0 r--p 02ba8000 fe:00 1026                    /opt/with space/isospin";
        assert_eq!(of(relocated), None);
        let data = "55c0-55d0 rw-p 00000000 fe:00 1026                    /opt/with space/isospin";
        assert_eq!(of(data), None);
        assert_eq!(of("55d0-55e0 r-xp 00000000 fe:00 7                     /usr/lib/libc.so.6"), None);
        assert_eq!(of("55e0-55f0 r-xp 00000000 00:00 0                     [vdso]"), None);
    }

    #[test]
    fn a_program_runs_on_after_its_pages_are_given_back() {
        give_back_start().expect("given back");
        let text = format!("{:?}", "1.2.3.4".parse::<std::net::IpAddr>().expect("address"));
        assert_eq!(text, "1.2.3.4");
    }
}
