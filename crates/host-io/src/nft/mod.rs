//! nftables through the `nft` tool: scripts in, JSON out. Elements of sets without it, and the
//! kernel's own messages about who changed a ruleset.

mod elements;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use nix::sys::socket::{MsgFlags, recv};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinError;

use crate::nfnetlink::{Frame, Frames, Message, Socket};
use crate::process::{self, DEFAULT_LIMIT, Started};
use crate::readiness::{self, Owned};
use crate::{HostError, Place};

pub use elements::{SetChange, SetElement, SetValue, SetVerb};

/// Own runs of the tool and own sockets remembered, to tell own changes from those of others.
const REMEMBERED: usize = 256;
/// Netlink ports of the last ones; a tool's is its process id. Of the whole process: the watcher
/// of a place and the mechanisms that change it have doors of their own.
static OWN: Mutex<VecDeque<u32>> = Mutex::new(VecDeque::new());

/// The door to the rules of a place. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Nft {
    place: Place,
    kept: Arc<Kept>,
}

/// Sockets that stay open, and keep the namespace they are in: who closes one of nfnetlink waits
/// for the kernel to clean up after deletions, some 15 ms.
#[derive(Debug, Default)]
struct Kept {
    requests: Mutex<Option<Socket>>,
    commits: tokio::sync::Mutex<Option<NftEvents>>,
}

impl Nft {
    /// The door; nothing runs before the first call.
    #[must_use]
    pub fn open(place: Place) -> Self {
        Self { place, kept: Arc::default() }
    }

    /// Applies a script in one atomic transaction: all of it or nothing.
    ///
    /// # Errors
    /// [`HostError::Tool`] with what `nft` said.
    pub async fn apply(&self, script: &str) -> Result<(), HostError> {
        self.start().await?.finish(script.as_bytes()).await.map(|_| ())
    }

    /// The same, back as soon as the kernel tells of the transaction. The tool ends later: it
    /// closes its socket. This door keeps one from here on.
    ///
    /// # Errors
    /// [`HostError::Tool`] with what `nft` said.
    pub async fn commit(&self, script: &str) -> Result<(), HostError> {
        let mut kept = self.kept.commits.lock().await;
        let mut events = match kept.take() {
            Some(events) => events,
            None => self.events().await?,
        };
        let started = self.start().await?;
        let pid = started.pid();
        let script = script.as_bytes().to_vec();
        let mut ended = tokio::spawn(async move { started.finish(&script).await.map(|_| ()) });
        let joined = |ended: Result<_, JoinError>| {
            ended.unwrap_or_else(|_| Err(HostError::Lost { namespace: self.place.name().to_owned() }))
        };
        let is_told = tokio::select! {
            result = &mut ended => {
                *kept = Some(events);
                return joined(result);
            }
            is_told = events.tell_of(pid) => is_told,
        };
        if is_told {
            *kept = Some(events);
            return Ok(());
        }
        // Messages were lost, of this transaction perhaps; the next call listens anew.
        joined(ended.await)
    }

    async fn start(&self) -> Result<Started, HostError> {
        let started = process::start(&self.place, "nft", &["-f", "-"], DEFAULT_LIMIT).await?;
        // Noted before the script is handed over, hence before the change is told.
        if let Some(pid) = started.pid() {
            remember(pid);
        }
        Ok(started)
    }

    /// Adds and deletes elements, in this order and in one atomic transaction. `false` when it
    /// is too long for this way, and nothing was done. This door keeps a socket from here on.
    ///
    /// # Errors
    /// When the kernel refuses: a set that is not there or of another kind, an element to delete
    /// that is not there, one to add that is there with another value.
    pub async fn change_elements(&self, changes: &[SetChange]) -> Result<bool, HostError> {
        let Some(requests) = elements::requests(changes) else { return Ok(false) };
        if requests.is_empty() {
            return Ok(true);
        }
        let kept = Arc::clone(&self.kept);
        let work = move || {
            let mut kept = kept.requests.lock();
            let mut socket = match kept.take() {
                Some(socket) => socket,
                None => Socket::open(0)?,
            };
            remember(socket.port()?);
            socket.transaction(elements::SUBSYSTEM, &requests)?;
            // After a refusal it may have more to say, which is no answer to the next request.
            *kept = Some(socket);
            Ok(())
        };
        let done = self.place.run(work).await?;
        done.map_err(|source| HostError::kernel("change elements of rules in", self.place.name(), source))?;
        Ok(true)
    }

    /// A table as `nft -j list table` shows it; `None` when there is none.
    ///
    /// # Errors
    /// When the tool fails or its answer cannot be read.
    pub async fn list_table(&self, family: &str, table: &str) -> Result<Option<Value>, HostError> {
        unless_absent(json(&self.place, &["-j", "list", "table", family, table]).await)
    }

