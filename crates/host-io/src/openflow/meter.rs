//! Meters: rates above which a switch drops (OpenFlow 1.4.1, 5.7 and 7.3.4.4).
//!
//! They are not part of bundles. What is wrong with one does not stop the others.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::message::{
    BARRIER_REPLY, BARRIER_REQUEST, ERROR, MULTIPART_REPLY, MULTIPART_REQUEST, Message, Messages, encoded,
    failed, limited, number,
};
use crate::HostError;

const METER_MOD: u8 = 29;
/// Of a multipart message: its type.
const METER_CONFIG: u16 = 10;
const ALL: u32 = 0xffff_ffff;
const DROP: u16 = 1;
/// Flags: kilobits or packets a second; the burst counts; count what passes.
const KILOBITS: u16 = 1;
const PACKETS: u16 = 2;
const BURST: u16 = 4;
const STATISTICS: u16 = 8;
/// Errors about meters, and their codes that people can do something about.
const METER_FAILED: u16 = 12;
const NO_METERS: u16 = 2;
const OUT_OF_METERS: u16 = 10;

/// What a meter counts, each second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    Kilobits,
    Packets,
}

/// A rate above which frames are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meter {
    pub unit: Unit,
    pub rate: u32,
    /// What may pass at once, in the same unit.
    pub burst: u32,
}

/// One change of a meter with this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeterChange {
    Add(u32, Meter),
    Modify(u32, Meter),
    Delete(u32),
}

impl MeterChange {
    /// Number of the meter.
    #[must_use]
    pub const fn id(&self) -> u32 {
        match self {
            Self::Add(id, _) | Self::Modify(id, _) | Self::Delete(id) => *id,
        }
    }

    fn body(&self) -> Vec<u8> {
        let (command, meter): (u16, _) = match self {
            Self::Add(_, meter) => (0, Some(meter)),
            Self::Modify(_, meter) => (1, Some(meter)),
            Self::Delete(_) => (2, None),
        };
        let unit = |meter: &Meter| if meter.unit == Unit::Kilobits { KILOBITS } else { PACKETS };
        let flags = meter.map_or(0, |meter| unit(meter) | BURST | STATISTICS);
        let mut body = command.to_be_bytes().to_vec();
        body.extend(flags.to_be_bytes());
        body.extend(self.id().to_be_bytes());
        if let Some(meter) = meter {
            body.extend([DROP.to_be_bytes(), 16_u16.to_be_bytes()].concat());
            body.extend([meter.rate.to_be_bytes(), meter.burst.to_be_bytes(), [0; 4]].concat());
        }
        body
    }
}

/// All meters of the bridge behind the socket.
pub(super) async fn read(socket: &Path) -> Result<BTreeMap<u32, Option<Meter>>, HostError> {
    let mut body = METER_CONFIG.to_be_bytes().to_vec();
    body.extend([0; 6]);
    body.extend(ALL.to_be_bytes());
    body.extend([0; 4]);
    let mut meters = BTreeMap::new();
    let take = |message: &Message| {
        match message.kind {
            MULTIPART_REPLY => parse(message.body.get(8..).unwrap_or_default(), &mut meters),
            ERROR => return Err(io::Error::other(reason(&message.body))),
            _ => {}
        }
        Ok(())
    };
    let talk = async {
        let mut messages = Messages::open(socket).await?;
        let asked = messages.ask(&encoded(MULTIPART_REQUEST, 2, &body), Message::ends_list, take).await;
        asked.map_err(|source| failed("read the meters of", socket, source))
    };
    limited(socket, talk).await?;
    Ok(meters)
}

/// Makes the changes and waits until the switch has.
pub(super) async fn change(
    socket: &Path,
    changes: &[MeterChange],
) -> Result<BTreeMap<u32, String>, HostError> {
    let first = 2_u32;
    let mut request = Vec::new();
    for (xid, change) in (first..).zip(changes) {
        request.extend(encoded(METER_MOD, xid, &change.body()));
    }
    request.extend(encoded(BARRIER_REQUEST, 1, &[]));
    let mut refused = BTreeMap::new();
    let take = |message: &Message| {
        if message.kind != ERROR {
            return Ok(());
        }
        let at = message.xid.checked_sub(first).and_then(|at| changes.get(usize::try_from(at).ok()?));
        let Some(change) = at else { return Err(io::Error::other(reason(&message.body))) };
        refused.insert(change.id(), reason(&message.body));
        Ok(())
    };
    let talk = async {
        let mut messages = Messages::open(socket).await?;
        let asked = messages.ask(&request, |message| message.kind == BARRIER_REPLY, take).await;
        asked.map_err(|source| failed("change the meters of", socket, source))
    };
    limited(socket, talk).await?;
    Ok(refused)
}

fn long_number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn parse(mut entries: &[u8], meters: &mut BTreeMap<u32, Option<Meter>>) {
    while let (Some(length), Some(id)) = (number(entries, 0), long_number(entries, 4)) {
        let length = usize::from(length.max(8));
        meters.insert(id, entries.get(..length).and_then(ours));
        let Some(rest) = entries.get(length..) else { return };
        entries = rest;
    }
}

/// The meter, if it has the shape of ours: one band that drops.
fn ours(entry: &[u8]) -> Option<Meter> {
    let flags = number(entry, 2)?;
    let unit = match flags & (KILOBITS | PACKETS) {
        KILOBITS => Unit::Kilobits,
        PACKETS => Unit::Packets,
        _ => return None,
    };
    let is_ours = entry.len() == 24 && number(entry, 8)? == DROP && flags & BURST != 0;
    is_ours.then_some(Meter { unit, rate: long_number(entry, 12)?, burst: long_number(entry, 16)? })
}

/// What an error says.
fn reason(body: &[u8]) -> String {
    match (number(body, 0), number(body, 2)) {
        (Some(METER_FAILED), Some(NO_METERS)) => "its datapath has no meters".to_owned(),
        (Some(METER_FAILED), Some(OUT_OF_METERS)) => "it has no meter left".to_owned(),
        (kind, code) => {
            format!("OpenFlow error {}, {}", kind.unwrap_or_default(), code.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_reads_back_the_same() {
        for (unit, rate, burst) in [(Unit::Kilobits, 1000, 800), (Unit::Packets, u32::MAX, 1)] {
            let meter = Meter { unit, rate, burst };
            let sent = MeterChange::Add(7, meter).body();
            // An entry has its length where a change has its command.
            let entry = [&24_u16.to_be_bytes()[..], &sent[2..]].concat();
            let (mut read, mut twice) = (BTreeMap::new(), entry.clone());
            twice.extend(&entry);
            twice.truncate(40);
            parse(&entry, &mut read);
            assert_eq!(read, BTreeMap::from([(7, Some(meter))]));
            parse(&twice, &mut read);
            assert_eq!(read[&7], None, "one cut short is none of ours");
        }
    }

    #[test]
    fn reasons_are_words_where_they_can_be() {
        assert_eq!(reason(&[0, 12, 0, 2]), "its datapath has no meters");
        assert_eq!(reason(&[0, 12, 0, 6]), "OpenFlow error 12, 6");
        assert_eq!(reason(&[]), "OpenFlow error 0, 0");
    }
}
