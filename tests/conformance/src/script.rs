//! Lists of commands with what they must print.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::Client;

/// A command that must succeed, and what it must print; "" when that is not looked at.
/// What `name := command` prints is kept, and written for `{name}` in later lines.
pub type Line = (&'static str, &'static str);

/// Runs lists of commands, and keeps what they named.
#[derive(Debug, Default)]
pub struct Script {
    names: BTreeMap<String, String>,
}

impl Script {
    /// Runs the commands in their order.
    ///
    /// # Errors
    /// One failed: with its line. Or some printed something else: with all of those.
    pub fn run(&mut self, client: &mut Client, lines: &[Line]) -> Result<()> {
        let mut wrong = Vec::new();
        for (line, expected) in lines {
            let (name, line) = line.split_once(" := ").unwrap_or(("", *line));
            let (line, expected) = (self.fill(line), self.fill(expected));
            let printed = client.ok(&line)?;
            let printed = printed.trim();
            if !expected.is_empty() && printed != expected {
                wrong.push(format!("openstack {line}\nprinted:  {printed:?}\nexpected: {expected:?}"));
            }
            if !name.is_empty() {
                self.names.insert(name.to_owned(), printed.to_owned());
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    }

    /// The text with what was named.
    #[must_use]
    pub fn fill(&self, text: &str) -> String {
        self.names
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

/// Runs one list of commands.
///
/// # Errors
/// As [`Script::run`].
pub fn run(client: &mut Client, lines: &[Line]) -> Result<()> {
    Script::default().run(client, lines)
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
