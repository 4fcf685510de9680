//! Connections that are kept from one change of a bridge's flows to the next: a switch takes a
//! new one, and greets it, in turns of its own, between which it may look at all its ports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::message::Messages;

/// Shorter than the time after which a switch probes a silent connection (60 s), and complains
/// when nobody answers.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// By socket.
type Kept = BTreeMap<PathBuf, Line>;

/// Those that wait for the next change. Clones are the same lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Line {
    messages: Messages,
    /// Ends it when it is no more needed.
    end: JoinHandle<()>,
}

impl Lines {
    /// The one to this socket, if there is one. The switch may have ended it since.
    pub(super) fn take(&self, socket: &Path) -> Option<Messages> {
        let Line { messages, end } = self.0.lock().remove(socket)?;
        end.abort();
        Some(messages)
    }

    /// Keeps one on which nothing is left to be said.
    pub(super) fn keep(&self, socket: &Path, messages: Messages) {
        let end = tokio::spawn(forget(Arc::downgrade(&self.0), socket.to_owned()));
        self.0.lock().insert(socket.to_owned(), Line { messages, end });
    }
}

async fn forget(lines: Weak<Mutex<Kept>>, socket: PathBuf) {
    tokio::time::sleep(KEPT_FOR).await;
    if let Some(lines) = lines.upgrade() {
        lines.lock().remove(&socket);
    }
}
