//! Sessions without a network: behind, over failing stores, after lost changes.

use std::sync::Arc;
use std::time::Duration;

use isospin_feed::proto::from_server::Message;
use isospin_feed::proto::{FromServer, Kind};
use isospin_store_kit::{ChangeKind, Store, changes, values};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tonic::Status;

use super::super::hub::{BACKLOG, Hub};
use super::super::load::key;
use super::super::session;
use super::{Told, create, fresh, id, join, network, port, run};
use crate::testing::TestApi;

const PATIENCE: Duration = Duration::from_secs(30);

/// The agent's end of a session.
struct Listener {
    words: mpsc::Receiver<Result<FromServer, Status>>,
    told: Told,
    /// Wire messages of changes heard.
    changes: usize,
}

impl Listener {
    fn open(store: &Store, hub: &Arc<Hub>, host: &'static str) -> Self {
        let (outgoing, words) = mpsc::channel(1);
        let (store, hub) = (store.clone(), Arc::clone(hub));
        tokio::spawn(async move { session::run(store, hub, host.to_owned(), outgoing).await });
        Self { words, told: Told::new(), changes: 0 }
    }

    async fn hear(&mut self) {
        let word = tokio::time::timeout(PATIENCE, self.words.recv()).await.expect("a word in time");
        match word.expect("an open session").expect("no refusal").message.expect("a known message") {
            Message::Begin(_) => self.told.clear(),
            Message::Item(record) => {
                self.told.insert(key(&record).expect("a key"), record);
            }
            Message::End(end) => assert_eq!(end.items, self.told.len() as u64),
            Message::Change(change) => {
                self.changes += 1;
                for record in change.set {
                    self.told.insert(key(&record).expect("a key"), record);
                }
                for gone in change.removed {
                    assert!(self.told.remove(&(gone.kind, gone.id)).is_some());
                }
            }
            Message::Welcome(_) => {}
        }
    }

    /// Listens until everything the host needs has been told.
    async fn catch_up(&mut self, store: &Store, host: &str) {
        let wanted = fresh(store, host).await;
        while self.told != wanted {
            self.hear().await;
        }
    }
}

#[tokio::test]
async fn a_session_that_lags_behind_catches_up() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        let network = network(&api, "10.1.0.0/24").await;
        let first = port(&api, &network, "h1").await;
        let hub = Hub::start(api.store().clone(), api.app.under_way.clone());
        let mut listener = Listener::open(api.store(), &hub, "h1");
        listener.hear().await;
        // One batch for each change, more than the hub keeps; the listener is not listening.
        let mut batches = hub.subscribe();
        for n in 0..BACKLOG + 20 {
            let sql = "UPDATE ports SET name = $1 WHERE id = $2";
            run(api.store(), sql, values![format!("name {n}"), &first], Some(("port", first.clone()))).await;
            let heard = tokio::time::timeout(PATIENCE, batches.recv()).await.expect("a batch in time");
            assert!(heard.is_ok());
        }
        port(&api, &network, "h1").await;
        listener.catch_up(api.store(), "h1").await;
        assert!(listener.changes < BACKLOG, "the backlog was told change by change");
        // And goes on step by step.
        port(&api, &network, "h1").await;
        listener.catch_up(api.store(), "h1").await;
    })
    .await;
}

#[tokio::test]
async fn a_store_that_fails_once_is_asked_again() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        let network = network(&api, "10.1.0.0/24").await;
        port(&api, &network, "h1").await;
        let hub = Hub::start(api.store().clone(), api.app.under_way.clone());
        let mut listener = Listener::open(api.store(), &hub, "h1");
        listener.catch_up(api.store(), "h1").await;
        let renamed = network.clone();
        api.write(move |tx| {
            Box::pin(async move {
                tx.execute("UPDATE networks SET name = 'renamed' WHERE id = $1", values![&renamed]).await?;
                tx.record("network", ChangeKind::Set, &renamed);
                // Nobody can read networks now.
                tx.execute("ALTER TABLE networks RENAME TO away", vec![]).await?;
                Ok(())
            })
        })
        .await;
        // The hub was woken before the answer; no further change comes to remind it.
        tokio::task::yield_now().await;
        run(api.store(), "ALTER TABLE away RENAME TO networks", vec![], None).await;
        listener.catch_up(api.store(), "h1").await;
        let network = &listener.told[&(Kind::Network as i32, network)];
        assert!(format!("{network:?}").contains("renamed"));
    })
    .await;
}

