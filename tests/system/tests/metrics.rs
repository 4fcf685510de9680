//! What operators are told: metrics of a real server and a real agent, and events.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use isospin_system::{Cloud, Host, run, until};
use serde_json::Value;

const SERVER: &str = "127.0.0.1:9698";
const AGENT: &str = "127.0.0.1:9699";
const CONFIGURATION: &str = "[metrics]\nserver_listen = \"127.0.0.1:9698\"\nagent_listen = \"127.0.0.1:9699\"\n\
     [log]\nformat = \"json\"\n";
const PATIENCE: Duration = Duration::from_secs(30);

/// All lines of `GET /metrics`.
fn scrape(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    ensure!(text.starts_with("HTTP/1.1 200") && text.contains("text/plain; version=0.0.4"), "{text}");
    Ok(text)
}

/// The sum of the lines of this name that have all of these labels.
fn value(address: &str, name: &str, labels: &[&str]) -> Result<f64> {
    let text = scrape(address)?;
    let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let lines = text.lines().filter(of_name).filter(|line| labels.iter().all(|label| line.contains(label)));
    lines.map(|line| line.rsplit(' ').next().context("no value")?.parse::<f64>().context("no number")).sum()
}

#[test]
fn the_numbers_move_with_what_happens() -> Result<()> {
    let Some(_host) = Host::enter("metrics")? else { return Ok(()) };
    let cloud = Cloud::configured(CONFIGURATION)?;
    let networks = || value(SERVER, "isospin_api_requests_total", &["GET", "\"/v2.0/networks\"", "\"200\""]);
    let before = networks()?;
    cloud.demo.list("networks")?;
    ensure!(networks()? == before + 1.0, "one request more");
    ensure!(value(SERVER, "isospin_api_request_seconds_count", &["identity", "/v3/auth/tokens"])? >= 2.0);
    ensure!(value(SERVER, "isospin_feed_sessions", &[])? == 1.0);
    let (told, applied) =
        (value(SERVER, "isospin_feed_version", &[])?, value(AGENT, "isospin_agent_applied_version", &[])?);
    ensure!(told >= applied && applied > 0.0, "{told} told, {applied} applied");

    // The demo's three instances, and the ports of its router and of DHCP.
    for stage in ["server", "feed", "plan", "apply"] {
        let wired = value(AGENT, "isospin_wiring_seconds_count", &[&format!("stage=\"{stage}\"")])?;
        ensure!(wired >= 1.0, "{stage}: {wired}");
    }
    ensure!(value(AGENT, "isospin_agent_changes_total", &["\"l2\""])? > 0.0);
    let drift = || value(AGENT, "isospin_agent_drift_total", &[]);
    let before = drift()?;
    run("nft", &["delete", "table", "bridge", "isospin_fw"])?;
    until("drift is counted", PATIENCE, || drift().ok().filter(|now| *now > before))?;

    let log = std::fs::read_to_string(cloud.installation.state_dir().join("logs/agent.log"))?;
    let events: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let event = |message: &str| {
        let found = events.iter().find(|event| event["fields"]["message"] == message);
        found.map(|event| event["fields"].clone()).with_context(|| format!("no event '{message}'"))
    };
    let wired = event("a port is wired")?;
    ensure!(wired["port"].is_string() && wired["plan_us"].is_u64() && wired["apply_us"].is_u64(), "{wired}");
    let pass = event("a pass changed the host")?;
    ensure!(pass["party"].is_string() && pass["changes"].as_u64() > Some(0), "{pass}");
    ensure!(event("the host was not as it was left; it is mended")?["changes"].as_u64() > Some(0));
    Ok(())
}
