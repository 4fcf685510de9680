//! A TCP connection that carries numbered blocks both ways.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::inside;
use crate::wait::pause;

/// Bytes of a block.
const BLOCK: usize = 1024;
/// A block every millisecond at most: traffic, not a load test.
const PACE: Duration = Duration::from_millis(1);
/// Longest time an answer may take before the connection counts as dead.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection that runs.
#[derive(Debug)]
pub struct Stream {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Streamed>>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Streamed {
    /// Blocks that came back as they were sent.
    pub blocks: u64,
    /// Longest time a block took.
    pub longest: Duration,
}

impl Stream {
    /// Connects from one namespace ("" = the host) to a port that is listened on in
    /// another, where each block is sent back. `to` is how the client reaches it.
    ///
    /// # Errors
    /// They do not reach each other.
    pub fn start(from: &str, at: &str, to: SocketAddr) -> Result<Self> {
        let listener = inside(at, || Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, to.port()))?))?;
        let client = inside(from, || Ok(TcpStream::connect_timeout(&to, PATIENCE)?))
            .with_context(|| format!("cannot connect to {to}"))?;
        let (server, _) = listener.accept()?;
        std::thread::spawn(move || echo(server));
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        Ok(Self { stop, thread: std::thread::spawn(move || run(client, &seen)) })
    }

    /// Ends it.
    ///
    /// # Errors
    /// It was reset, stood still, or brought back other bytes.
    pub fn finish(self) -> Result<Streamed> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the stream panicked"))?
    }
}

/// Sends back what comes until the other end closes.
fn echo(mut server: TcpStream) -> Result<()> {
    server.set_nodelay(true)?;
    let mut block = [0u8; BLOCK];
    loop {
        server.read_exact(&mut block)?;
        server.write_all(&block)?;
    }
}

fn run(mut client: TcpStream, stop: &AtomicBool) -> Result<Streamed> {
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(PATIENCE))?;
    let mut result = Streamed::default();
    let mut back = [0u8; BLOCK];
    while !stop.load(Ordering::Relaxed) {
        let sent_at = Instant::now();
        let block = [result.blocks as u8; BLOCK];
        client.write_all(&block)?;
        client.read_exact(&mut back).with_context(|| format!("after {} blocks", result.blocks))?;
        ensure!(back == block, "block {} came back as another", result.blocks);
        result.blocks += 1;
        result.longest = result.longest.max(sent_at.elapsed());
        pause(PACE.saturating_sub(sent_at.elapsed()));
    }
    Ok(result)
}