    /// As [`Nft::list_table`], with protocols, ICMP types and the like as numbers
    /// instead of the names this host has for them.
    ///
    /// # Errors
    /// When the tool fails or its answer cannot be read.
    pub async fn list_table_numeric(&self, family: &str, table: &str) -> Result<Option<Value>, HostError> {
        unless_absent(json(&self.place, &["-n", "-j", "list", "table", family, table]).await)
    }

    /// Family and name of every table.
    ///
    /// # Errors
    /// When the tool fails or its answer cannot be read.
    pub async fn list_tables(&self) -> Result<Vec<(String, String)>, HostError> {
        let answer = json(&self.place, &["-j", "list", "tables"]).await?;
        let text = |table: &Value, key: &str| Some(table.get(key)?.as_str()?.to_owned());
        let items = answer["nftables"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(items
            .iter()
            .filter_map(|item| item.get("table"))
            .filter_map(|table| Some((text(table, "family")?, text(table, "name")?)))
            .collect())
    }

    /// Transactions committed from now on, by anybody.
    ///
    /// # Errors
    /// When the place cannot be entered or netlink is refused.
    pub async fn events(&self) -> Result<NftEvents, HostError> {
        let wrong = |source| HostError::kernel("watch rules in", self.place.name(), source);
        let open = || Socket::open(RULES_GROUP).and_then(|it| it.hear_only(NEW_GENERATION).map(|()| it));
        let opened = self.place.run(open).await?.map_err(wrong)?;
        let fd = opened.into_fd();
        let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
        nix::fcntl::fcntl(&fd, flags).map_err(|errno| wrong(errno.into()))?;
        Ok(NftEvents { socket: readiness::register(fd).map_err(wrong)? })
    }
}

fn remember(port: u32) {
    let mut own = OWN.lock();
    own.retain(|known| *known != port);
    own.push_back(port);
    if own.len() > REMEMBERED {
        own.pop_front();
    }
}

fn unless_absent(listed: Result<Value, HostError>) -> Result<Option<Value>, HostError> {
    match listed {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn json(place: &Place, args: &[&str]) -> Result<Value, HostError> {
    let output = process::run(place, "nft", args, b"", DEFAULT_LIMIT).await?;
    serde_json::from_slice(&output.stdout)
        .map_err(|source| HostError::Answer { command: format!("nft {}", args.join(" ")), source })
}

/// Bit of NFNLGRP_NFTABLES (linux/netfilter/nfnetlink.h).
const RULES_GROUP: u32 = 1 << (7 - 1);
/// NFT_MSG_NEWGEN of NFNL_SUBSYS_NFTABLES: sent once per transaction.
const NEW_GENERATION: u16 = 10 << 8 | 15;

/// A transaction was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NftEvent {
    /// Its netlink port: of most tools the process id, as this namespace of processes counts.
    port: u32,
    /// Process that did it, when the kernel says.
    pub pid: Option<u32>,
    /// Its short name, "nft" for example.
    pub process: Option<String>,
    /// Whether it was made through a door of this process.
    pub own: bool,
}

impl NftEvent {
    fn is_of(&self, process: u32) -> bool {
        self.port == process || self.pid == Some(process)
    }
}

/// Committed transactions, one after the other.
#[derive(Debug)]
pub struct NftEvents {
    socket: AsyncFd<Owned<OwnedFd>>,
}

impl NftEvents {
    /// Waits for a transaction of this process. `false` when messages were lost.
    async fn tell_of(&mut self, process: Option<u32>) -> bool {
        while let Some(event) = self.next().await {
            if process.is_some_and(|process| event.is_of(process)) {
                return true;
            }
        }
        false
    }

    /// Waits for the next transaction. Safe to cancel. `None` when messages were
    /// lost: open another and look at everything.
    pub async fn next(&mut self) -> Option<NftEvent> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let mut ready = self.socket.readable().await.ok()?;
            let received = ready.try_io(|socket| {
                recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()).map_err(io::Error::from)
            });
            let length = match received {
                Ok(result) => result.ok()?,
                Err(_would_block) => continue,
            };
            for frame in Frames(&buffer[..length]) {
                match frame {
                    Ok(Frame::Message(message)) if message.kind == NEW_GENERATION => {
                        return Some(read(&message));
                    }
                    Ok(_) => {}
                    Err(_) => return None,
                }
            }
        }
    }
}

fn read(message: &Message) -> NftEvent {
    let mut pid = None;
    let mut process = None;
    for attribute in message.attributes() {
        match attribute.kind {
            2 => pid = attribute.number(),
            3 => {
                let name = attribute.value.split(|byte| *byte == 0).next().unwrap_or_default();
                process = Some(String::from_utf8_lossy(name).into_owned());
            }
            _ => {}
        }
    }
    // The netlink port is the process id as seen in its own pid namespace,
    // which is ours; the attribute counts in the initial one.
    let own = OWN.lock().iter().any(|mine| *mine == message.port || Some(*mine) == pid);
    NftEvent { port: message.port, pid, process, own }
}
