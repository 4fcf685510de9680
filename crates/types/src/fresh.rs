//! New UUIDs that lie near each other.
//!
//! Every table has an index by id, and its children have one by their parent's. With ids
//! random from the first bit each new row touches another leaf of each of these indexes,
//! the more the larger the table: docs/adr/0007-near-identifiers.md. So the first
//! [`WALKED`] bits are a walk: it starts anywhere in each process and goes a short random way
//! for each id. The other bits are random.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// Leading bits that are a walk: those names of devices are made of (`tap` and ten hex digits).
/// Two processes meet in them as rarely as random ids would.
const WALKED: u32 = 40;

/// The longest step. The first eight hex digits, by which people tell ids apart, change
/// with nearly every one.
const STEP: u64 = 1 << 16;

/// How far this process has come.
static WALK: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(Uuid::new_v4().as_u64_pair().1));

/// A new UUID, near the one before. It has the form of a random one (version 4, RFC 9562 §5.4):
/// there are clients that take no other.
pub(crate) fn fresh() -> Uuid {
    let random = Uuid::new_v4();
    // Of the bits that are not used below.
    let step = 1 + (random.as_u64_pair().0 >> WALKED) % STEP;
    at(WALK.fetch_add(step, Ordering::Relaxed), random)
}

/// The id of this place, of which only the last [`WALKED`] bits count.
fn at(place: u64, random: Uuid) -> Uuid {
    let (high, low) = random.as_u64_pair();
    let rest = u64::BITS - WALKED;
    Uuid::from_u64_pair(place << rest | high & ((1 << rest) - 1), low)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const MANY: usize = 100_000;

    #[test]
    fn ids_differ_also_in_the_part_devices_are_named_for() {
        let ids: Vec<Uuid> = (0..MANY).map(|_| fresh()).collect();
        assert_eq!(ids.iter().map(|id| id.as_u64_pair().0 >> 24).collect::<BTreeSet<_>>().len(), MANY);
        assert_eq!(ids.iter().map(|id| id.as_u64_pair().1).collect::<BTreeSet<_>>().len(), MANY);
        assert!(ids.iter().all(|id| id.get_version_num() == 4 && id.get_variant() == uuid::Variant::RFC4122));
    }

    #[test]
    fn each_is_near_the_one_before() {
        let places: Vec<u64> = (0..1_000).map(|_| fresh().as_u64_pair().0 >> 24).collect();
        // Other tests take ids of the same walk.
        let near = |pair: &[u64]| (pair[1].wrapping_sub(pair[0]) & ((1 << WALKED) - 1)) <= 1_000 * STEP;
        assert!(places.windows(2).all(near), "{places:?}");
        let abbreviated: BTreeSet<u64> = places.iter().map(|place| place >> 8).collect();
        assert!(abbreviated.len() > 950, "{}", abbreviated.len());
    }

    #[test]
    fn the_walk_goes_round() {
        let random = Uuid::new_v4();
        let (last, first) = (at(u64::MAX, random), at(u64::MAX.wrapping_add(1), random));
        assert!(last.to_string().starts_with("ffffffff-ff"), "{last}");
        assert!(first.to_string().starts_with("00000000-00"), "{first}");
        assert_eq!(last.to_string()[11..], random.to_string()[11..]);
    }
}
