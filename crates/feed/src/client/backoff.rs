//! How long to wait before the next try.

use std::time::Duration;

/// Pauses that double up to a limit, each with a random part, so that the agents of
/// a restarted server do not all come back at once.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses between half of `first` and `limit`.
    #[must_use]
    pub const fn new(first: Duration, limit: Duration) -> Self {
        Self { first, limit, next: first }
    }

    /// The next pause: between half and the whole of the current step.
    pub fn next_pause(&mut self) -> Duration {
        let step = self.next;
        self.next = step.saturating_mul(2).min(self.limit);
        step.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// After a success: the next pause is a short one again.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_limit_and_start_over_after_a_success() {
        let (first, limit) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, limit);
        for step in [100, 200, 400, 800, 1000, 1000] {
            let pause = backoff.next_pause();
            let step = Duration::from_millis(step);
            assert!(pause >= step / 2 && pause <= step, "{pause:?} for a step of {step:?}");
        }
        backoff.reset();
        assert!(backoff.next_pause() <= first);
    }
}
