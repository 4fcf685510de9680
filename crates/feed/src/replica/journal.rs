//! Writing the replica's two files: a snapshot, and a journal of the changes since.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::frames::{self, MAGIC};
use super::load::{FORMAT, Paths};
use crate::facts::Facts;
use crate::proto::{Change, FromServer, SnapshotBegin, SnapshotEnd, from_server::Message};
use crate::replica_proto::Header;

/// A journal shorter than this is never worth a new snapshot. Bytes.
const SMALL: u64 = 1 << 20;

/// The files of one replica, for writing. Blocking: not for an async task.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    paths: Paths,
    host: String,
    /// Open once a snapshot was written by this process: appending to a file of an
    /// earlier life would mean trusting its end.
    file: Option<File>,
    bytes: u64,
    snapshot_bytes: u64,
}

impl Journal {
    pub(super) fn new(folder: &Path, host: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            paths: Paths::of(folder),
            host: host.to_owned(),
            file: None,
            bytes: 0,
            snapshot_bytes: 0,
        }
    }

    /// Replaces both files. A crash in between leaves the old pair, or the new
    /// snapshot with a journal of another epoch, which `load` leaves out.
    pub(super) fn start_over(&mut self, facts: &Facts, version: u64) -> io::Result<()> {
        self.file = None;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let header =
            Header { format: FORMAT, host: self.host.clone(), epoch: rand::random::<[u8; 16]>().to_vec() };
        let mut start = MAGIC.to_vec();
        frames::append(&mut start, &header);
        let mut snapshot = start.clone();
        append_snapshot(&mut snapshot, facts, version);
        self.replace(&self.paths.snapshot, &snapshot)?;
        self.file = Some(self.replace(&self.paths.journal, &start)?);
        self.bytes = 0;
        self.snapshot_bytes = snapshot.len() as u64;
        Ok(())
    }

    /// Appends changes and makes them durable. `false` when a snapshot must come
    /// first.
    pub(super) fn append(&mut self, changes: &[Change]) -> io::Result<bool> {
        let Some(file) = &mut self.file else {
            return Ok(false);
        };
        let mut bytes = Vec::new();
        for change in changes {
            frames::append(&mut bytes, &FromServer { message: Some(Message::Change(change.clone())) });
        }
        self.bytes += bytes.len() as u64;
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        if written.is_err() {
            // What is on disk now is unknown: only a new snapshot can follow.
            self.file = None;
        }
        written.map(|()| true)
    }

    /// Whether reading the journal has become dearer than a new snapshot.
    pub(super) fn is_long(&self) -> bool {
        self.bytes > SMALL.max(self.snapshot_bytes)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<File> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&beside, path)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(file)
    }
}

fn append_snapshot(file: &mut Vec<u8>, facts: &Facts, version: u64) {
    let mut push = |message| frames::append(file, &FromServer { message: Some(message) });
    push(Message::Begin(SnapshotBegin { version }));
    let mut items = 0;
    for record in facts.records() {
        push(Message::Item(record));
        items += 1;
    }
    push(Message::End(SnapshotEnd { version, items }));
}
