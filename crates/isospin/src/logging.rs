//! Log lines to standard error.

use anyhow::{Context, Result, bail};
use tracing_subscriber::EnvFilter;

use crate::config::Log;

/// Starts logging as configured; `RUST_LOG` wins.
pub fn start(log: &Log) -> Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) => {
            EnvFilter::try_new(directives).context("RUST_LOG is not a list of log directives")?
        }
        Err(_) => {
            if !log.level.split(',').all(is_directive) {
                bail!("[log] level: '{}' is not a list of log directives", log.level);
            }
            EnvFilter::try_new(&log.level).context("[log] level")?
        }
    };
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    match log.format.as_str() {
        "text" => lines.init(),
        "json" => lines.json().init(),
        other => bail!("[log] format: '{other}' is not 'text' or 'json'"),
    }
    Ok(())
}

/// `info` or `isospin_agent=debug`. The filter itself would take any text for the
/// name of a target, and then log nothing.
fn is_directive(text: &str) -> bool {
    let (target, level) = text.rsplit_once('=').unwrap_or(("all", text));
    let named = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | ':');
    ["off", "error", "warn", "info", "debug", "trace"].contains(&level.trim())
        && !target.trim().is_empty()
        && target.trim().chars().all(named)
}
