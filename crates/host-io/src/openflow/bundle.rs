//! Bundles: changes of flows a switch takes whole or not at all (OpenFlow 1.4.1, 7.3.9),
//! and the flows it holds.

use std::io;
use std::path::Path;

use super::encode::pad;
use super::lines::Lines;
use super::message::{
    BARRIER_REPLY, BARRIER_REQUEST, ERROR, MULTIPART_REPLY, MULTIPART_REQUEST, Message, Messages, encoded,
    failed, limited, number,
};
use crate::HostError;

const FLOW_MOD: u8 = 14;
const BUNDLE_CONTROL: u8 = 33;
const BUNDLE_ADD: u8 = 34;
/// What is asked of a bundle.
const OPEN: u16 = 0;
const COMMIT: u16 = 4;
const COMMITTED: u16 = 5;
/// In one step, in this order.
const ATOMIC_ORDERED: u16 = 3;
/// Number of the only bundle of a connection.
const BUNDLE: u32 = 1;
/// Of a multipart message: its type.
const FLOWS: u16 = 1;
/// What is done, when it fails.
const CHANGE: &str = "change the flows of";
/// Commands of a change.
const ADD: u8 = 0;
const DELETE_STRICT: u8 = 4;
/// No buffer, no port, no group.
const NONE: [u8; 12] = [0xff; 12];
/// What of an entry comes before its match.
const ENTRY: usize = 48;

/// Where a flow is, and what it matches, as messages have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) table: u8,
    pub(super) priority: u16,
    pub(super) matched: &'a [u8],
}

/// The body of a change that adds a flow.
pub(super) fn addition(cookie: u64, place: Place<'_>, instructions: &[u8]) -> Vec<u8> {
    let mut body = change(ADD, cookie, 0, place);
    body.extend(instructions);
    body
}

/// The body of a change that takes one flow away, if it has the cookie.
pub(super) fn removal(cookie: u64, place: Place<'_>) -> Vec<u8> {
    change(DELETE_STRICT, cookie, u64::MAX, place)
}

fn change(command: u8, cookie: u64, mask: u64, place: Place<'_>) -> Vec<u8> {
    let mut body = Vec::with_capacity(128);
    body.extend(cookie.to_be_bytes());
    body.extend(mask.to_be_bytes());
    body.extend([place.table, command, 0, 0, 0, 0]);
    body.extend(place.priority.to_be_bytes());
    body.extend(NONE);
    body.extend([0; 4]);
    put_match(&mut body, place.matched);
    body
}

fn put_match(body: &mut Vec<u8>, matched: &[u8]) {
    let begin = body.len();
    let length = u16::try_from(matched.len() + 4).unwrap_or(u16::MAX);
    body.extend(1_u16.to_be_bytes());
    body.extend(length.to_be_bytes());
    body.extend(matched);
    pad(body, begin);
}

/// Applies changes in one step, over a line that is kept.
pub(super) async fn apply<'a>(
    socket: &Path,
    lines: &Lines,
    changes: impl Iterator<Item = &'a [u8]>,
) -> Result<(), HostError> {
    let mut request = encoded(BUNDLE_CONTROL, 1, &control(OPEN));
    for (xid, change) in (2..).zip(changes) {
        let mut body = BUNDLE.to_be_bytes().to_vec();
        body.extend([0; 2]);
        body.extend(ATOMIC_ORDERED.to_be_bytes());
        body.extend(encoded(FLOW_MOD, xid, change));
        request.extend(encoded(BUNDLE_ADD, xid, &body));
    }
    request.extend(encoded(BARRIER_REQUEST, 1, &[]));
    let talk = async {
        let mut messages = tell(socket, lines, &request).await?;
        let committed =
            |message: &Message| message.kind == BUNDLE_CONTROL && number(&message.body, 4) == Some(COMMITTED);
        let commit = encoded(BUNDLE_CONTROL, 1, &control(COMMIT));
        messages.ask(&commit, committed, refuse).await.map_err(|source| failed(CHANGE, socket, source))?;
        lines.keep(socket, messages);
        Ok(())
    };
    limited(socket, talk).await
}

