//! N22: URLs leave nothing behind. No cache, no label of a metric is kept for one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use isospin_conformance::{Api, Installation};

/// URLs asked for when nothing else is said.
const URLS: u64 = 20_000;
/// Connections they come over.
const CONNECTIONS: u64 = 4;
/// Memory an allocator may keep beyond what it needs.
const SLACK: u64 = 8 << 20;

/// A connection that stays.
struct Connection {
    host: String,
    stream: BufReader<TcpStream>,
}

impl Connection {
    fn open(base: &str) -> Result<Self> {
        let host = base.strip_prefix("http://").context("not an http URL")?.to_owned();
        let stream = TcpStream::connect(&host)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        Ok(Self { host, stream: BufReader::new(stream) })
    }

    /// The status of the answer to a GET; what it says is read and forgotten.
    fn get(&mut self, path: &str, token: &str) -> Result<u16> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nX-Auth-Token: {token}\r\n\r\n", self.host);
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut status = 0;
        let mut length = 0;
        loop {
            let mut line = String::new();
            ensure!(self.stream.read_line(&mut line)? > 0, "the server hung up after {path}");
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.split(' ').next().unwrap_or_default().parse()?;
            } else if let Some(rest) = line.strip_prefix("content-length:") {
                length = rest.trim().parse()?;
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = (&mut self.stream).take(length);
        std::io::copy(&mut body, &mut std::io::sink())?;
        Ok(status)
    }
}

/// A URL nobody asked for before: of no collection, of no object, with a filter or a
/// key never seen, with bytes that are no text.
fn url(number: u64) -> String {
    let noise = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    match number % 8 {
        0 => format!("/v2.0/x{noise:x}"),
        1 => format!("/v2.0/networks/{noise:x}/y{number}"),
        2 => format!("/{noise:x}/{number}"),
        3 => format!("/v2.0/networks/{noise:032x}"),
        4 => format!("/v2.0/routers?name={noise:x}&fields=f{number}"),
        5 => format!("/v2.0/ports?x{noise:x}=1"),
        6 => format!("/v2.0/ports/%{:02x}%ff{noise:x}", number % 256),
        _ => format!("/v2.0/quotas/{noise:x}?{number}"),
    }
}

/// Asks for so many URLs from `first` on, over several connections at once.
fn ask(api: &Api, first: u64, count: u64) -> Result<()> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|worker| {
                scope.spawn(move || {
                    let mut connection = Connection::open(&api.network)?;
                    for number in (first + worker..first + count).step_by(CONNECTIONS as usize) {
                        let url = url(number);
                        let status = connection.get(&url, &api.token)?;
                        ensure!(matches!(status, 200 | 400 | 404), "{url}: {status}");
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(outcome) => outcome,
            Err(_) => anyhow::bail!("a connection panicked"),
        })
    })
}

/// Bytes of memory the server holds.
fn resident(installation: &Installation) -> Result<u64> {
    let server = installation.status()?["pids"]["server"].as_u64().context("no server")?;
    let status = std::fs::read_to_string(format!("/proc/{server}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// With `ISOSPIN_RANDOM_URLS=1000000` a million of them; with `ISOSPIN_BINARY` of
/// another build.
#[test]
fn n22_random_urls_leave_memory_as_it_was() -> Result<()> {
    let count = match std::env::var("ISOSPIN_RANDOM_URLS") {
        Ok(text) => text.parse().context("ISOSPIN_RANDOM_URLS is not a number")?,
        Err(_) => URLS,
    };
    let installation = Installation::start("none")?;
    let api = Api::log_in(&installation, "admin")?;
    // Pools and caches of their own fill first.
    let warm = 20_000;
    ask(&api, 0, warm)?;
    let before = resident(&installation)?;
    ask(&api, warm, count)?;
    let after = resident(&installation)?;
    println!("{count} URLs: {} KiB before, {} KiB after", before >> 10, after >> 10);
    ensure!(after < before + SLACK, "{count} URLs: {before} bytes before, {after} after");
    Ok(())
}
