//! Prefixes as aligned blocks of numbers, and what taking and joining them leaves.
//!
//! Numbers are those of [`crate::ipam::number`]: IPv4 lies in `::ffff:0:0/96`, so one
//! arithmetic serves both families.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::ipam::{from_number, number};
use crate::ranges::{self, Range};

/// Bits of an address as a number.
const BITS: u8 = 128;
/// Bits before those of an IPv4 address.
const MAPPED: u8 = 96;

/// A prefix: `length` leading bits are fixed, all others of `first` are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    pub first: u128,
    pub length: u8,
}

impl Block {
    /// The block of a prefix; host bits are cleared.
    #[must_use]
    pub fn of(net: IpNet) -> Self {
        let length = length_of(net.addr().is_ipv4(), net.prefix_len());
        Self { first: number(net.network()), length }
    }

    /// The block as a prefix of its family.
    #[must_use]
    pub fn net(self) -> IpNet {
        match from_number(self.first) {
            IpAddr::V4(address) if self.length >= MAPPED => {
                Ipv4Net::new_assert(address, self.length - MAPPED).into()
            }
            _ => Ipv6Net::new_assert(self.first.into(), self.length).into(),
        }
    }

    /// All numbers of the block.
    #[must_use]
    pub fn range(self) -> Range {
        Range { first: self.first, last: self.first | self.host_bits() }
    }

    /// Whether all of `other` is in this block.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.length <= other.length && self.range().contains(other.first)
    }

    const fn host_bits(self) -> u128 {
        match self.length {
            0 => u128::MAX,
            length => (1_u128 << (BITS - length)) - 1,
        }
    }

    /// The other half of the block one bit shorter; `None` for everything.
    fn buddy(self) -> Option<Self> {
        let bit = 1_u128 << BITS.checked_sub(self.length).filter(|_| self.length > 0)?;
        Some(Self { first: self.first ^ bit, length: self.length })
    }

    /// The block one bit shorter that this one is half of.
    fn parent(self) -> Option<Self> {
        let buddy = self.buddy()?;
        Some(Self { first: self.first & buddy.first, length: self.length - 1 })
    }
}

/// The length out of 128 bits of a prefix length of the family.
#[must_use]
pub const fn length_of(is_ipv4: bool, prefixlen: u8) -> u8 {
    if is_ipv4 { MAPPED.saturating_add(prefixlen) } else { prefixlen }
}

/// Blocks that may have to be free for `block` to be joined with others: its buddy,
/// that of their parent, and so on.
#[must_use]
pub fn buddies(block: Block) -> Vec<Block> {
    let parents = std::iter::successors(Some(block), |block| block.parent());
    parents.filter_map(Block::buddy).collect()
}

/// The largest block that `block` makes with the free ones, and those of them that
/// become part of it.
#[must_use]
pub fn join(block: Block, free: &[Block]) -> (Block, Vec<Block>) {
    let (mut joined, mut used) = (block, Vec::new());
    while let (Some(buddy), Some(parent)) = (joined.buddy(), joined.parent()) {
        if !free.contains(&buddy) {
            break;
        }
        used.push(buddy);
        joined = parent;
    }
    (joined, used)
}

/// What is left of the free block when `taken`, which lies in it, is taken out.
#[must_use]
pub fn split(free: Block, taken: Block) -> Vec<Block> {
    buddies(taken).into_iter().take(usize::from(taken.length.saturating_sub(free.length))).collect()
}

/// The same numbers in the fewest blocks, in order.
#[must_use]
pub fn cover(ranges: Vec<Range>) -> Vec<Block> {
    let mut blocks = Vec::new();
    for range in ranges::merge(ranges) {
        let mut next = Some(range.first);
        while let Some(first) = next.filter(|first| *first <= range.last) {
            // As many numbers as fit, and as the alignment of the first allows.
            let fits = match (range.last - first).checked_add(1) {
                Some(count) => count.ilog2(),
                None => u32::from(BITS),
            };
            let bits = fits.min(first.trailing_zeros());
            let block = Block { first, length: BITS.saturating_sub(u8::try_from(bits).unwrap_or(BITS)) };
            next = block.range().last.checked_add(1);
            blocks.push(block);
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(text: &str) -> Block {
        Block::of(text.parse().expect("a prefix"))
    }

    fn nets(blocks: &[Block]) -> Vec<String> {
        blocks.iter().map(|block| block.net().to_string()).collect()
    }

    #[test]
    fn a_block_leads_back_to_its_prefix() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "2001:db8::/32", "fd00::1/128"] {
            assert_eq!(block(text).net().to_string(), text);
        }
        assert_eq!(block("10.1.2.3/8"), block("10.0.0.0/8"));
        assert_eq!(block("fd00::/64").range().last - block("fd00::/64").first, u128::from(u64::MAX));
    }

    #[test]
    fn taking_leaves_the_buddies_and_giving_back_joins_them() {
        let left = split(block("10.0.0.0/22"), block("10.0.1.0/24"));
        assert_eq!(nets(&left), ["10.0.0.0/24", "10.0.2.0/23"]);
        let (joined, used) = join(block("10.0.1.0/24"), &left);
        assert_eq!((joined, used), (block("10.0.0.0/22"), left));
        assert_eq!(join(block("10.0.1.0/24"), &[]), (block("10.0.1.0/24"), vec![]));
        assert_eq!(split(block("10.0.0.0/24"), block("10.0.0.0/24")), []);
    }

    #[test]
    fn a_cover_has_the_fewest_blocks() {
        let ranges = |texts: &[&str]| texts.iter().map(|text| block(text).range()).collect::<Vec<_>>();
        assert_eq!(nets(&cover(ranges(&["10.200.0.0/16", "10.201.0.0/16"]))), ["10.200.0.0/15"]);
        assert_eq!(
            nets(&cover(ranges(&["10.1.0.0/16", "10.2.0.0/16", "10.1.7.0/24"]))),
            ["10.1.0.0/16", "10.2.0.0/16"]
        );
        let everything = Range { first: 0, last: u128::MAX };
        assert_eq!(cover(vec![everything]), [Block { first: 0, length: 0 }]);
    }

    proptest! {
        #[test]
        fn a_cover_holds_the_same_numbers(
            wanted in prop::collection::vec((0_u128..200, 0_u128..40), 1..6), high in any::<bool>(),
        ) {
            let base = if high { u128::MAX - 300 } else { 0 };
            let ranges: Vec<Range> = wanted
                .iter()
                .map(|(first, more)| Range { first: base + first, last: base + first + more })
                .collect();
            let blocks = cover(ranges.clone());
            for pair in blocks.windows(2) {
                prop_assert!(pair[0].range().last < pair[1].first);
                prop_assert_ne!(pair[0].buddy(), Some(pair[1]), "two halves are one block");
            }
            let back = blocks.iter().map(|block| block.range()).collect();
            prop_assert_eq!(ranges::merge(back), ranges::merge(ranges));
        }

        #[test]
        fn what_is_split_off_can_be_joined_again(offset in 0_u128..4096, length in 116_u8..=128) {
            let free = Block { first: 0x1000 << 12, length: 116 };
            let inside = free.first + (offset >> (128 - length) << (128 - length));
            let taken = Block { first: inside, length };
            let left = split(free, taken);
            let all = left.iter().chain([&taken]).map(|block| block.range()).collect();
            prop_assert_eq!(ranges::merge(all), vec![free.range()]);
            prop_assert_eq!(join(taken, &left).0, free);
        }
    }
}
