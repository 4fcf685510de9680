//! Arithmetic of sets kept as ranges: free addresses and free segment ids.
//!
//! A set is stored as rows of inclusive, disjoint, non-adjacent ranges. Taking one
//! value out or putting one back touches at most two rows; the functions here say
//! which, the stores carry it out.

/// Both ends belong to it; `first <= last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    pub first: u128,
    pub last: u128,
}

impl Range {
    /// Whether the value lies in the range.
    #[must_use]
    pub const fn contains(self, value: u128) -> bool {
        self.first <= value && value <= self.last
    }

    /// Whether the two have a value in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// One change of a stored row, which is known by where its range starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    Delete(u128),
    Replace { first: u128, with: Range },
    Insert(Range),
}

/// What taking `value` out of the stored `range` that holds it changes.
#[must_use]
pub fn take(range: Range, value: u128) -> Vec<Edit> {
    let first = range.first;
    if range.first == range.last {
        vec![Edit::Delete(first)]
    } else if value == range.first {
        vec![Edit::Replace { first, with: Range { first: value + 1, last: range.last } }]
    } else if value == range.last {
        vec![Edit::Replace { first, with: Range { first, last: value - 1 } }]
    } else {
        vec![
            Edit::Replace { first, with: Range { first, last: value - 1 } },
            Edit::Insert(Range { first: value + 1, last: range.last }),
        ]
    }
}

/// What putting `value` back changes. `below` is the stored range that starts at or
/// before it, `above` the one that starts right after it.
#[must_use]
pub fn give_back(value: u128, below: Option<Range>, above: Option<Range>) -> Vec<Edit> {
    let joined_below = match below {
        Some(range) if range.contains(value) => return Vec::new(),
        Some(range) if range.last.checked_add(1) == Some(value) => Some(range),
        _ => None,
    };
    match (joined_below, above) {
        (Some(below), Some(above)) => vec![
            Edit::Delete(above.first),
            Edit::Replace { first: below.first, with: Range { first: below.first, last: above.last } },
        ],
        (Some(below), None) => {
            vec![Edit::Replace { first: below.first, with: Range { first: below.first, last: value } }]
        }
        (None, Some(above)) => {
            vec![Edit::Replace { first: above.first, with: Range { first: value, last: above.last } }]
        }
        (None, None) => vec![Edit::Insert(Range { first: value, last: value })],
    }
}

