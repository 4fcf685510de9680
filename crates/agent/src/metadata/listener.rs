//! HTTP on a socket inside a namespace.
//!
//! Guests are at the other end: their number, the time they take and the size of
//! what they send are bounded, and one of them cannot use up the places of the
//! others. Headers and bodies of requests are never looked at.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use isospin_host_io::{HostError, Namespace};
use parking_lot::{Mutex, RwLock};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use super::index::{Door, Index};
use super::responder::{self, Document, Site};

/// Connections a listener serves at once; further ones wait in the kernel.
const CONNECTIONS: usize = 1024;
/// Of these, connections of one source; further ones are closed.
const CONNECTIONS_OF_ONE: usize = 64;
/// Time for the header of a request, and between requests.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// Time for a whole connection.
const CONNECTION_TIME: Duration = Duration::from_secs(300);
/// Bytes of a header.
const HEADER_SIZE: usize = 16 * 1024;
const HEADERS: usize = 100;
/// Pause after the kernel refuses to accept, for want of descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all listeners answer from.
#[derive(Debug)]
pub struct Shared {
    pub index: RwLock<Index>,
    pub site: Site,
}

/// A listener that serves until dropped.
#[derive(Debug)]
pub struct Listening {
    inode: u64,
    task: JoinHandle<()>,
}

impl Listening {
    /// Whether it still serves the namespace with this inode.
    #[must_use]
    pub fn is_alive_in(&self, inode: u64) -> bool {
        self.inode == inode && self.is_alive()
    }

    /// Whether it still serves.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens the socket in the namespace and serves `door` on it. The address need
/// not be there yet.
///
/// # Errors
/// When the socket cannot be opened.
pub async fn listen(
    namespace: &Namespace,
    address: Ipv4Addr,
    port: u16,
    door: Door,
    shared: Arc<Shared>,
) -> Result<Listening, HostError> {
    let wrong = |source| HostError::Kernel {
        operation: "listen for metadata in",
        object: namespace.name().to_owned(),
        source,
    };
    let socket = namespace.run(move || open(SocketAddr::from((address, port)))).await?.map_err(wrong)?;
    let listener = TcpListener::from_std(socket.into()).map_err(wrong)?;
    let task = tokio::spawn(accept(listener, door, shared));
    Ok(Listening { inode: namespace.inode(), task })
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // The old listener may not have closed its socket yet when a new one opens.
    socket.set_reuse_port(true)?;
    socket.set_freebind_v4(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket)
}

async fn accept(listener: TcpListener, door: Door, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let sources = Arc::new(Sources::default());
    // Ends with this task: connections do not outlive their listener.
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(?door, %error, "a metadata connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(counted) = Counted::new(&sources, peer.ip()) else {
            metrics::counter!("isospin_metadata_refused_total").increment(1);
            continue;
        };
        let shared = shared.clone();
        connections.spawn(async move {
            let serving = serve(stream, door, peer.ip(), shared);
            // A cut connection is the guest's affair.
            let _ = tokio::time::timeout(CONNECTION_TIME, serving).await;
            drop((place, counted));
        });
    }
}

async fn serve(stream: TcpStream, door: Door, source: IpAddr, shared: Arc<Shared>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), door, source, &shared);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_SIZE)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(?door, %source, %error, "a metadata connection ended early");
    }
}

/// The response to one request; of the request only method and path count.
#[must_use]
pub fn answer(
    method: &Method,
    path: &str,
    door: Door,
    source: IpAddr,
    shared: &Shared,
) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, http::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let instance = shared.index.read().find(door, source);
    let known = if instance.is_some() { "yes" } else { "no" };
    metrics::counter!("isospin_metadata_requests_total", "known" => known).increment(1);
    let Some(document) = instance.and_then(|found| responder::find(path, &found, &shared.site)) else {
        return plain(StatusCode::NOT_FOUND);
    };
    match document {
        Document::Text(text) => response(StatusCode::OK, "text/plain; charset=UTF-8", text),
        Document::Json(value) => response(StatusCode::OK, "application/json", value.to_string()),
    }
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=UTF-8", format!("{status}\n"))
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

/// Open connections by source.
#[derive(Debug, Default)]
struct Sources(Mutex<HashMap<IpAddr, usize>>);

/// One connection's place among those of its source.
#[derive(Debug)]
struct Counted {
    sources: Arc<Sources>,
    source: IpAddr,
}

impl Counted {
    fn new(sources: &Arc<Sources>, source: IpAddr) -> Option<Self> {
        let mut counts = sources.0.lock();
        let count = counts.entry(source).or_default();
        if *count >= CONNECTIONS_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Self { sources: sources.clone(), source })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.sources.0.lock();
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_cannot_take_all_places() {
        let sources = Arc::new(Sources::default());
        let greedy = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5));
        let mut held: Vec<Counted> =
            std::iter::from_fn(|| Counted::new(&sources, greedy)).take(10_000).collect();
        assert_eq!(held.len(), CONNECTIONS_OF_ONE);
        assert!(Counted::new(&sources, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 6))).is_some());
        held.pop();
        assert!(Counted::new(&sources, greedy).is_some());
        held.clear();
        assert!(sources.0.lock().is_empty());
    }
}
