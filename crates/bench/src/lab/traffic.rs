//! TCP between two instances: round trips, connections, throughput.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use isospin_testkit::lab::{Instance, stay_on};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

use super::echo::joined;

/// Where the server listens.
const PORT: u16 = 5201;
/// How long each is measured.
const TIME: Duration = Duration::from_millis(1500);
const BLOCK: usize = 128 << 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// What instances have that nobody has told otherwise: Linux's default, whatever this host's is.
/// Before a connection is made: one that was begun with BBR keeps its pacing.
const CONGESTION_CONTROL: &str = "cubic";

/// Who sends and who is sent to.
#[derive(Debug, Clone)]
pub struct Route {
    pub from: Instance,
    pub to: Instance,
    pub ip: Ipv4Addr,
    /// Where each of them runs.
    pub cores: [usize; 2],
}

/// In a second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// A byte there and a byte back (RR).
    pub round_trips: f64,
    /// Connections with one such round trip (CRR).
    pub connections: f64,
    /// Bytes one way.
    pub throughput: f64,
}

impl Figures {
    /// The median, figure by figure.
    pub fn median(of: &[Self]) -> Self {
        let middle = |figure: fn(&Self) -> f64| {
            let mut sorted: Vec<f64> = of.iter().map(figure).collect();
            sorted.sort_by(f64::total_cmp);
            sorted.get(sorted.len() / 2).copied().unwrap_or_default()
        };
        Self {
            round_trips: middle(|it| it.round_trips),
            connections: middle(|it| it.connections),
            throughput: middle(|it| it.throughput),
        }
    }
}

impl Route {
    /// All of it, on a thread that is used for nothing else: it stays on one core.
    pub fn measure(&self) -> Result<Figures> {
        stay_on(0, self.cores[0])?;
        let (round_trips, connections) = (self.round_trips()?, self.connections()?);
        Ok(Figures { round_trips, connections, throughput: self.throughput()? })
    }

    /// Only how many bytes pass, likewise.
    pub fn measure_throughput(&self) -> Result<Figures> {
        stay_on(0, self.cores[0])?;
        Ok(Figures { throughput: self.throughput()?, ..Figures::default() })
    }

    fn round_trips(&self) -> Result<f64> {
        let server = self.serve(|mut stream| {
            stream.set_nodelay(true)?;
            let mut byte = [0];
            while stream.read(&mut byte)? > 0 {
                stream.write_all(&byte)?;
            }
            Ok(0)
        })?;
        let mut client = self.connect()?;
        let (mut done, started) = (0u32, Instant::now());
        let mut byte = [1];
        while started.elapsed() < TIME {
            client.write_all(&byte)?;
            client.read_exact(&mut byte)?;
            done += 1;
        }
        let rate = f64::from(done) / started.elapsed().as_secs_f64();
        drop(client);
        joined(server)?;
        Ok(rate)
    }

    fn connections(&self) -> Result<f64> {
        let listener = self.listen()?;
        let core = self.cores[1];
        let server = std::thread::spawn(move || {
            stay_on(0, core)?;
            loop {
                let (mut stream, _) = listener.accept()?;
                let mut byte = [0];
                stream.read_exact(&mut byte)?;
                stream.write_all(&byte)?;
                if byte == [0] {
                    return Ok(());
                }
            }
        });
        let (rate, done) = self.from.within(|| {
            let ask = |byte: u8| -> Result<()> {
                let mut stream = TcpStream::connect((self.ip, PORT))?;
                stream.set_nodelay(true)?;
                stream.write_all(&[byte])?;
                stream.read_exact(&mut [0])?;
                // Who closes first keeps the port a while, and looks for a free one ever longer.
                anyhow::ensure!(stream.read(&mut [0])? == 0, "more than was asked for");
                Ok(())
            };
            let (mut done, started) = (0u32, Instant::now());
            while started.elapsed() < TIME {
                ask(1)?;
                done += 1;
            }
            let rate = f64::from(done) / started.elapsed().as_secs_f64();
            ask(0)?;
            Ok((rate, done))
        })?;
        joined(server)?;
        anyhow::ensure!(done > 0, "no connection");
        Ok(rate)
    }

    fn throughput(&self) -> Result<f64> {
        let server = self.serve(|mut stream| {
            let mut block = vec![0; BLOCK];
            let (mut bytes, started) = (0u64, Instant::now());
            loop {
                let length = stream.read(&mut block)?;
                if length == 0 {
                    let rate = bytes as f64 / started.elapsed().as_secs_f64();
                    return Ok(rate as u64);
                }
                bytes += length as u64;
            }
        })?;
        let mut client = self.connect()?;
        let (block, started) = (vec![0; BLOCK], Instant::now());
        while started.elapsed() < TIME {
            client.write_all(&block)?;
        }
        drop(client);
        Ok(joined(server)? as f64)
    }

    fn listen(&self) -> Result<TcpListener> {
        self.to.within(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).context("cannot listen"))
    }

    /// Does this with the first connection that comes.
    fn serve(
        &self,
        work: impl FnOnce(TcpStream) -> Result<u64> + Send + 'static,
    ) -> Result<JoinHandle<Result<u64>>> {
        let (listener, core) = (self.listen()?, self.cores[1]);
        Ok(std::thread::spawn(move || {
            stay_on(0, core)?;
            work(listener.accept()?.0)
        }))
    }

    fn connect(&self) -> Result<TcpStream> {
        let to = SocketAddr::from((self.ip, PORT));
        let stream = self.from.within(|| Ok(Socket::new(Domain::IPV4, Type::STREAM, None)?))?;
        setsockopt(&stream, sockopt::TcpCongestion, &CONGESTION_CONTROL.into())?;
        stream.connect_timeout(&to.into(), PATIENCE).with_context(|| format!("to {to}"))?;
        let stream = TcpStream::from(stream);
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
