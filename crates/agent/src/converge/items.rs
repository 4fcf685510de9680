//! The states of all items, and which of them the server does not know yet.

use std::collections::{BTreeMap, BTreeSet};

use isospin_feed::client::Outbox;
use isospin_feed::facts::{FactKey, Facts};
use isospin_feed::proto::{ItemStatus, Report, item_status};

use super::{Item, ItemState};
use crate::status::FailedItem;

/// Items of one report at most, so that a message stays far below what a server takes.
const AT_ONCE: usize = 2000;

type ItemKey = (FactKey, &'static str);

/// A state that is another than before.
#[derive(Debug)]
pub(super) struct News {
    pub key: FactKey,
    pub state: ItemState,
    /// `None` when nothing was known of it, or its fact has changed since.
    pub before: Option<ItemState>,
}

/// One session as far as reports go.
#[derive(Debug)]
struct Session {
    outbox: Outbox,
    /// Nothing is said before this session's snapshot: a state without the facts it
    /// belongs to says nothing.
    open: bool,
    /// The version last reported; `None` before the first report.
    reported: Option<u64>,
}

/// What each mechanism last said of each item.
///
/// A report is taken by the session or the session ends; after the next session's
/// snapshot everything is said again. So a difference to what was handed over is a
/// difference to what the server knows, except where it changed a fact since: of that
/// all is said again.
#[derive(Debug, Default)]
pub(super) struct Items {
    states: BTreeMap<ItemKey, ItemState>,
    failed: BTreeSet<ItemKey>,
    unsent: BTreeSet<ItemKey>,
    session: Option<Session>,
}

impl Items {
    /// What a pass of `party` found; gives what is new of it.
    pub(super) fn record(&mut self, party: &'static str, items: Vec<Item>) -> Vec<News> {
        let mut news = Vec::new();
        for Item { key: fact, state } in items {
            let key = (fact, party);
            if self.states.get(&key) == Some(&state) {
                continue;
            }
            match state {
                ItemState::Failed(_) => self.failed.insert(key),
                ItemState::Up | ItemState::Down => self.failed.remove(&key),
            };
            let before = self.states.insert(key, state.clone());
            self.unsent.insert(key);
            news.push(News { key: fact, state, before });
        }
        news
    }

    /// Forgets items whose facts are gone: the server took them away itself.
    /// `touched` are the facts to look at, `None` for all.
    pub(super) fn forget_missing(&mut self, facts: &Facts, touched: Option<&BTreeSet<FactKey>>) {
        let gone =
            |key: &FactKey| touched.is_none_or(|touched| touched.contains(key)) && !facts.contains(key);
        let none_gone = touched.is_some_and(|touched| !touched.iter().any(gone));
        if none_gone {
            return;
        }
        self.states.retain(|(key, _), _| !gone(key));
        self.failed.retain(|(key, _)| !gone(key));
        self.unsent.retain(|(key, _)| !gone(key));
    }

    /// These facts changed. The server may wait anew for what is said of them (a port
    /// that is bound again), so what was said before counts no more.
    pub(super) fn changed(&mut self, touched: &BTreeSet<FactKey>) {
        for fact in touched {
            let said: Vec<ItemKey> = self
                .states
                .range((*fact, "")..)
                .map(|(key, _)| *key)
                .take_while(|(key, _)| key == fact)
                .collect();
            for key in said {
                self.states.remove(&key);
                self.failed.remove(&key);
                self.unsent.remove(&key);
            }
        }
    }

    /// Whether some item failed in the last pass over it.
    pub(super) fn any_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// The facts of items that failed, to be looked at again.
    pub(super) fn failed_keys(&self) -> BTreeSet<FactKey> {
        self.failed.iter().map(|(key, _)| *key).collect()
    }

    /// The items that failed, for people.
    pub(super) fn failed(&self) -> Vec<FailedItem> {
        let line = |(key, party): &ItemKey| match self.states.get(&(*key, *party))? {
            ItemState::Failed(reason) => Some(FailedItem {
                kind: key.kind_name().to_owned(),
                id: key.id_text(),
                party: (*party).to_owned(),
                reason: reason.clone(),
            }),
            ItemState::Up | ItemState::Down => None,
        };
        self.failed.iter().filter_map(line).collect()
    }

    /// The ports that are down, for people.
    pub(super) fn down(&self) -> Vec<String> {
        let down = |(key, state): (&ItemKey, &ItemState)| match (key, state) {
            ((FactKey::Port(id), "l2"), ItemState::Down) => Some(id.to_string()),
            _ => None,
        };
        self.states.iter().filter_map(down).collect()
    }

    /// A session began.
    pub(super) fn connected(&mut self, outbox: Outbox) {
        self.session = Some(Session { outbox, open: false, reported: None });
    }

    /// Its snapshot arrived: after the next pass everything is said.
    pub(super) fn snapshot(&mut self) {
        self.unsent = self.states.keys().copied().collect();
        if let Some(session) = &mut self.session {
            session.open = true;
        }
    }

    /// The session ended.
    pub(super) fn disconnected(&mut self) {
        self.session = None;
    }

    /// The outbox to wait for, when something is left to say.
    pub(super) fn waiting(&self, applied: u64) -> Option<Outbox> {
        let session = self.session.as_ref().filter(|session| session.open)?;
        let unsaid = !self.unsent.is_empty() || session.reported != Some(applied);
        unsaid.then(|| session.outbox.clone())
    }

    /// Says what the server does not know yet, as far as the session takes it. The
    /// version is said with the last of the items it brought.
    pub(super) fn report(&mut self, applied: u64) {
        let Some(session) = self.session.as_mut().filter(|session| session.open) else {
            return;
        };
        while !self.unsent.is_empty() || session.reported != Some(applied) {
            let keys: Vec<ItemKey> = self.unsent.iter().take(AT_ONCE).copied().collect();
            let last = keys.len() == self.unsent.len();
            let applied_version = if last { applied } else { session.reported.unwrap_or(0) };
            let items = keys.iter().filter_map(|key| Some(line(key, self.states.get(key)?))).collect();
            if !session.outbox.offer(Report { items, applied_version }) {
                return;
            }
            for key in &keys {
                self.unsent.remove(key);
            }
            session.reported = Some(applied_version);
        }
    }
}

fn line((key, party): &ItemKey, state: &ItemState) -> ItemStatus {
    let (state, reason) = match state {
        ItemState::Up => (item_status::State::Up, ""),
        ItemState::Down => (item_status::State::Down, ""),
        ItemState::Failed(reason) => (item_status::State::Failed, reason.as_str()),
    };
    ItemStatus {
        kind: key.kind_name().to_owned(),
        id: key.id_text(),
        party: (*party).to_owned(),
        state: state.into(),
        reason: reason.to_owned(),
    }
}