/// Says all but that it is to be done: what the switch cannot read it refuses at once, and it
/// would be missing at the end. Where the switch has ended the line that was kept, it has
/// forgotten what it was told, and is told again.
async fn tell(socket: &Path, lines: &Lines, request: &[u8]) -> Result<Messages, HostError> {
    let wrong = |source| failed(CHANGE, socket, source);
    let is_told = |message: &Message| message.kind == BARRIER_REPLY;
    if let Some(mut messages) = lines.take(socket) {
        match messages.ask(request, is_told, refuse).await {
            Ok(()) => return Ok(messages),
            Err(error) if has_ended(&error) => {}
            Err(error) => return Err(wrong(error)),
        }
    }
    let mut messages = Messages::open(socket).await?;
    messages.ask(request, is_told, refuse).await.map_err(wrong)?;
    Ok(messages)
}

fn has_ended(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof
    )
}

fn control(what: u16) -> Vec<u8> {
    let mut body = BUNDLE.to_be_bytes().to_vec();
    body.extend(what.to_be_bytes());
    body.extend(ATOMIC_ORDERED.to_be_bytes());
    body
}

fn refuse(message: &Message) -> io::Result<()> {
    match (message.kind, number(&message.body, 0), number(&message.body, 2)) {
        (ERROR, Some(kind), Some(code)) => {
            let refused: String = message.body.iter().skip(4).map(|byte| format!("{byte:02x}")).collect();
            Err(io::Error::other(format!("OpenFlow error {kind}, {code} for {refused}")))
        }
        _ => Ok(()),
    }
}

/// A flow of a switch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) place: Place<'a>,
    /// It goes by time.
    pub(super) is_timed: bool,
    /// It tells nobody when it goes, and the like.
    pub(super) is_plain: bool,
    pub(super) instructions: &'a [u8],
}

/// Gives each flow with the cookie.
pub(super) async fn read(
    socket: &Path,
    cookie: u64,
    mut give: impl FnMut(Entry<'_>),
) -> Result<(), HostError> {
    let mut body = FLOWS.to_be_bytes().to_vec();
    body.extend([0; 6]);
    // All tables, whatever they output to.
    body.extend([0xff, 0, 0, 0]);
    body.extend([0xff; 8]);
    body.extend([0; 4]);
    body.extend(cookie.to_be_bytes());
    body.extend(u64::MAX.to_be_bytes());
    put_match(&mut body, &[]);
    let talk = async {
        let mut messages = Messages::open(socket).await?;
        let take = |message: &Message| {
            refuse(message)?;
            if message.kind == MULTIPART_REPLY {
                entries(message.body.get(8..).unwrap_or_default(), &mut give)
                    .ok_or_else(|| io::Error::other("a list of flows is cut short"))?;
            }
            Ok(())
        };
        let asked = messages.ask(&encoded(MULTIPART_REQUEST, 2, &body), Message::ends_list, take).await;
        asked.map_err(|source| failed("read the flows of", socket, source))
    };
    limited(socket, talk).await
}

/// Takes a part of the list apart; `None` when it is cut short.
fn entries(mut part: &[u8], give: &mut impl FnMut(Entry<'_>)) -> Option<()> {
    while !part.is_empty() {
        let (entry, rest) = part.split_at_checked(usize::from(number(part, 0)?).max(ENTRY))?;
        part = rest;
        let length = usize::from(number(entry, ENTRY + 2)?);
        let matched = entry.get(ENTRY + 4..ENTRY + length)?;
        let instructions = entry.get(ENTRY + length.next_multiple_of(8)..)?;
        let [idle, hard, flags, importance] =
            [14, 16, 18, 20].map(|at| number(entry, at).unwrap_or_default());
        give(Entry {
            place: Place { table: *entry.get(2)?, priority: number(entry, 12)?, matched },
            is_timed: (idle, hard) != (0, 0),
            is_plain: (flags, importance) == (0, 0),
            instructions,
        });
    }
    Some(())
}

/// The conditions of a match in an order that does not depend on who wrote it.
pub(super) fn in_order(matched: &[u8]) -> Vec<u8> {
    let mut conditions = Vec::new();
    let mut rest = matched;
    while let Some(length) = rest.get(3) {
        let Some((condition, after)) = rest.split_at_checked(4 + usize::from(*length)) else { break };
        conditions.push(condition);
        rest = after;
    }
    conditions.push(rest);
    conditions.sort_unstable();
    conditions.concat()
}
