//! Packets between instances all the time: some that must arrive, some that never may.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use etherparse::PacketBuilder;
use isospin_host_io::Place;
use isospin_host_io::raw::FrameSender;
use isospin_testkit::lab::Capture;

use crate::wait::pause;
use crate::{Guest, until};

/// UDP port the groups of the instances open.
pub const OPEN: u16 = 5000;
/// And one they do not.
const CLOSED: u16 = 6000;
/// Between two rounds, in which everybody sends everything to everybody.
const PACE: Duration = Duration::from_millis(20);
/// Begins what is sent: then whether it may arrive, and who sent it.
const MARK: &[u8] = b"isospin-probe";
const ALLOWED: u8 = b'A';
const NOBODY: [u8; 6] = [0xfa, 0x16, 0x3e, 0xfe, 0xfe, 0xfe];

/// Probes that run.
#[derive(Debug)]
pub struct Probes {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    rounds: AtomicU64,
    seen: Mutex<Seen>,
}

/// What came of them.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// When each pair (from, to) was last heard.
    heard: BTreeMap<(usize, usize), Instant>,
    pub allowed: u64,
    /// Sent though nobody may get them.
    pub forbidden_sent: u64,
    /// What arrived all the same, for people.
    pub escaped: Vec<String>,
}

/// One instance's sockets.
struct Post {
    guest: Guest,
    ip: Ipv4Addr,
    mac: [u8; 6],
    socket: UdpSocket,
    frames: FrameSender,
    capture: Capture,
    /// On the network of the others.
    is_member: bool,
    /// Takes what is allowed, so that nobody answers that nobody listens.
    _listener: UdpSocket,
}

impl Probes {
    /// Starts them: `members` reach each other at [`OPEN`]; `strangers` are on other
    /// networks of the same hosts and reach nobody.
    ///
    /// # Errors
    /// An instance has gone.
    pub fn start(members: &[Guest], strangers: &[Guest]) -> Result<Self> {
        let post = |guest: &Guest| Post::open(guest, members.iter().any(|member| member.id == guest.id));
        let posts = members.iter().chain(strangers).map(post).collect::<Result<Vec<_>>>()?;
        let shared = Arc::new(Shared::default());
        let inside = Arc::clone(&shared);
        Ok(Self { shared, thread: std::thread::spawn(move || run(posts, &inside)) })
    }

    /// Waits until so many rounds have been sent.
    ///
    /// # Errors
    /// They stand still.
    pub fn rounds(&self, count: u64) -> Result<()> {
        let goal = self.shared.rounds.load(Ordering::Relaxed) + count;
        let done = || (self.shared.rounds.load(Ordering::Relaxed) >= goal).then_some(());
        until("probes are sent", Duration::from_secs(30), done).map(drop)
    }

    /// Waits until every pair of `count` members has been heard since now; how long that took.
    ///
    /// # Errors
    /// Some is not: which.
    pub fn all_heard(&self, count: usize, limit: Duration) -> Result<Duration> {
        let since = Instant::now();
        let silent = || -> Vec<(usize, usize)> {
            let Ok(seen) = self.shared.seen.lock() else { return Vec::new() };
            let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
            let fresh = |pair: &(usize, usize)| seen.heard.get(pair).is_some_and(|at| *at > since);
            pairs.filter(|(from, to)| from != to).filter(|pair| !fresh(pair)).collect()
        };
        let all = until("every allowed probe arrives", limit, || silent().is_empty().then_some(()));
        all.map(|(_, took)| took).with_context(|| format!("silent: {:?}", silent()))
    }

    /// What was seen so far.
    ///
    /// # Errors
    /// The probes ended.
    pub fn seen(&self) -> Result<Seen> {
        Ok(self.shared.seen.lock().map_err(|_| anyhow!("the probes panicked"))?.clone())
    }

    /// Stops them; what came of them.
    ///
    /// # Errors
    /// A socket's.
    pub fn finish(self) -> Result<Seen> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the probes panicked"))??;
        Ok(self.shared.seen.lock().map_err(|_| anyhow!("the probes panicked"))?.clone())
    }
}

