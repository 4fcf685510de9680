//! A connection that changes nothing: it tells when flows are taken away, and ends in the
//! moment the switch does.

use std::io;
use std::path::Path;

use super::message::{MULTIPART_REPLY, MULTIPART_REQUEST, Messages, encoded, failed, number};
use crate::HostError;

/// Of a multipart message: its type.
const FLOW_MONITOR: u16 = 16;
/// What a monitor tells (OpenFlow 1.4.1, `ofp_flow_monitor_flags`).
const TELL_REMOVED: u16 = 1 << 2;
/// What an update is about.
const REMOVED: u16 = 2;
/// Why a flow went: somebody deleted it, or the meter it names. Learned ones go by time.
const DELETED: [u8; 2] = [2, 4];

/// A connection to a bridge, kept open by answering the switch's probes.
#[derive(Debug)]
pub struct Watched {
    messages: Messages,
}

impl Watched {
    /// Connects, greets, and asks to be told of flows that go.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(socket: &Path) -> Result<Self, HostError> {
        let wrong = |source| failed("connect to", socket, source);
        let mut messages = Messages::open(socket).await?;
        messages.send(&monitor()).await.map_err(wrong)?;
        Ok(Self { messages })
    }

    /// Returns when flows were deleted, by anybody: how many. `None` when the switch has
    /// gone.
    pub async fn removed(&mut self) -> Option<usize> {
        loop {
            match self.message().await {
                Ok(0) => {}
                Ok(count) => return Some(count),
                Err(_) => return None,
            }
        }
    }

    /// Takes one message. How many flows it says went.
    async fn message(&mut self) -> io::Result<usize> {
        let message = self.messages.next().await?;
        Ok(if message.kind == MULTIPART_REPLY { deletions(&message.body) } else { 0 })
    }
}

/// The request to be told of every table's flows.
fn monitor() -> Vec<u8> {
    let mut body = FLOW_MONITOR.to_be_bytes().to_vec();
    body.extend([0; 6]);
    // Number 1; whatever port and group they output to.
    body.extend(1_u32.to_be_bytes());
    body.extend([0xff; 8]);
    body.extend(TELL_REMOVED.to_be_bytes());
    // All tables; a new monitor; a match of everything.
    body.extend([0xff, 0, 0, 1, 0, 4, 0, 0, 0, 0]);
    encoded(MULTIPART_REQUEST, 2, &body)
}

/// How many of the updates are of flows somebody deleted.
fn deletions(body: &[u8]) -> usize {
    let Some((kind, mut updates)) = body.split_at_checked(8) else { return 0 };
    if number(kind, 0) != Some(FLOW_MONITOR) {
        return 0;
    }
    let mut count = 0;
    while let (Some(length), Some(event)) = (number(updates, 0), number(updates, 2)) {
        count += usize::from(event == REMOVED && updates.get(5).is_some_and(|why| DELETED.contains(why)));
        let Some(rest) = updates.get(usize::from(length.max(8))..) else { break };
        updates = rest;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::{deletions, monitor};

    #[test]
    fn the_request_is_as_long_as_it_says() {
        assert_eq!(monitor().len(), 40);
    }

    #[test]
    fn only_flows_somebody_deleted_count() {
        let mut body = vec![0, 16, 0, 0, 0, 0, 0, 0];
        // An abbreviated one, two deleted, a learned one whose time is over, one more made.
        body.extend([0, 8, 0, 4, 0, 0, 0, 0]);
        for (event, reason) in [(2, 2), (2, 4), (2, 1), (1, 0)] {
            body.extend([0, 32, 0, event, 20, reason]);
            body.extend([0; 26]);
        }
        assert_eq!(deletions(&body), 2);
        assert_eq!(deletions(&[0, 16, 0]), 0);
    }
}
