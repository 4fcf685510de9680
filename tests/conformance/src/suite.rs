//! Test suites of OpenStack, unmodified, in `.venv-suites` (`make suites`).
//!
//! What does not pass is in `suites/skips.txt` with its reason; a line there that no
//! longer holds is as wrong as a test that fails.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{Installation, root};

/// Lines of a failed test that are shown.
const LINES: usize = 25;

/// What became of one test.
#[derive(Debug, Clone)]
struct Outcome {
    test: String,
    kind: Kind,
    /// Why it was skipped, or how it failed.
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Passed,
    Skipped,
    Failed,
}

/// Runs every test of a Python package against the installation: all pass, but for
/// those the list names.
///
/// # Errors
/// With each test that failed or was skipped and is not on the list, and each line of
/// the list whose tests all passed.
pub fn run_suite(installation: &Installation, package: &str, environment: &[(&str, &str)]) -> Result<()> {
    let outcomes = outcomes(installation, package, environment)?;
    ensure!(!outcomes.is_empty(), "{package} has no tests");
    let listed = std::fs::read_to_string(root().join("tests/conformance/suites/skips.txt"))?;
    let wrong = judge(package, &outcomes, &skips(&listed)?);
    ensure!(wrong.is_empty(), "{} of {} are wrong\n{}", wrong.len(), outcomes.len(), wrong.join("\n"));
    Ok(())
}

/// Runs the package's tests in the installation's state directory, which is where
/// they leave their logs.
fn outcomes(
    installation: &Installation,
    package: &str,
    environment: &[(&str, &str)],
) -> Result<Vec<Outcome>> {
    let python = root().join(".venv-suites/bin/python");
    let report = installation.state_dir().join(format!("{package}.json"));
    let output = Command::new(&python)
        .arg(root().join("tests/conformance/suites/run.py"))
        .arg(package)
        .arg(&report)
        .envs(environment.iter().copied())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(installation.state_dir())
        .output()
        .with_context(|| format!("cannot run {}: `make suites` first", python.display()))?;
    if !output.status.success() {
        bail!("{package} did not end: {}", String::from_utf8_lossy(&output.stderr));
    }
    read(&report)
}

fn read(report: &Path) -> Result<Vec<Outcome>> {
    std::fs::read_to_string(report)?
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line)?;
            let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let kind = match field("outcome").as_str() {
                "passed" => Kind::Passed,
                "skipped" => Kind::Skipped,
                _ => Kind::Failed,
            };
            Ok(Outcome { test: field("test"), kind, text: field("text") })
        })
        .collect()
}

/// The names in the list: a test, a class, a module or a package each.
fn skips(text: &str) -> Result<Vec<String>> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| match line.split_once(": ") {
            Some((name, reason)) if !reason.trim().is_empty() => Ok(name.to_owned()),
            _ => bail!("no reason in skips.txt: {line}"),
        })
        .collect()
}

/// Whether `name` is the test, or its class, module or package.
fn covers(name: &str, test: &str) -> bool {
    test.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Everything that differs from the list.
fn judge(package: &str, outcomes: &[Outcome], skips: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut held = BTreeSet::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.kind != Kind::Passed) {
        let mut found = skips.iter().filter(|name| covers(name, &outcome.test)).peekable();
        if found.peek().is_none() {
            wrong.push(told(outcome));
        }
        held.extend(found);
    }
    for name in skips.iter().filter(|name| covers(package, name) && !held.contains(name)) {
        wrong.push(format!("{name} is in skips.txt, but passes or is not there"));
    }
    wrong
}

fn told(outcome: &Outcome) -> String {
    let word = if outcome.kind == Kind::Skipped { "SKIPPED" } else { "FAILED" };
    let lines: Vec<&str> = outcome.text.trim().lines().collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    format!("{word} {}\n    {}", outcome.test, last.join("\n    "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(test: &str, kind: Kind) -> Outcome {
        Outcome { test: test.to_owned(), kind, text: "because".to_owned() }
    }

    #[test]
    fn what_does_not_pass_has_to_be_listed_and_what_is_listed_must_not_pass() -> Result<()> {
        let outcomes = [
            outcome("p.a.Class.test_one", Kind::Passed),
            outcome("p.a.Class.test_two", Kind::Failed),
            outcome("p.b.Class", Kind::Skipped),
            outcome("p.bb.Class", Kind::Skipped),
        ];
        let skips = skips("# why\n\np.b: no b here\np.a.Class.test_one: it passes\nq.a: another suite\n")?;
        assert_eq!(
            judge("p", &outcomes, &skips),
            [
                "FAILED p.a.Class.test_two\n    because",
                "SKIPPED p.bb.Class\n    because",
                "p.a.Class.test_one is in skips.txt, but passes or is not there",
            ]
        );
        Ok(())
    }

    #[test]
    fn every_line_of_the_list_has_a_reason() {
        assert!(skips("p.b\n").is_err() && skips("p.b: \n").is_err());
    }
}
