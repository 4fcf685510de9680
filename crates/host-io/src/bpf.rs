//! Programs the kernel runs for each packet (eBPF, linux/bpf.h): a handful of
//! instructions, so they are written out here instead of brought by a compiler.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd};

use crate::HostError;
use crate::links::PacketRule;

/// BPF_PROG_LOAD, and the kind of program filters of queueing run.
const LOAD: libc::c_long = 5;
const SCHED_CLS: u32 = 3;
/// Place of the mark in what a program is given (struct __sk_buff).
const MARK: i16 = 8;
/// Verdicts (linux/pkt_cls.h).
const PASS: i32 = 0;
const DROP: i32 = 2;

/// One instruction as the kernel takes it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Instruction {
    code: u8,
    /// Target in the low half, source in the high half.
    registers: u8,
    offset: i16,
    value: i32,
}

const fn op(code: u8, registers: u8, offset: i16, value: i32) -> Instruction {
    Instruction { code, registers, offset, value }
}

/// r0 is the verdict, r1 the packet's description at the start, r6 must be that for a
/// look into the packet.
const EXIT: Instruction = op(0x95, 0, 0, 0);
const KEEP_PACKET: Instruction = op(0xbf, 0x16, 0, 0);
const WRITE_MARK: Instruction = op(0x63, 0x21, MARK, 0);
const READ_MARK: Instruction = op(0x61, 0x12, MARK, 0);

const fn verdict(value: i32) -> Instruction {
    op(0xb7, 0, 0, value)
}

/// r2 = a mark.
const fn mark(mark: u32) -> Instruction {
    op(0xb4, 0x02, 0, mark.cast_signed())
}

/// Goes over so many instructions when the packet's mark is this one.
const fn skip_if_mark(mark: u32, count: i16) -> Instruction {
    // 32 bits compared; a mark above 0x7fffffff is no negative number.
    op(0x16, 0x02, count, mark.cast_signed())
}

/// The instructions of a rule.
fn instructions(rule: PacketRule) -> Vec<Instruction> {
    match rule {
        PacketRule::Mark(value) => vec![
            KEEP_PACKET,
            mark(value),
            WRITE_MARK,
            // Addressed to 01:80:c2:00:00:0x: a bridge takes it for itself.
            op(0x20, 0, 0, 0),
            op(0x55, 0, 3, 0x0180_c200),
            op(0x28, 0, 0, 4),
            op(0x57, 0, 0, 0xfff0),
            op(0x15, 0, 2, 0),
            verdict(PASS),
            EXIT,
            verdict(DROP),
            EXIT,
        ],
        PacketRule::Only(value) => {
            vec![READ_MARK, verdict(PASS), skip_if_mark(value, 1), verdict(DROP), EXIT]
        }
        PacketRule::Except(value) => {
            vec![READ_MARK, verdict(DROP), skip_if_mark(value, 1), verdict(PASS), EXIT]
        }
        PacketRule::Nothing => vec![verdict(DROP), EXIT],
    }
}

/// A program in the kernel, as long as this or a filter refers to it.
#[derive(Debug)]
pub(crate) struct Program(OwnedFd);

/// The part of `union bpf_attr` loading needs.
#[repr(C)]
#[derive(Debug)]
struct LoadRequest {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

impl Program {
    /// Loads the program of a rule.
    ///
    /// # Errors
    /// When the kernel has no eBPF or refuses.
    pub(crate) fn load(rule: PacketRule) -> Result<Self, HostError> {
        let instructions = instructions(rule);
        let request = LoadRequest {
            kind: SCHED_CLS,
            count: instructions.len() as u32,
            instructions: instructions.as_ptr() as u64,
            license: c"Apache-2.0".as_ptr() as u64,
            log_level: 0,
            log_size: 0,
            log: 0,
            kernel_version: 0,
            flags: 0,
        };
        // SAFETY: the request is a prefix of `union bpf_attr` whose length is given, and what
        // it points at lives until the call returns.
        let result =
            unsafe { libc::syscall(libc::SYS_bpf, LOAD, &raw const request, size_of::<LoadRequest>()) };
        match RawFd::try_from(result) {
            // SAFETY: a descriptor the kernel has just made, owned by nobody else.
            Ok(fd) if fd >= 0 => Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) })),
            _ => Err(HostError::kernel("load the program", rule.name(), io::Error::last_os_error())),
        }
    }
}

impl AsRawFd for Program {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
