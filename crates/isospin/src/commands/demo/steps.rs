//! Progress on the terminal, one line for each step.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Runs steps, tells each as it ends, and remembers what failed.
pub struct Steps {
    started: Instant,
    done: usize,
    failed: usize,
}

impl Steps {
    pub fn new() -> Self {
        Self { started: Instant::now(), done: 0, failed: 0 }
    }

    /// A step the rest depends on: its failure ends the demo.
    pub async fn step<T>(&mut self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let started = Instant::now();
        match work.await {
            Ok(value) => {
                self.tick(what, started.elapsed());
                Ok(value)
            }
            Err(error) => {
                self.cross(what, &error);
                bail!("the demo stops at: {what}")
            }
        }
    }

    /// A check: its failure is told, and the rest goes on.
    pub async fn check(&mut self, what: &str, work: impl Future<Output = Result<()>>) {
        let started = Instant::now();
        match work.await {
            Ok(()) => self.tick(what, started.elapsed()),
            Err(error) => self.cross(what, &error),
        }
    }

    #[expect(clippy::print_stdout, reason = "progress is the command's answer")]
    fn tick(&mut self, what: &str, took: Duration) {
        self.done += 1;
        println!("  ✓ {what} ({} ms)", took.as_millis());
        let _ = std::io::stdout().flush();
    }

    #[expect(clippy::print_stdout, reason = "progress is the command's answer")]
    fn cross(&mut self, what: &str, error: &anyhow::Error) {
        self.failed += 1;
        println!("  ✗ {what}\n      {error:#}");
        let _ = std::io::stdout().flush();
    }

    /// The outcome of all steps.
    #[expect(clippy::print_stdout, reason = "progress is the command's answer")]
    pub fn finish(self) -> Result<()> {
        if self.failed > 0 {
            bail!("{} of {} steps failed", self.failed, self.failed + self.done);
        }
        println!("{} steps, all well, in {} ms.", self.done, self.started.elapsed().as_millis());
        Ok(())
    }
}
