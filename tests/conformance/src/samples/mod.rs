//! Requests recorded from a real Neutron and Keystone, to be sent again.
//!
//! `samples/*.json` are the recordings, `samples/order.txt` says in which order and
//! by whom they are sent, `samples/differences.txt` where an answer may differ and
//! why. Ids of the recording stand for ids of this cloud: [`Names`] learns them from
//! the answers.

mod compare;
mod names;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub use compare::{Difference, compare};
pub use names::Names;

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    Admin,
    /// The demo user: a member of its project.
    Demo,
    /// The admin with the role `service`.
    Service,
    /// Somebody without a token.
    Nobody,
    /// Somebody with a token that is none.
    Forger,
}

/// One recorded request and its answer.
#[derive(Debug, Clone)]
pub struct Sample {
    pub name: String,
    pub sender: Sender,
    /// One more header, if the recording had it.
    pub header: Option<(String, String)>,
    pub method: String,
    pub path: String,
    /// The request's body as sent; "" for none.
    pub body: String,
    pub status: u16,
    /// The answer's body; null for none.
    pub answer: Value,
}

/// A difference that is meant.
#[derive(Debug, Clone)]
pub struct Allowed {
    sample: String,
    place: String,
    pub reason: String,
    /// Whether it comes and goes, as with the order of what has none.
    pub sometimes: bool,
}

impl Allowed {
    /// Whether this line speaks of that difference.
    #[must_use]
    pub fn covers(&self, sample: &str, place: &str) -> bool {
        matches(&self.sample, sample) && matches(&self.place, place)
    }
}

impl std::fmt::Display for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} | {}", self.sample, self.place)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

/// All samples in the order in which they are sent.
///
/// # Errors
/// A line of the order, or a recording, cannot be read; a recording is in no line.
pub fn load() -> Result<Vec<Sample>> {
    let order = std::fs::read_to_string(folder().join("order.txt"))?;
    let samples: Vec<Sample> = lines(&order)
        .map(|line| sample(line).with_context(|| format!("order.txt: {line}")))
        .collect::<Result<_>>()?;
    for entry in std::fs::read_dir(folder())? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.extension().is_some_and(|end| end == "json")
            && !samples.iter().any(|sample| sample.name == name)
        {
            bail!("order.txt does not say when {name} is sent");
        }
    }
    Ok(samples)
}

/// The differences that are meant: `SAMPLE | PLACE | REASON`, where `*` stands for anything.
/// A reason that begins with "sometimes: " may be without a difference.
///
/// # Errors
/// A line has no three parts.
pub fn allowed() -> Result<Vec<Allowed>> {
    let text = std::fs::read_to_string(folder().join("differences.txt"))?;
    lines(&text)
        .map(|line| {
            let mut parts = line.splitn(3, '|').map(|part| part.trim().to_owned());
            match (parts.next(), parts.next(), parts.next()) {
                (Some(sample), Some(place), Some(reason)) if !reason.is_empty() => {
                    let sometimes = reason.starts_with("sometimes: ");
                    Ok(Allowed { sample, place, reason, sometimes })
                }
                _ => bail!("differences.txt: \"{line}\" is not SAMPLE | PLACE | REASON"),
            }
        })
        .collect()
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn sample(line: &str) -> Result<Sample> {
    let mut words = line.splitn(3, ' ');
    let sender = match words.next() {
        Some("admin") => Sender::Admin,
        Some("demo") => Sender::Demo,
        Some("service") => Sender::Service,
        Some("none") => Sender::Nobody,
        Some("bad") => Sender::Forger,
        _ => bail!("unknown caller"),
    };
    let name = words.next().context("no sample")?.to_owned();
    let header = words.next().and_then(|header| header.split_once(": "));
    let text = std::fs::read(folder().join(format!("{name}.json")))?;
    let recorded: Value = serde_json::from_slice(&text)?;
    let request = &recorded["request"];
    let text = |name: &str| request[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
    Ok(Sample {
        sender,
        header: header.map(|(name, value)| (name.to_owned(), value.to_owned())),
        method: text("method")?,
        path: text("path")?,
        body: match &request["body"] {
            Value::Null => String::new(),
            Value::Object(body) if body.contains_key("raw") => {
                body["raw"].as_str().unwrap_or_default().to_owned()
            }
            body => body.to_string(),
        },
        status: u16::try_from(recorded["status"].as_u64().context("no status")?)?,
        answer: recorded["body"].clone(),
        name,
    })
}

/// Whether the text is what the pattern says; `*` stands for any run of characters.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("a*c", "abbc") && matches("*", "") && matches("a", "a") && matches("*b*", "abc"));
        assert!(!matches("a*c", "abb") && !matches("a", "ab") && !matches("*b*", "ac"));
    }
}
