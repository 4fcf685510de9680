//! Messages of OpenFlow 1.4 on a connection to a bridge.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::HostError;

/// Time the switch may take: a hundred thousand flows need about a second.
const LIMIT: Duration = Duration::from_secs(20);
/// OpenFlow 1.4, in the header of every message.
const VERSION: u8 = 5;
const HELLO: u8 = 0;
pub(super) const ERROR: u8 = 1;
const ECHO_REQUEST: u8 = 2;
const ECHO_REPLY: u8 = 3;
pub(super) const MULTIPART_REQUEST: u8 = 18;
pub(super) const MULTIPART_REPLY: u8 = 19;
pub(super) const BARRIER_REQUEST: u8 = 20;
pub(super) const BARRIER_REPLY: u8 = 21;
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

impl Message {
    /// Whether this is the last part of the answer to a multipart request.
    pub(super) fn ends_list(&self) -> bool {
        const MORE: u16 = 1;
        self.kind == MULTIPART_REPLY && number(&self.body, 2).is_none_or(|flags| flags & MORE == 0)
    }
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
        let wrong = |source| failed("connect to", socket, source);
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
            let message = read(&mut self.stream).await?;
            if message.kind != ECHO_REQUEST {
                return Ok(message);
            }
            self.send(&encoded(ECHO_REPLY, message.xid, &message.body)).await?;
        }
    }

    /// Sends messages and takes what comes until `is_last`. Answers are taken while requests
    /// are still being sent: neither side waits for the other. Probes come much later than
    /// [`LIMIT`].
    pub(super) async fn ask(
        &mut self,
        request: &[u8],
        is_last: impl Fn(&Message) -> bool,
        mut take: impl FnMut(&Message) -> io::Result<()>,
    ) -> io::Result<()> {
        let (mut reader, mut writer) = self.stream.split();
        let answers = async {
            loop {
                let message = read(&mut reader).await?;
                take(&message)?;
                if is_last(&message) {
                    return Ok(());
                }
            }
        };
        futures::future::try_join(writer.write_all(request), answers).await.map(drop)
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Message> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).await?;
    let [_, kind, high, low, xid @ ..] = header;
    let (length, xid) = (usize::from(u16::from_be_bytes([high, low])), u32::from_be_bytes(xid));
    let mut body = vec![0; length.saturating_sub(HEADER)];
    stream.read_exact(&mut body).await?;
    Ok(Message { kind, xid, body })
}

/// A number of two bytes.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn failed(operation: &'static str, socket: &Path, source: io::Error) -> HostError {
    HostError::kernel(operation, socket.display().to_string(), source)
}

/// Waits no longer than [`LIMIT`].
pub(super) async fn limited<T>(
    socket: &Path,
    talk: impl Future<Output = Result<T, HostError>>,
) -> Result<T, HostError> {
    let late = |_| failed("wait for", socket, io::ErrorKind::TimedOut.into());
    tokio::time::timeout(LIMIT, talk).await.map_err(late)?
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
