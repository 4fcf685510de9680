//! Echo requests at a steady pace, each accounted for.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use crate::wait::pause;
use crate::{Guest, inside};

/// A request every millisecond.
const PACE: Duration = Duration::from_millis(1);
/// Time the last answers may take.
const LAST: Duration = Duration::from_secs(1);
/// For answers that wait while this process does not run: none may be lost here.
const BUFFER: usize = 8 << 20;
/// 20 bytes of IP header, 8 of ICMP, 8 of ours.
const ANSWER: usize = 36;

/// Tells the pings of this process apart.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A ping that runs.
#[derive(Debug)]
pub struct Ping {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Pinged>>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Pinged {
    pub sent: u64,
    /// Numbers of the requests that were never answered.
    pub lost: BTreeSet<u64>,
    /// Longest time without an answer.
    pub silence: Duration,
}

impl Ping {
    /// Pings from a namespace ("" = the host).
    ///
    /// # Errors
    /// No such namespace.
    pub fn start(from: &str, to: Ipv4Addr) -> Result<Self> {
        Self::over(inside(from, || open(to))?)
    }

    /// Pings from an instance of a lab.
    ///
    /// # Errors
    /// It has gone.
    pub fn from(guest: &Guest, to: Ipv4Addr) -> Result<Self> {
        Self::over(guest.instance.within(|| open(to))?)
    }

    fn over(socket: Socket) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let id = NEXT.fetch_add(1, Ordering::Relaxed) ^ (std::process::id() as u16);
        Ok(Self { stop, thread: std::thread::spawn(move || run(&socket, id, &seen)) })
    }

    /// Sends no more, and waits for the last answers.
    ///
    /// # Errors
    /// The socket's.
    pub fn finish(self) -> Result<Pinged> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the ping panicked"))?
    }

    /// Whether a single request is answered within the time.
    ///
    /// # Errors
    /// No such namespace.
    pub fn once(from: &str, to: Ipv4Addr, within: Duration) -> Result<bool> {
        let socket = inside(from, || open(to))?;
        let id = NEXT.fetch_add(1, Ordering::Relaxed) ^ (std::process::id() as u16);
        // A refusal of the kernel (no route yet) is no answer.
        if (&socket).write(&request(id, 0)).is_err() {
            return Ok(false);
        }
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if answer(&socket, id) == Some(0) {
                return Ok(true);
            }
            pause(PACE);
        }
        Ok(false)
    }
}

fn open(to: Ipv4Addr) -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    socket.connect(&SocketAddr::from((to, 0)).into()).context("no way to the other end")?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn run(socket: &Socket, id: u16, stop: &AtomicBool) -> Result<Pinged> {
    let mut result = Pinged::default();
    let mut heard = Instant::now();
    let mut next = Instant::now();
    let mut stopped = None;
    loop {
        let now = Instant::now();
        if stopped.is_none() && stop.load(Ordering::Relaxed) {
            stopped = Some(now);
        }
        if stopped.is_some_and(|at| result.lost.is_empty() || now > at + LAST) {
            result.silence =
                result.silence.max(if result.lost.is_empty() { Duration::ZERO } else { now - heard });
            return Ok(result);
        }
        if stopped.is_none() && now >= next {
            // Not sent is not answered: it counts as lost.
            let _ = { socket }.write(&request(id, result.sent));
            result.lost.insert(result.sent);
            result.sent += 1;
            next += PACE;
        }
        while let Some(number) = answer(socket, id) {
            if result.lost.remove(&number) {
                let now = Instant::now();
                result.silence = result.silence.max(now - heard);
                heard = now;
            }
        }
        pause(next.saturating_duration_since(Instant::now()).min(PACE));
    }
}

/// An echo request with a number that does not wrap around.
fn request(id: u16, number: u64) -> Vec<u8> {
    let mut request = vec![8, 0, 0, 0];
    request.extend(id.to_be_bytes());
    request.extend((number as u16).to_be_bytes());
    request.extend(number.to_be_bytes());
    let mut sum: u32 = request.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    request[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    request
}

/// The number of the next answer that has arrived.
fn answer(mut socket: &Socket, id: u16) -> Option<u64> {
    let mut packet = [0u8; 256];
    loop {
        let length = socket.read(&mut packet).ok()?;
        if length >= ANSWER && packet[20] == 0 && packet[24..26] == id.to_be_bytes() {
            return packet[28..ANSWER].try_into().ok().map(u64::from_be_bytes);
        }
    }
}