#[tokio::test]
async fn changes_that_were_forgotten_unread_are_made_up_for() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        let network = network(&api, "10.1.0.0/24").await;
        port(&api, &network, "h1").await;
        let seen = *api.store().versions().borrow();
        let mut view = super::super::view::View::new("h1");
        view.adopt(&session::compute(api.store(), "h1").await.expect("a snapshot"));
        port(&api, &network, "h1").await;
        let newest = *api.store().versions().borrow();
        api.write(move |tx| {
            Box::pin(async move {
                changes::purge(tx, newest).await?;
                Ok(())
            })
        })
        .await;
        let mut reader = api.store().reader().await.expect("a reader");
        let batch =
            super::super::hub::read(&mut reader, seen, newest, 2000).await.expect("read").expect("a batch");
        assert!(batch.incomplete);
        assert_eq!(batch.version, newest);
        assert_eq!(view.step(&batch), super::super::view::Step::Recompute);
        // Whoever had seen everything misses nothing.
        let nothing = super::super::hub::read(&mut reader, newest, newest, 2000).await.expect("read");
        assert!(nothing.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_host_hears_only_what_concerns_it() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "192.0.2.1").await;
        join(&api, "h2", "192.0.2.2").await;
        let mine = network(&api, "10.1.0.0/24").await;
        let others = network(&api, "10.2.0.0/24").await;
        let own = port(&api, &mine, "h1").await;
        let hub = Hub::start(api.store().clone(), api.app.under_way.clone());
        let mut listener = Listener::open(api.store(), &hub, "h1");
        listener.catch_up(api.store(), "h1").await;
        let heard = listener.changes;
        // Not under the default group, whose members every host with a port under it knows.
        let object = json!({"network_id": others, "binding:host_id": "h2", "security_groups": []});
        let there = id(&create(&api, "ports", "port", object).await);
        port(&api, &mine, "h2").await;
        listener.catch_up(api.store(), "h1").await;
        assert_eq!(listener.changes, heard + 1, "only the port on its own network");
        assert!(!listener.told.contains_key(&(Kind::Port as i32, there)));
        let record = listener.told[&(Kind::Network as i32, mine)].clone();
        let Some(isospin_feed::proto::record::Fact::Network(network)) = record.fact else {
            panic!("no network")
        };
        assert_eq!(network.tunnel_peers, ["192.0.2.2"], "its own address is not among its peers");
        assert!(listener.told.contains_key(&(Kind::Port as i32, own)));
    })
    .await;
}

#[tokio::test]
async fn peers_follow_the_ports_of_other_hosts() {
    TestApi::on_each_engine(|api| async move {
        for (host, address) in [("h1", "192.0.2.1"), ("h2", "192.0.2.2"), ("h3", "192.0.2.3")] {
            join(&api, host, address).await;
        }
        let network = id(&create(&api, "networks", "network", json!({})).await);
        port(&api, &network, "h1").await;
        let hub = Hub::start(api.store().clone(), api.app.under_way.clone());
        let mut listener = Listener::open(api.store(), &hub, "h1");
        listener.catch_up(api.store(), "h1").await;
        let key = (Kind::Network as i32, network.clone());
        let peers = |listener: &Listener| match &listener.told[&key].fact {
            Some(isospin_feed::proto::record::Fact::Network(network)) => network.tunnel_peers.clone(),
            other => panic!("{other:?}"),
        };
        assert!(peers(&listener).is_empty());
        let second = port(&api, &network, "h2").await;
        let third = port(&api, &network, "h3").await;
        listener.catch_up(api.store(), "h1").await;
        assert_eq!(peers(&listener), ["192.0.2.2", "192.0.2.3"]);
        let path = format!("/v2.0/ports/{third}");
        api.expect(200, "admin", "PUT", &path, json!({"port": {"binding:host_id": "h2"}})).await;
        listener.catch_up(api.store(), "h1").await;
        assert_eq!(peers(&listener), ["192.0.2.2"]);
        // Its host says that its tunnels have another address now.
        join(&api, "h2", "192.0.2.22").await;
        listener.catch_up(api.store(), "h1").await;
        assert_eq!(peers(&listener), ["192.0.2.22"]);
        for port in [second, third] {
            api.expect(204, "admin", "DELETE", &format!("/v2.0/ports/{port}"), Value::Null).await;
        }
        listener.catch_up(api.store(), "h1").await;
        assert!(peers(&listener).is_empty());
    })
    .await;
}
