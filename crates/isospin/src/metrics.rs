//! `GET /metrics` for Prometheus.

use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use crate::config::Listen;

/// The text form, version included.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How often what was measured is put into its buckets, so that it does not pile up
/// when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);
/// Upper bounds, in seconds, for all that takes time: from a cached token to a host
/// that has lost its server.
const SECONDS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// Starts to measure and serves the result, where an address is configured. Without one,
/// measuring costs next to nothing. Called before anything is measured.
pub async fn start(listen: Option<&Listen>) -> Result<()> {
    let Some(Listen(address)) = listen else { return Ok(()) };
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("[metrics] cannot listen on {address}: choose another address"))?;
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()
        .context("cannot measure")?;
    tokio::spawn(upkeep(handle.clone()));
    let text = move || async move { ([(CONTENT_TYPE, TEXT)], handle.render()) };
    let router = Router::new().route("/metrics", get(text));
    tracing::info!(address = %listener.local_addr()?, "serving metrics");
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are served no more");
        }
    });
    Ok(())
}

async fn upkeep(handle: PrometheusHandle) {
    let mut every = tokio::time::interval(UPKEEP);
    loop {
        every.tick().await;
        handle.run_upkeep();
    }
}
