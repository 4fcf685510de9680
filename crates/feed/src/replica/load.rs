//! Reading the replica kept on disk, at the start of an agent.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use prost::Message as _;

use super::frames::{self, Next};
use super::{ApplyError, Intake, IntakeError, Replica, Step};
use crate::proto::FromServer;
use crate::replica_proto::Header;

pub(super) const FORMAT: u32 = 1;

/// Where the two files are.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    pub snapshot: PathBuf,
    pub journal: PathBuf,
}

impl Paths {
    pub(super) fn of(folder: &Path) -> Self {
        Self { snapshot: folder.join("replica.snapshot"), journal: folder.join("replica.journal") }
    }
}

/// Why what is on disk cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ReplicaFileError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is damaged at byte {at}: {what}", path.display())]
    Damaged { path: PathBuf, at: usize, what: &'static str },
    #[error("{} is of format {format}, this release reads {FORMAT}", path.display())]
    Format { path: PathBuf, format: u32 },
    #[error("{} is for host '{host}'", path.display())]
    OtherHost { path: PathBuf, host: String },
    #[error("{} does not hold a whole snapshot", path.display())]
    Snapshot {
        path: PathBuf,
        #[source]
        source: IntakeError,
    },
    #[error("{} does not continue its snapshot", path.display())]
    Journal {
        path: PathBuf,
        #[source]
        source: ApplyError,
    },
}

/// What the disk gave.
#[derive(Debug)]
pub struct Loaded {
    /// The replica of the last life, or an empty one.
    pub replica: Replica,
    /// Why the replica is empty although there were files: to be logged. The damaged
    /// snapshot is kept beside as `replica.snapshot.bad`.
    pub problem: Option<ReplicaFileError>,
}

/// Loads the replica kept in `folder` for `host`. It is whole or empty, never half:
/// a journal cut at its end is used up to there, anything else that is wrong makes
/// the replica empty.
#[must_use]
pub fn load(folder: &Path, host: &str) -> Loaded {
    let paths = Paths::of(folder);
    match read_both(&paths, host) {
        Ok(replica) => Loaded { replica, problem: None },
        Err(problem) => {
            let mut aside = paths.snapshot.clone().into_os_string();
            aside.push(".bad");
            // Kept for people only: if it cannot be, the problem to tell is the first one.
            let _ = fs::rename(&paths.snapshot, aside);
            Loaded { replica: Replica::empty(), problem: Some(problem) }
        }
    }
}

fn read_both(paths: &Paths, host: &str) -> Result<Replica, ReplicaFileError> {
    let mut replica = Replica::empty();
    let Some(bytes) = read(&paths.snapshot)? else {
        return Ok(replica);
    };
    let (header, body) = open(&paths.snapshot, &bytes, host)?;
    read_snapshot(&paths.snapshot, &bytes, body, &mut replica)?;
    let Some(bytes) = read(&paths.journal)? else {
        return Ok(replica);
    };
    match open(&paths.journal, &bytes, host) {
        // Made by a start-over that was cut: the snapshot is newer than all of it.
        Ok((of_journal, _)) if of_journal.epoch != header.epoch => {}
        Ok((_, body)) => read_journal(&paths.journal, &bytes, body, &mut replica)?,
        Err(ReplicaFileError::Damaged { what: CUT, .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(replica)
}

const CUT: &str = "it ends inside a frame";

fn read(path: &Path) -> Result<Option<Vec<u8>>, ReplicaFileError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReplicaFileError::Read { path: path.to_owned(), source }),
    }
}

/// Checks magic and header; what follows them.
fn open<'a>(path: &Path, bytes: &'a [u8], host: &str) -> Result<(Header, &'a [u8]), ReplicaFileError> {
    let damaged = |what| ReplicaFileError::Damaged { path: path.to_owned(), at: 0, what };
    let body = bytes.strip_prefix(frames::MAGIC).ok_or_else(|| damaged("it does not begin as ours"))?;
    let (payload, rest) = match frames::next(body) {
        Next::Frame { payload, rest } => (payload, rest),
        Next::End | Next::Torn => return Err(damaged(CUT)),
        Next::Damaged => return Err(damaged("the header's checksum is wrong")),
    };
    let header = Header::decode(payload).map_err(|_| damaged("the header is no header"))?;
    if header.format != FORMAT {
        return Err(ReplicaFileError::Format { path: path.to_owned(), format: header.format });
    }
    if header.host != host {
        return Err(ReplicaFileError::OtherHost { path: path.to_owned(), host: header.host });
    }
    Ok((header, rest))
}

fn read_snapshot(
    path: &Path,
    bytes: &[u8],
    mut body: &[u8],
    replica: &mut Replica,
) -> Result<(), ReplicaFileError> {
    let at = |body: &[u8]| bytes.len() - body.len();
    let damaged = |at, what| ReplicaFileError::Damaged { path: path.to_owned(), at, what };
    let mut intake = Intake::default();
    loop {
        let (step, rest) = match frames::next(body) {
            Next::Frame { payload, rest } => {
                let message = decode(payload).ok_or_else(|| damaged(at(body), "a frame is no message"))?;
                let step = intake
                    .take(message)
                    .map_err(|source| ReplicaFileError::Snapshot { path: path.to_owned(), source })?;
                (step, rest)
            }
            Next::End | Next::Torn => return Err(damaged(at(body), CUT)),
            Next::Damaged => return Err(damaged(at(body), "a checksum is wrong")),
        };
        body = rest;
        if let Some(Step::Snapshot(snapshot)) = step {
            replica.adopt(snapshot);
            return Ok(());
        }
    }
}

fn read_journal(
    path: &Path,
    bytes: &[u8],
    mut body: &[u8],
    replica: &mut Replica,
) -> Result<(), ReplicaFileError> {
    let damaged = |body: &[u8], what| ReplicaFileError::Damaged {
        path: path.to_owned(),
        at: bytes.len() - body.len(),
        what,
    };
    loop {
        match frames::next(body) {
            Next::Frame { payload, rest } => {
                let Some(crate::proto::from_server::Message::Change(change)) = decode(payload) else {
                    return Err(damaged(body, "a frame is no change"));
                };
                replica
                    .apply(&change)
                    .map_err(|source| ReplicaFileError::Journal { path: path.to_owned(), source })?;
                body = rest;
            }
            Next::End | Next::Torn => return Ok(()),
            Next::Damaged => return Err(damaged(body, "a checksum is wrong")),
        }
    }
}

fn decode(payload: &[u8]) -> Option<crate::proto::from_server::Message> {
    FromServer::decode(payload).ok()?.message
}
