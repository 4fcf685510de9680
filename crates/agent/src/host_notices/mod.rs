//! Notices that the host changed.
//!
//! One board for the whole agent: whoever sees a change (the watchers started by
//! [`watch`], or a mechanism that watches inside its own namespaces) puts it up, and
//! the loop takes all of it at once. The board is a set, so a thousand changes of one
//! device are one notice and nothing ever overflows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use isospin_host_io::{
    FilterLoss, HostError, LinkEvents, Links, Namespace, NamespaceWatch, Nft, NftEvents, SettingWatch,
};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Between tries to open a watch that failed.
const REOPEN: Duration = Duration::from_secs(1);
/// Namespaces the agent makes; others are none of its business.
const OUR_NAMESPACES: [&str; 2] = ["qrouter-", "qdhcp-"];
/// Settings of the host that traffic depends on (N14).
const SETTINGS: [&str; 4] = [
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
];
/// How often those are looked for that were not there.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What was noticed since the last look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noticed {
    /// Something that calls for a look at the whole host.
    pub everything: bool,
    /// Devices that were made, changed or removed.
    pub links: BTreeSet<String>,
}

/// The board. Cheap to clone; all clones are the same board.
#[derive(Debug, Clone, Default)]
pub struct HostNotices {
    board: Arc<Board>,
}

#[derive(Debug, Default)]
struct Board {
    noticed: Mutex<Noticed>,
    wake: Notify,
}

impl HostNotices {
    /// An empty board.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// This device was made, changed or removed.
    pub fn link(&self, name: &str) {
        self.board.noticed.lock().links.insert(name.to_owned());
        self.board.wake.notify_one();
    }

    /// Something else changed: the next pass looks at everything.
    pub fn everything(&self) {
        self.board.noticed.lock().everything = true;
        self.board.wake.notify_one();
    }

    /// Returns when there may be something to take. Safe to cancel.
    pub async fn changed(&self) {
        self.board.wake.notified().await;
    }

    /// Takes all notices down.
    #[must_use]
    pub fn take(&self) -> Noticed {
        std::mem::take(&mut *self.board.noticed.lock())
    }
}

/// Watches devices, rules, settings and namespaces of the host until `shutdown` and puts what
/// others changed on the board. Rules changed by this process are not noticed.
///
/// Returns once all watches are open: a pass after that misses nothing.
///
/// # Errors
/// When a watch cannot be opened at all (missing rights, no netlink).
pub async fn watch(
    notices: HostNotices,
    links: Links,
    nft: Nft,
    shutdown: CancellationToken,
) -> Result<(), HostError> {
    let devices = links.events().await?;
    let filters = links.filter_losses().await?;
    let rules = nft.events().await?;
    let settings = SettingWatch::open(&SETTINGS)?;
    let namespaces = NamespaceWatch::open()?;
    let known = Namespace::list()?.into_iter().filter(|name| is_ours(name)).collect();
    tokio::spawn(async move {
        tokio::select! {
            () = watch_devices(&notices, &links, devices) => {}
            () = watch_filters(&notices, &links, filters) => {}
            () = watch_rules(&notices, &nft, rules) => {}
            () = watch_settings(&notices, settings) => {}
            () = watch_namespaces(&notices, namespaces, known) => {}
            () = shutdown.cancelled() => {}
        }
    });
    Ok(())
}

async fn watch_devices(notices: &HostNotices, links: &Links, mut events: LinkEvents) {
    loop {
        while let Some(event) = events.next().await {
            debug!(device = event.name, kind = ?event.kind, "device changed");
            notices.link(&event.name);
        }
        events = reopen("devices", || links.events()).await;
        notices.everything();
    }
}

async fn watch_filters(notices: &HostNotices, links: &Links, mut losses: BoxStream<'static, FilterLoss>) {
    loop {
        while let Some(loss) = losses.next().await {
            debug!(?loss, "filters were taken away");
            let device = match loss {
                FilterLoss::Device(index) => links.name_of(index).await.ok().flatten(),
                FilterLoss::Filter => None,
            };
            match device {
                Some(name) => notices.link(&name),
                None => notices.everything(),
            }
        }
        losses = reopen("filters", || links.filter_losses()).await;
        notices.everything();
    }
}

async fn watch_rules(notices: &HostNotices, nft: &Nft, mut events: NftEvents) {
    loop {
        while let Some(event) = events.next().await {
            if !event.own {
                debug!(pid = event.pid, process = event.process, "rules changed by somebody else");
                notices.everything();
            }
        }
        events = reopen("rules", || nft.events()).await;
        notices.everything();
    }
}

async fn watch_settings(notices: &HostNotices, mut watch: SettingWatch) {
    loop {
        match tokio::time::timeout(LOOK_AGAIN, watch.next()).await {
            Ok(Some(())) => {
                debug!("a setting of the kernel was written");
                notices.everything();
            }
            Ok(None) => {
                watch = reopen("settings", || async { SettingWatch::open(&SETTINGS) }).await;
                notices.everything();
            }
            Err(_) => watch = reopen("settings", || async { SettingWatch::open(&SETTINGS) }).await,
        }
    }
}

async fn watch_namespaces(notices: &HostNotices, mut watch: NamespaceWatch, mut known: BTreeSet<String>) {
    loop {
        while let Some(change) = watch.next().await {
            // A name seen for the first time is one the agent has just made.
            if is_ours(&change.name) && !known.insert(change.name) {
                notices.everything();
            }
        }
        watch = reopen("namespaces", || async { NamespaceWatch::open() }).await;
        notices.everything();
    }
}

fn is_ours(namespace: &str) -> bool {
    OUR_NAMESPACES.iter().any(|prefix| namespace.starts_with(prefix))
}

async fn reopen<T, F: Future<Output = Result<T, HostError>>>(what: &str, open: impl Fn() -> F) -> T {
    loop {
        match open().await {
            Ok(opened) => return opened,
            Err(error) => warn!(what, %error, "cannot watch the host"),
        }
        tokio::time::sleep(REOPEN).await;
    }
}

#[cfg(test)]
mod tests;
