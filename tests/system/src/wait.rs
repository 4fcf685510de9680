//! Waiting for a state.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Looks until there is something; how long that took with it.
///
/// # Errors
/// Nothing came within the limit.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Result<(T, Duration)> {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok((found, started.elapsed()));
        }
        if started.elapsed() > limit {
            bail!("{what}: not within {} ms", limit.as_millis());
        }
        pause(LOOK);
    }
}

/// Between two looks, or two packets of a steady stream.
#[expect(
    clippy::disallowed_methods,
    reason = "the pace of looking and sending; what is waited for is a state"
)]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
