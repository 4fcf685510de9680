//! Datagrams to an instance and back: when the first answer comes, and when the last one did.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use isospin_testkit::lab::Instance;

/// Between two datagrams.
const PACE: Duration = Duration::from_millis(1);
/// Longest wait for the first answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Silence after which the way counts as closed.
const SILENCE: Duration = Duration::from_millis(500);

/// Sends back what an instance gets at a UDP port.
#[derive(Debug)]
pub struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    pub fn serve(instance: &Instance, port: u16) -> Result<Self> {
        let socket = instance.within(|| Ok(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut datagram = [0; 64];
            while !seen.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut datagram) {
                    // Whoever asked may have gone.
                    let _ = socket.send_to(datagram.get(..length).unwrap_or_default(), from);
                }
            }
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and nobody here could do anything about it.
            let _ = thread.join();
        }
    }
}

/// Who asks.
#[derive(Debug)]
pub struct Asker {
    socket: UdpSocket,
}

impl Asker {
    pub fn new(instance: &Instance, to: Ipv4Addr, port: u16) -> Result<Self> {
        let open = || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect(SocketAddr::from((to, port))).context("no way to the other end")?;
            Ok(socket)
        };
        let socket = instance.within(open)?;
        socket.set_read_timeout(Some(PACE))?;
        Ok(Self { socket })
    }

    /// Whether an answer comes to one datagram before the next is due.
    fn ask(&self) -> Result<bool> {
        // An earlier one may have been refused: then this call says so, and sends nothing.
        let _ = self.socket.send(b"isospin-bench");
        match self.socket.recv(&mut [0; 64]) {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused => Ok(false),
                _ => Err(error.into()),
            },
        }
    }

    /// Asks until there is an answer; when it came.
    pub fn first_answer(&self) -> Result<Instant> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if self.ask()? {
                return Ok(Instant::now());
            }
        }
        bail!("no answer in {PATIENCE:?}")
    }

    /// Asks until no answer comes any more, on a thread; joined, it says when the last came.
    pub fn last_answer(self) -> JoinHandle<Result<(Self, Instant)>> {
        std::thread::spawn(move || {
            let started = Instant::now();
            let mut last = started;
            while started.elapsed() < PATIENCE {
                if self.ask()? {
                    last = Instant::now();
                } else if last.elapsed() > SILENCE {
                    return Ok((self, last));
                }
            }
            bail!("answers come after {PATIENCE:?} still")
        })
    }
}

/// What a thread came to.
pub fn joined<T>(thread: JoinHandle<Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))?
}
