//! A connection that carries nothing: its end is the news.

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

/// A connection to a bridge, kept open by answering the switch's probes.
#[derive(Debug)]
pub struct Alive {
    stream: UnixStream,
}

impl Alive {
    /// Connects and greets.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(socket: &Path) -> Result<Self, HostError> {
        let wrong = |source| HostError::kernel("connect to", socket.display().to_string(), source);
        let mut stream = UnixStream::connect(socket).await.map_err(wrong)?;
        stream.write_all(&[VERSION, HELLO, 0, 8, 0, 0, 0, 1]).await.map_err(wrong)?;
        Ok(Self { stream })
    }

    /// Returns when the switch has gone.
    pub async fn ended(mut self) {
        while self.answer().await.is_ok() {}
    }

    /// Takes one message; a probe is sent back.
    async fn answer(&mut self) -> io::Result<()> {
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
        }
        Ok(())
    }
}