/// The same values in the fewest ranges, in order.
#[must_use]
pub fn merge(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(before) if range.first <= before.last.saturating_add(1) => {
                before.last = before.last.max(range.last);
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// What is left of `ranges` without the values `used`, in the fewest ranges.
#[must_use]
pub fn without(ranges: Vec<Range>, mut used: Vec<u128>) -> Vec<Range> {
    used.sort_unstable();
    let mut used = used.into_iter().peekable();
    let mut left = Vec::new();
    for range in merge(ranges) {
        let mut first = Some(range.first);
        while let Some(value) = used.next_if(|value| *value <= range.last) {
            let Some(start) = first.filter(|start| *start <= value) else { continue };
            if start < value {
                left.push(Range { first: start, last: value - 1 });
            }
            first = value.checked_add(1);
        }
        if let Some(first) = first.filter(|first| *first <= range.last) {
            left.push(Range { first, last: range.last });
        }
    }
    left
}

/// What is left of `ranges` without those of `removed`, in the fewest ranges.
#[must_use]
pub fn difference(ranges: Vec<Range>, removed: Vec<Range>) -> Vec<Range> {
    let removed = merge(removed);
    let mut left = Vec::new();
    let mut passed = 0;
    for range in merge(ranges) {
        passed += removed.iter().skip(passed).take_while(|gone| gone.last < range.first).count();
        let mut first = Some(range.first);
        for gone in removed.iter().skip(passed).take_while(|gone| gone.first <= range.last) {
            if let Some(start) = first.filter(|start| *start < gone.first) {
                left.push(Range { first: start, last: gone.first - 1 });
            }
            first = gone.last.checked_add(1);
        }
        if let Some(first) = first.filter(|first| *first <= range.last) {
            left.push(Range { first, last: range.last });
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn values(ranges: &[Range]) -> BTreeSet<u128> {
        ranges.iter().flat_map(|range| range.first..=range.last).collect()
    }

    fn apply(ranges: &mut Vec<Range>, edits: Vec<Edit>) {
        for edit in edits {
            match edit {
                Edit::Delete(first) => ranges.retain(|range| range.first != first),
                Edit::Replace { first, with } => {
                    let row = ranges.iter_mut().find(|range| range.first == first).expect("a stored range");
                    *row = with;
                }
                Edit::Insert(range) => ranges.push(range),
            }
        }
        ranges.sort_unstable();
    }

    proptest! {
        #[test]
        fn without_leaves_exactly_the_rest(
            pairs in prop::collection::vec((0u128..60, 0u128..12), 0..6),
            used in prop::collection::vec(0u128..80, 0..30),
        ) {
            let ranges: Vec<Range> =
                pairs.into_iter().map(|(first, length)| Range { first, last: first + length }).collect();
            let expected: BTreeSet<u128> =
                values(&ranges).difference(&used.iter().copied().collect()).copied().collect();
            let left = without(ranges, used);
            prop_assert_eq!(values(&left), expected);
            prop_assert!(left.windows(2).all(|pair| pair[0].last + 1 < pair[1].first));
        }

        #[test]
        fn a_difference_leaves_exactly_the_rest(
            from in prop::collection::vec((0u128..60, 0u128..12), 0..6),
            minus in prop::collection::vec((0u128..60, 0u128..6), 0..8),
        ) {
            let ranges = |pairs: Vec<(u128, u128)>| {
                pairs.into_iter().map(|(first, more)| Range { first, last: first + more }).collect::<Vec<_>>()
            };
            let (from, minus) = (ranges(from), ranges(minus));
            let expected: BTreeSet<u128> = values(&from).difference(&values(&minus)).copied().collect();
            let left = difference(from, minus);
            prop_assert_eq!(values(&left), expected);
            prop_assert!(left.windows(2).all(|pair| pair[0].last + 1 < pair[1].first));
        }

        #[test]
        fn taking_and_giving_back_keep_the_set(moves in prop::collection::vec((any::<bool>(), 0u128..24), 1..80)) {
            let mut stored = vec![Range { first: 0, last: 23 }];
            let mut model: BTreeSet<u128> = (0..24).collect();
            for (taking, value) in moves {
                let below = stored.iter().rev().find(|range| range.first <= value).copied();
                if taking {
                    if let Some(range) = below.filter(|range| range.contains(value)) {
                        apply(&mut stored, take(range, value));
                    }
                    model.remove(&value);
                } else {
                    let above = stored.iter().find(|range| range.first == value + 1).copied();
                    apply(&mut stored, give_back(value, below, above));
                    model.insert(value);
                }
                prop_assert_eq!(values(&stored), model.clone());
                prop_assert!(stored.windows(2).all(|pair| pair[0].last + 1 < pair[1].first));
            }
        }
    }

    #[test]
    fn the_ends_of_the_number_line_hold() {
        let all = Range { first: 0, last: u128::MAX };
        assert_eq!(without(vec![all], vec![u128::MAX]), [Range { first: 0, last: u128::MAX - 1 }]);
        assert_eq!(without(vec![all], vec![0]), [Range { first: 1, last: u128::MAX }]);
        assert_eq!(merge(vec![all, all]), [all]);
        assert_eq!(difference(vec![all], vec![all]), []);
        let (low, high) = (Range { first: 0, last: 9 }, Range { first: 10, last: u128::MAX });
        assert_eq!(difference(vec![all], vec![high]), [low]);
        assert_eq!(difference(vec![all], vec![low]), [high]);
    }
}
