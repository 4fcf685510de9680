//! Users who have not logged in for so many days are disabled, as `[security_compliance]
//! disable_user_account_days_inactive` of Keystone has it.
//!
//! Days begin at midnight UTC. Every server looks then, and when it starts; who comes
//! before a server has looked is caught at the login. What is stored is what is shown,
//! filtered by, and held against tokens: nothing else has to know of idle users.

use std::sync::Arc;
use std::time::Duration;

use isospin_store_kit::values;
use serde_json::{Map, Value};
use tokio::task::JoinHandle;

use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::stored_object;
use crate::passwords::{Rules, day};
use crate::tokens::now;
use crate::tokens::scope::end_tokens;

/// A look is taken at least this often: clocks are set, machines sleep.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Those who are to be disabled; `$1` is the last day that is too long ago.
const IDLE: &str =
    "SELECT id, last_active_day, options FROM users WHERE last_active_day <= $1 AND enabled = true";

/// The option of those who are left alone.
const EXEMPT: &str = "ignore_user_inactivity";

/// Whether a user last active on this day is to be disabled.
pub fn is_idle(rules: &Rules, last_active_day: Option<i64>, options: &Map<String, Value>) -> bool {
    match (rules.idle_since(now()), last_active_day) {
        (Some(limit), Some(last)) => last <= limit && options.get(EXEMPT) != Some(&Value::Bool(true)),
        _ => false,
    }
}

/// Disables users, and ends their tokens for good.
pub async fn disable(app: &IdentityApp, ids: Vec<String>) -> Result<(), Fault> {
    let Some(limit) = app.passwords.rules.idle_since(now()) else { return Ok(()) };
    app.write("inactivity", move |tx| {
        Box::pin(async move {
            for id in ids {
                // Unless somebody has enabled them meanwhile.
                let sql = format!(
                    "UPDATE users SET enabled = false, {} WHERE id = $2 AND last_active_day <= $3",
                    end_tokens("$1")
                );
                if tx.execute(&sql, values![now(), &id, limit]).await? > 0 {
                    tracing::info!(user = id, "disabled a user who has not logged in for long");
                }
            }
            Ok(())
        })
    })
    .await
}

/// Looks for idle users until it is dropped.
pub struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Disables whoever is idle now, and from now on every day; `None` where nobody is disabled.
pub fn watch(app: &IdentityApp) -> Option<Arc<Watch>> {
    app.passwords.rules.idle_since(now())?;
    let app = app.clone();
    Some(Arc::new(Watch(tokio::spawn(async move {
        loop {
            if let Err(fault) = look(&app).await {
                tracing::warn!(
                    reason = fault.message,
                    "cannot look for users who have not logged in for long"
                );
            }
            tokio::time::sleep(until_midnight(now()).min(LONGEST_PAUSE)).await;
        }
    }))))
}

fn until_midnight(now: i64) -> Duration {
    let seconds = (day(now) + 1).saturating_mul(86_400).saturating_sub(now);
    Duration::from_secs(seconds.max(1).cast_unsigned())
}

async fn look(app: &IdentityApp) -> Result<(), Fault> {
    let rules = &app.passwords.rules;
    let Some(limit) = rules.idle_since(now()) else { return Ok(()) };
    let rows = app.store.reader().await?.rows(IDLE, values![limit]).await?;
    let mut idle = Vec::new();
    for row in rows {
        let mut columns = row.columns();
        let (id, last, options) = (columns.text()?, columns.opt_int()?, stored_object(&columns.text()?));
        if is_idle(rules, last, &options) {
            idle.push(id);
        }
    }
    if idle.is_empty() { Ok(()) } else { disable(app, idle).await }
}
