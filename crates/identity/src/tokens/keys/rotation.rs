//! What a rotation does, wherever the keys are.

use std::time::Duration;

use super::KeyError;

/// How to rotate.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Keys that remain, the staged one included; at least a primary and a staged one do.
    pub max_active: usize,
    /// How long tokens are valid.
    pub lifetime: Duration,
    /// Also when tokens that are still valid will be refused.
    pub force: bool,
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Number of the key that seals from now on.
    pub primary: u64,
    /// Keys that are gone.
    pub removed: Vec<u64>,
}

/// A key that is there.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub number: u64,
    /// Seconds since 1970.
    pub made_at: i64,
}

impl Rotation {
    /// The staged key gets the number above all; the oldest go. `None` when there is no
    /// key to rotate.
    pub fn plan(&self, known: &[Known], now: i64) -> Result<Rotated, Option<KeyError>> {
        let highest = known.iter().map(|key| key.number).max().filter(|highest| *highest > 0).ok_or(None)?;
        let mut numbers: Vec<u64> = known.iter().map(|key| key.number).filter(|number| *number > 0).collect();
        numbers.push(highest + 1);
        numbers.sort_unstable();
        let excess = numbers.len().saturating_sub(self.max_active.max(2) - 1);
        numbers.truncate(excess);
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        for number in &numbers {
            let valid_until = retired_at(known, *number, highest, now).saturating_add(lifetime);
            if valid_until > now && !self.force {
                return Err(Some(KeyError::TooSoon { number: *number, valid_until }));
            }
        }
        Ok(Rotated { primary: highest + 1, removed: numbers })
    }
}

/// When a key sealed its last token. Each rotation makes one key, the staged one, which
/// gets its number at the next: the key made when this one was followed by another is
/// the one two numbers above, or is staged still.
fn retired_at(known: &[Known], number: u64, highest: u64, now: i64) -> i64 {
    if number == highest {
        return now;
    }
    let made = known.iter().filter(|key| key.number >= number + 2 || key.number == 0);
    made.map(|key| key.made_at).min().unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(all: &[(u64, i64)]) -> Vec<Known> {
        all.iter().map(|(number, made_at)| Known { number: *number, made_at: *made_at }).collect()
    }

    fn plan(all: &[(u64, i64)], max_active: usize, now: i64) -> Result<(u64, Vec<u64>), Option<i64>> {
        let rotation = Rotation { max_active, lifetime: Duration::from_secs(100), force: false };
        rotation.plan(&keys(all), now).map(|done| (done.primary, done.removed)).map_err(|error| {
            error.map(|error| match error {
                KeyError::TooSoon { valid_until, .. } => valid_until,
                other => panic!("{other}"),
            })
        })
    }

    #[test]
    fn the_staged_key_becomes_the_primary_and_the_oldest_go() {
        assert_eq!(plan(&[(0, 0), (1, 0)], 3, 50), Ok((2, vec![])));
        assert_eq!(plan(&[(0, 50), (1, 0), (2, 0)], 3, 150), Ok((3, vec![1])));
        assert_eq!(plan(&[(0, 50), (4, 0), (5, 0), (6, 20)], 3, 150), Ok((7, vec![4, 5])));
        assert_eq!(plan(&[], 3, 0), Err(None));
        assert_eq!(plan(&[(0, 0)], 3, 0), Err(None));
    }

    #[test]
    fn a_key_stays_while_tokens_it_sealed_are_valid() {
        // Key 1 sealed until the rotation at 50, which made the key that is staged now.
        assert_eq!(plan(&[(0, 50), (1, 0), (2, 0)], 3, 149), Err(Some(150)));
        // Key 1 was followed at 50, key 2 at 120.
        assert_eq!(plan(&[(0, 120), (1, 0), (2, 0), (3, 50)], 4, 150), Ok((4, vec![1])));
        assert_eq!(plan(&[(0, 120), (1, 0), (2, 0), (3, 50)], 3, 150), Err(Some(220)));
        // Without a secondary key every rotation ends all tokens.
        assert_eq!(plan(&[(0, 0), (1, 0)], 2, 500), Err(Some(600)));
        let forced = Rotation { max_active: 2, lifetime: Duration::from_secs(100), force: true };
        let done = forced.plan(&keys(&[(0, 0), (1, 0)]), 500).expect("forced");
        assert_eq!(done, Rotated { primary: 2, removed: vec![1] });
    }
}
