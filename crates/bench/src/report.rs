//! Results: JSON for machines, a table for docs/performance.md.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::driver::Measured;

/// Marks around the table in the page.
const BEGIN: &str = "<!-- results: begin -->";
const END: &str = "<!-- results: end -->";

#[derive(Debug, Clone, Serialize)]
struct Line {
    engine: &'static str,
    what: String,
    /// Objects or calls in a second; absent for latencies and sizes.
    rate: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    mebibytes: Option<f64>,
    /// Of the same without Isospin.
    ratio: Option<f64>,
    /// What is none of these, with its unit.
    amount: Option<(f64, &'static str)>,
}

impl Line {
    fn of(engine: &'static str, what: impl Into<String>) -> Self {
        let what = what.into();
        Self {
            engine,
            what,
            rate: None,
            p50_ms: None,
            p99_ms: None,
            mebibytes: None,
            ratio: None,
            amount: None,
        }
    }
}

/// All lines of one run, and the machine they were measured on.
#[derive(Debug, Serialize)]
pub struct Results {
    machine: String,
    lines: Vec<Line>,
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl Results {
    pub fn new() -> Self {
        Self { machine: machine(), lines: Vec::new() }
    }

    /// A load of many calls, each with `objects` objects.
    pub fn rate(&mut self, on: impl Into<&'static str>, what: &str, measured: &Measured, objects: usize) {
        self.push(Line {
            rate: Some(measured.rate() * objects as f64),
            p50_ms: Some(milliseconds(measured.quantile(0.5))),
            p99_ms: Some(milliseconds(measured.quantile(0.99))),
            ..Line::of(on.into(), what)
        });
    }

    /// Calls made one after the other.
    pub fn latency(&mut self, on: impl Into<&'static str>, what: &str, measured: &Measured) {
        self.push(Line {
            p50_ms: Some(milliseconds(measured.quantile(0.5))),
            p99_ms: Some(milliseconds(measured.quantile(0.99))),
            ..Line::of(on.into(), what)
        });
    }

    /// Resident memory of a process.
    pub fn memory(&mut self, on: impl Into<&'static str>, what: &str, bytes: u64) {
        let mebibytes = Some(bytes as f64 / f64::from(1u32 << 20));
        self.push(Line { mebibytes, ..Line::of(on.into(), what) });
    }

    /// A rate, and what it is of the same without Isospin.
    pub fn ratio(&mut self, on: impl Into<&'static str>, what: &str, rate: f64, without: f64) {
        self.push(Line { rate: Some(rate), ratio: Some(rate / without), ..Line::of(on.into(), what) });
    }

    /// What has a unit of its own.
    pub fn amount(&mut self, on: impl Into<&'static str>, what: &str, amount: f64, unit: &'static str) {
        self.push(Line { amount: Some((amount, unit)), ..Line::of(on.into(), what) });
    }

    #[expect(clippy::print_stderr, reason = "progress for the person who waits")]
    fn push(&mut self, line: Line) {
        eprintln!("{}", cells(&line).join("  "));
        self.lines.push(line);
    }

    pub fn write_json(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Replaces the table between the marks of the page.
    pub fn write_page(&self, path: &Path) -> Result<()> {
        let page =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let (before, rest) = page.split_once(BEGIN).context("the page has no mark for results")?;
        let (_, after) = rest.split_once(END).context("the page has no end mark for results")?;
        let text = format!("{before}{BEGIN}\n{}\n{END}{after}", self.table());
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn table(&self) -> String {
        let mut text = format!("Machine: {}\n\n", self.machine);
        text.push_str("| on | what | per second | p50 ms | p99 ms | MiB | of a bare pair | other |\n|---|---|---|---|---|---|---|---|\n");
        for line in &self.lines {
            let _ = writeln!(text, "| {} |", cells(line).join(" | "));
        }
        text.trim_end().to_owned()
    }

    #[expect(clippy::print_stdout, reason = "this is the command's answer")]
    pub fn print(&self) {
        println!("{}", self.table());
    }
}

fn cells(line: &Line) -> [String; 8] {
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(String::new, |value| format!("{value:.digits$}"))
    };
    [
        line.engine.to_owned(),
        line.what.clone(),
        number(line.rate, 0),
        number(line.p50_ms, 2),
        number(line.p99_ms, 2),
        number(line.mebibytes, 1),
        number(line.ratio, 2),
        line.amount.map_or_else(String::new, |(amount, unit)| format!("{amount:.2} {unit}")),
    ]
}

/// Processor, cores, memory and kernel.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = read("/proc/meminfo")
        .lines()
        .next()
        .and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{model}, {cores} cores shared with the load driver, {} GiB, Linux {}",
        memory >> 20,
        kernel.trim()
    )
}
