//! A closed loop: so many connections, each with one request under way.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures::future::try_join_all;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// One request of a load.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    /// Path with query.
    pub path: String,
    pub body: Bytes,
    /// One more header.
    pub header: Option<(&'static str, String)>,
}

impl Call {
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, Bytes::new())
    }
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, Bytes::new())
    }
    pub fn post(path: impl Into<String>, body: serde_json::Value) -> Self {
        Self::new(Method::POST, path, Bytes::from(body.to_string()))
    }
    pub fn put(path: impl Into<String>, body: serde_json::Value) -> Self {
        Self::new(Method::PUT, path, Bytes::from(body.to_string()))
    }
    pub fn with_header(self, name: &'static str, value: String) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    fn new(method: Method, path: impl Into<String>, body: Bytes) -> Self {
        Self { method, path: path.into(), body, header: None }
    }
}

/// What a server said.
pub struct Answer {
    pub status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What a load measured.
#[derive(Debug, Clone)]
pub struct Measured {
    pub elapsed: Duration,
    /// Of each request, sorted.
    pub latencies: Vec<Duration>,
    /// Bodies of the answers, in order of the calls, when asked for.
    pub answers: Vec<Bytes>,
}

impl Measured {
    /// Calls in a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency below which `part` (0-1) of the calls were.
    pub fn quantile(&self, part: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let index = ((last as f64) * part).round() as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

/// Sends all calls over `concurrency` connections, as fast as they are answered.
/// Any answer that is not a success ends the load.
pub async fn drive(
    address: &str,
    token: &str,
    calls: &[Call],
    concurrency: usize,
    keep_answers: bool,
) -> Result<Measured> {
    let mut connections = Vec::with_capacity(concurrency);
    for _ in 0..concurrency {
        connections.push(connect(address).await?);
    }
    let next = std::cell::Cell::new(0usize);
    let started = Instant::now();
    let workers = connections.into_iter().map(|mut connection| {
        let next = &next;
        async move {
            let mut done: Vec<(usize, Duration, Bytes)> = Vec::new();
            loop {
                let index = next.get();
                let Some(call) = calls.get(index) else { return anyhow::Ok(done) };
                next.set(index + 1);
                let sent = Instant::now();
                let answer = send(&mut connection, address, token, call).await?;
                done.push((index, sent.elapsed(), if keep_answers { answer } else { Bytes::new() }));
            }
        }
    });
    let mut done: Vec<(usize, Duration, Bytes)> =
        try_join_all(workers).await?.into_iter().flatten().collect();
    let elapsed = started.elapsed();
    done.sort_by_key(|(index, _, _)| *index);
    let mut latencies: Vec<Duration> = done.iter().map(|(_, latency, _)| *latency).collect();
    latencies.sort_unstable();
    let answers =
        if keep_answers { done.into_iter().map(|(_, _, answer)| answer).collect() } else { Vec::new() };
    Ok(Measured { elapsed, latencies, answers })
}

/// A connection on which requests go one after the other.
pub async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Makes the call, which must succeed; the body of the answer.
async fn send(
    connection: &mut SendRequest<Full<Bytes>>,
    address: &str,
    token: &str,
    call: &Call,
) -> Result<Bytes> {
    let Answer { status, body, .. } = answer(connection, address, token, call).await?;
    if !status.is_success() {
        bail!("{} {}: {status} {}", call.method, call.path, String::from_utf8_lossy(&body));
    }
    Ok(body)
}

/// Makes the call, whatever is said to it.
pub async fn answer(
    connection: &mut SendRequest<Full<Bytes>>,
    address: &str,
    token: &str,
    call: &Call,
) -> Result<Answer> {
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(call.path.as_str())
        .header(header::HOST, address)
        .header(header::CONTENT_TYPE, "application/json");
    if !token.is_empty() {
        request = request.header("x-auth-token", token);
    }
    if let Some((name, value)) = &call.header {
        request = request.header(*name, value.as_str());
    }
    connection.ready().await?;
    let response = connection.send_request(request.body(Full::new(call.body.clone()))?).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}
