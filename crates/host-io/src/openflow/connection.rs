//! A connection that changes nothing: it tells when flows are taken away, and ends in the
//! moment the switch does.

use std::io;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::HostError;

/// OpenFlow 1.4, in the header of every message.
const VERSION: u8 = 5;
const HELLO: u8 = 0;
const ECHO_REQUEST: u8 = 2;
const ECHO_REPLY: u8 = 3;
const MULTIPART_REQUEST: u8 = 18;
const MULTIPART_REPLY: u8 = 19;
const HEADER: usize = 8;
/// Of a multipart message: its type.
const FLOW_MONITOR: u16 = 16;
/// What a monitor tells (OpenFlow 1.4.1, `ofp_flow_monitor_flags`).
const TELL_REMOVED: u16 = 1 << 2;
/// What an update is about.
const REMOVED: u16 = 2;
/// Why a flow went: somebody deleted it. Learned ones go by time.
const DELETED: u8 = 2;

/// A connection to a bridge, kept open by answering the switch's probes.
#[derive(Debug)]
pub struct Watched {
    stream: UnixStream,
}

impl Watched {
    /// Connects, greets, and asks to be told of flows that go.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(socket: &Path) -> Result<Self, HostError> {
        let wrong = |source| HostError::kernel("connect to", socket.display().to_string(), source);
        let mut stream = UnixStream::connect(socket).await.map_err(wrong)?;
        stream.write_all(&[VERSION, HELLO, 0, 8, 0, 0, 0, 1]).await.map_err(wrong)?;
        stream.write_all(&monitor()).await.map_err(wrong)?;
        Ok(Self { stream })
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

    /// Takes one message; a probe is sent back. How many flows it says went.
    async fn message(&mut self) -> io::Result<usize> {
        let mut header = [0; HEADER];
        self.stream.read_exact(&mut header).await?;
        let [_, kind, high, low, xid @ ..] = header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let mut body = vec![0; length.saturating_sub(HEADER)];
        self.stream.read_exact(&mut body).await?;
        if kind == ECHO_REQUEST {
            let mut reply = vec![VERSION, ECHO_REPLY, high, low];
            reply.extend(xid);
            reply.extend(body);
            self.stream.write_all(&reply).await?;
            return Ok(0);
        }
        Ok(if kind == MULTIPART_REPLY { deletions(&body) } else { 0 })
    }
}

/// The request to be told of every table's flows.
fn monitor() -> Vec<u8> {
    let mut request = vec![VERSION, MULTIPART_REQUEST, 0, 40, 0, 0, 0, 2];
    request.extend(FLOW_MONITOR.to_be_bytes());
    request.extend([0; 6]);
    // Number 1; whatever port and group they output to.
    request.extend(1_u32.to_be_bytes());
    request.extend([0xff; 8]);
    request.extend(TELL_REMOVED.to_be_bytes());
    // All tables; a new monitor; a match of everything.
    request.extend([0xff, 0, 0, 1, 0, 4, 0, 0, 0, 0]);
    request
}

/// How many of the updates are of flows somebody deleted.
fn deletions(body: &[u8]) -> usize {
    let number = |bytes: &[u8]| Some(u16::from_be_bytes(bytes.try_into().ok()?));
    let Some((kind, mut updates)) = body.split_at_checked(8) else { return 0 };
    if kind.get(..2).and_then(number) != Some(FLOW_MONITOR) {
        return 0;
    }
    let mut count = 0;
    while let (Some(length), Some(event)) =
        (updates.get(..2).and_then(number), updates.get(2..4).and_then(number))
    {
        count += usize::from(event == REMOVED && updates.get(5) == Some(&DELETED));
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
        // An abbreviated one, one deleted, a learned one whose time is over, one more made.
        body.extend([0, 8, 0, 4, 0, 0, 0, 0]);
        for (event, reason) in [(2, 2), (2, 1), (1, 0)] {
            body.extend([0, 32, 0, event, 20, reason]);
            body.extend([0; 26]);
        }
        assert_eq!(deletions(&body), 1);
        assert_eq!(deletions(&[0, 16, 0]), 0);
    }
}
