//! How the commands of this binary reach the running cloud: as its admin, through
//! the public API.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use isospin_client::{Credentials, Session};
use serde_json::Value;

use crate::credentials::Passwords;
use crate::state_dir::StateDir;
use crate::supervise::Status;

/// Time an object may take to become ACTIVE.
const WIRING: Duration = Duration::from_secs(20);
/// Between two questions for its status.
const ASK: Duration = Duration::from_millis(5);

/// Logs in as the administrator of the cloud that runs from this directory.
pub async fn admin(state: &StateDir) -> Result<Session> {
    let status = Status::read(state)?;
    if status.endpoints.identity.is_empty() {
        bail!("Isospin does not run from {}: start it with `isospin up`", state.root().display());
    }
    let passwords = Passwords::load(state)?;
    let credentials = Credentials {
        identity_url: status.endpoints.identity,
        user: "admin".to_owned(),
        password: passwords.admin,
        project: "admin".to_owned(),
    };
    Ok(Session::log_in(&credentials).await?)
}

/// Name of this host, as its agent is registered.
pub fn host(state: &StateDir) -> Result<String> {
    let status = Status::read(state)?;
    status.agent["host"]
        .as_str()
        .map(str::to_owned)
        .context("no agent runs on this host: see `isospin status`")
}

/// The object of this id or name.
pub async fn find(session: &Session, collection: &str, key: &str, wanted: &str) -> Result<Value> {
    match session.get(&format!("/{collection}/{wanted}")).await {
        Ok(mut answer) => return Ok(answer[key].take()),
        Err(error) if matches!(error.status(), Some(400 | 404)) => {}
        Err(error) => return Err(error.into()),
    }
    let mut found = named(session, collection, wanted).await?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => bail!("there is no {key} '{wanted}'"),
        several => bail!("there are {several} of name '{wanted}': give the id of the {key}"),
    }
}

/// All objects of this name.
pub async fn named(session: &Session, collection: &str, name: &str) -> Result<Vec<Value>> {
    let encoded: String = name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    let mut answer = session.get(&format!("/{collection}?name={encoded}")).await?;
    let key = collection.replace('-', "_");
    Ok(answer[key].as_array_mut().map(std::mem::take).unwrap_or_default())
}

/// Waits until agents report the object to be there.
pub async fn wait_active(session: &Session, collection: &str, key: &str, id: &str) -> Result<()> {
    let active = async {
        let mut ask = tokio::time::interval(ASK);
        loop {
            ask.tick().await;
            let answer = session.get(&format!("/{collection}/{id}?fields=status")).await?;
            match answer[key]["status"].as_str() {
                Some("ACTIVE") => return anyhow::Ok(()),
                Some("ERROR") => bail!("the agent could not wire {key} {id}: see `isospin status --json`"),
                _ => {}
            }
        }
    };
    match tokio::time::timeout(WIRING, active).await {
        Ok(result) => result,
        Err(_) => bail!("{key} {id} did not become ACTIVE within {} s", WIRING.as_secs()),
    }
}
