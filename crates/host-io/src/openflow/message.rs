//! Messages of OpenFlow 1.4 on a connection to a bridge.

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
const HEADER: usize = 8;
/// What a connection begins with.
const GREETING: u32 = 1;

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    /// Of the request it answers.
    pub(super) xid: u32,
    pub(super) body: Vec<u8>,
}

/// A connection that has greeted.
#[derive(Debug)]
pub(super) struct Messages {
    stream: UnixStream,
}

impl Messages {
    /// Connects and greets.
    ///
    /// # Errors
    /// When nobody listens.
    pub(super) async fn open(socket: &Path) -> Result<Self, HostError> {
        let wrong = |source| HostError::kernel("connect to", socket.display().to_string(), source);
        let stream = UnixStream::connect(socket).await.map_err(wrong)?;
        let mut messages = Self { stream };
        messages.send(&encoded(HELLO, GREETING, &[])).await.map_err(wrong)?;
        Ok(messages)
    }

    /// Sends whole messages.
    pub(super) async fn send(&mut self, messages: &[u8]) -> io::Result<()> {
        self.stream.write_all(messages).await
    }

    /// The next message; probes of the switch are sent back and not given.
    pub(super) async fn next(&mut self) -> io::Result<Message> {
        loop {
            let mut header = [0; HEADER];
            self.stream.read_exact(&mut header).await?;
            let [_, kind, high, low, xid @ ..] = header;
            let (length, xid) = (usize::from(u16::from_be_bytes([high, low])), u32::from_be_bytes(xid));
            let mut body = vec![0; length.saturating_sub(HEADER)];
            self.stream.read_exact(&mut body).await?;
            if kind != ECHO_REQUEST {
                return Ok(Message { kind, xid, body });
            }
            self.send(&encoded(ECHO_REPLY, xid, &body)).await?;
        }
    }
}

/// A message as it is sent.
pub(super) fn encoded(kind: u8, xid: u32, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX);
    let mut message = vec![VERSION, kind];
    message.extend(length.to_be_bytes());
    message.extend(xid.to_be_bytes());
    message.extend(body);
    message
}
