//! Serving a router over HTTP/1.1.

use std::num::NonZero;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Time a client has to send its headers.
const HEADERS: Duration = Duration::from_secs(30);
/// Time running requests have to finish when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// Serves on a thread of its own for each core until `stop`.
///
/// A connection stays on its thread, with everything its requests wait for: waking
/// another thread costs more than most queries do.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> Result<()> {
    let listener = listener.into_std().context("cannot hand the listener to the threads that serve")?;
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut threads = JoinSet::new();
    for _ in 0..cores {
        let listener = listener.try_clone().context("cannot share the listener")?;
        let (router, stop) = (router.clone(), stop.clone());
        threads.spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { accept(TcpListener::from_std(listener)?, router, stop).await })
        });
    }
    while let Some(ended) = threads.join_next().await {
        ended.context("a thread that serves panicked")??;
    }
    Ok(())
}

/// Accepts connections until `stop`, then lets running requests finish.
async fn accept(listener: TcpListener, router: Router, stop: CancellationToken) -> Result<()> {
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, or a client that hung up already.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let stop = stop.clone();
        connections.spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS)
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            tokio::select! {
                // What a client does wrong on its connection is no news for the operator.
                _ = connection.as_mut() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
    connections.close();
    let _ = tokio::time::timeout(GRACE, connections.wait()).await;
    Ok(())
}
