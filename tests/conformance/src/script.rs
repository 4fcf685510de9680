//! Lists of commands with what they must print.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::Client;

/// A command that must succeed, and what it must print; "" when that is not looked at.
pub type Line = (&'static str, &'static str);

/// Runs the commands in their order.
///
/// # Errors
/// One failed: with its line. Or some printed something else: with all of those.
pub fn run(client: &mut Client, lines: &[Line]) -> Result<()> {
    let mut wrong = Vec::new();
    for (line, expected) in lines {
        let printed = client.ok(line)?;
        let printed = printed.trim();
        if !expected.is_empty() && printed != *expected {
            wrong.push(format!("openstack {line}\nprinted:  {printed:?}\nexpected: {expected:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// A column of a list printed with `-f json`, in its order.
///
/// # Errors
/// A row has no such text.
pub fn column(rows: &Value, name: &str) -> Result<Vec<String>> {
    let rows = rows.as_array().context("not a list")?;
    rows.iter()
        .map(|row| {
            let text = row[name].as_str().with_context(|| format!("no {name} in {row}"))?;
            Ok(text.to_owned())
        })
        .collect()
}
