//! The client process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{Installation, root};

/// What one command printed.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: i64,
    pub stdout: String,
    pub stderr: String,
}

/// An interpreter with the real client in it.
pub struct Client {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    cloud: String,
}

impl Client {
    /// For a cloud of the installation's `clouds.yaml`.
    ///
    /// # Errors
    /// The virtual environment is missing.
    pub fn start(installation: &Installation, cloud: &str) -> Result<Self> {
        let python = root().join(".venv/bin/python");
        let mut process = Command::new(&python)
            .arg(root().join("tests/conformance/batch.py"))
            .env("OS_CLIENT_CONFIG_FILE", installation.state_dir().join("clouds.yaml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}: `make client` first", python.display()))?;
        let input = process.stdin.take().context("no input")?;
        let output = BufReader::new(process.stdout.take().context("no output")?);
        Ok(Self { process, input, output, cloud: cloud.to_owned() })
    }

    /// Runs `openstack --os-cloud CLOUD <line>`; words are split at spaces, quotes as in a shell.
    ///
    /// # Errors
    /// The interpreter ended.
    pub fn answer(&mut self, line: &str) -> Result<Answer> {
        let request = json!({"cloud": self.cloud, "line": line});
        writeln!(self.input, "{request}")?;
        let mut text = String::new();
        if self.output.read_line(&mut text)? == 0 {
            bail!("the client ended at: openstack {line}");
        }
        let answer: Value = serde_json::from_str(&text)?;
        let field = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        Ok(Answer {
            status: answer["status"].as_i64().unwrap_or(-1),
            stdout: field("stdout"),
            stderr: field("stderr"),
        })
    }

    /// Runs a command that must succeed; what it printed.
    ///
    /// # Errors
    /// It failed: with what it said.
    pub fn ok(&mut self, line: &str) -> Result<String> {
        let answer = self.answer(line)?;
        if answer.status != 0 {
            bail!("openstack {line}: {}{}", answer.stdout, answer.stderr);
        }
        Ok(answer.stdout)
    }

    /// The same with `-f json`.
    ///
    /// # Errors
    /// It failed, or printed no JSON.
    pub fn json(&mut self, line: &str) -> Result<Value> {
        let text = self.ok(&format!("{line} -f json"))?;
        serde_json::from_str(&text).with_context(|| format!("openstack {line}: {text}"))
    }

    /// Runs a command that must fail; what it said.
    ///
    /// # Errors
    /// It succeeded.
    pub fn refused(&mut self, line: &str) -> Result<String> {
        let answer = self.answer(line)?;
        if answer.status == 0 {
            bail!("openstack {line} succeeded, but must not: {}", answer.stdout);
        }
        Ok(answer.stdout + &answer.stderr)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
