//! Frames of the replica's files: length (u32), first 8 bytes of the payload's
//! SHA-256, payload. All numbers little-endian. A file begins with [`MAGIC`].

use prost::Message;
use sha2::{Digest, Sha256};

pub(super) const MAGIC: &[u8; 8] = b"isorep1\n";
const HEAD: usize = 12;

/// What follows at some place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// A whole frame and what is behind it.
    Frame { payload: &'a [u8], rest: &'a [u8] },
    /// The end of the file.
    End,
    /// The file ends inside this frame, or in nothing but a damaged last frame: a
    /// write that was cut.
    Torn,
    /// A damaged frame with others behind it.
    Damaged,
}

pub(super) fn append(file: &mut Vec<u8>, message: &impl Message) {
    let payload = message.encode_to_vec();
    // A protobuf message is below 2 GiB by its own rules.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&checksum(&payload));
    file.extend_from_slice(&payload);
}

pub(super) fn next(bytes: &[u8]) -> Next<'_> {
    let Some((head, rest)) = bytes.split_at_checked(HEAD) else {
        return if bytes.is_empty() { Next::End } else { Next::Torn };
    };
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let Some((payload, rest)) = rest.split_at_checked(length) else {
        return Next::Torn;
    };
    if checksum(payload) == head[4..] {
        return Next::Frame { payload, rest };
    }
    // After a power cut a file may be longer than what was written of it, with
    // zeros in the place of data.
    let nothing_behind = rest.iter().all(|byte| *byte == 0);
    if nothing_behind { Next::Torn } else { Next::Damaged }
}

fn checksum(payload: &[u8]) -> [u8; 8] {
    let digest = Sha256::digest(payload);
    let mut sum = [0; 8];
    sum.copy_from_slice(&digest[..8]);
    sum
}