impl Post {
    fn open(guest: &Guest, is_member: bool) -> Result<Self> {
        let [IpAddr::V4(ip), _] = guest.ips else { return Err(anyhow!("no IPv4 address")) };
        let mac: Vec<u8> =
            guest.mac.split(':').map(|octet| u8::from_str_radix(octet, 16)).collect::<Result<_, _>>()?;
        guest.instance.within(|| {
            let socket = UdpSocket::bind((ip, 0))?;
            socket.set_nonblocking(true)?;
            let listener = UdpSocket::bind((ip, OPEN))?;
            listener.set_nonblocking(true)?;
            Ok(Self {
                guest: guest.clone(),
                ip,
                mac: mac.try_into().map_err(|_| anyhow!("a MAC has six octets"))?,
                socket,
                frames: futures::executor::block_on(FrameSender::open(&Place::Host, "eth0"))?,
                capture: Capture::open()?,
                is_member,
                _listener: listener,
            })
        })
    }

    /// Sends everything to another.
    fn send(&self, from: usize, to: &Self) -> u64 {
        let payload = |kind: u8| [MARK, &[kind, from as u8]].concat();
        let udp = |port: u16, kind: u8| {
            // What cannot be sent does not arrive.
            let _ = self.socket.send_to(&payload(kind), SocketAddr::from((to.ip, port)));
        };
        let frame = |mac: [u8; 6], ip: Ipv4Addr, kind: u8| {
            let builder = PacketBuilder::ethernet2(mac, to.mac).ipv4(ip.octets(), to.ip.octets(), 64);
            let mut bytes = Vec::new();
            if builder.udp(OPEN, OPEN).write(&mut bytes, &payload(kind)).is_ok() {
                let _ = self.frames.send(&bytes);
            }
        };
        let both = self.is_member && to.is_member;
        if both {
            udp(OPEN, ALLOWED);
            udp(CLOSED, b'P');
        }
        let [a, b, c, d] = self.ip.octets();
        frame(self.mac, Ipv4Addr::new(a, b, c, d ^ 0x80), b'I');
        frame(NOBODY, self.ip, b'M');
        let leads_elsewhere = self.is_member != to.is_member;
        if leads_elsewhere {
            // Right in itself.
            frame(self.mac, self.ip, b'N');
        }
        2 + u64::from(both) + u64::from(leads_elsewhere)
    }
}

fn run(mut posts: Vec<Post>, shared: &Shared) -> Result<()> {
    let mut last = false;
    loop {
        let begun = Instant::now();
        let mut forbidden = 0;
        if !last {
            for (from, post) in posts.iter().enumerate() {
                for to in posts.iter().filter(|to| to.guest.id != post.guest.id) {
                    forbidden += post.send(from, to);
                }
            }
        }
        let mut seen = shared.seen.lock().map_err(|_| anyhow!("nobody looks any more"))?;
        seen.forbidden_sent += forbidden;
        for (to, post) in posts.iter_mut().enumerate() {
            hear(&mut seen, to, post);
        }
        drop(seen);
        shared.rounds.fetch_add(1, Ordering::Relaxed);
        if last {
            return Ok(());
        }
        last = shared.stop.load(Ordering::Relaxed);
        pause(PACE.saturating_sub(begun.elapsed()));
    }
}

fn hear(seen: &mut Seen, to: usize, post: &mut Post) {
    let mut escaped = BTreeSet::new();
    for frame in post.capture.frames() {
        let Some(at) = frame.windows(MARK.len()).position(|window| window == MARK) else { continue };
        let Some([kind, from]) = frame.get(at + MARK.len()..at + MARK.len() + 2) else { continue };
        let from = usize::from(*from);
        // Its own are heard too.
        if from == to {
            continue;
        }
        if *kind == ALLOWED {
            seen.allowed += 1;
            seen.heard.insert((from, to), Instant::now());
        } else {
            escaped.insert(format!("{} from {from} to {to} on host {}", *kind as char, post.guest.host));
        }
    }
    seen.escaped.extend(escaped);
}
