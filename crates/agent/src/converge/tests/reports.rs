//! What the server hears.

use std::sync::Arc;
use std::time::Instant;

use isospin_feed::client::FeedEvent;
use isospin_feed::proto::{Change, Record};
use parking_lot::Mutex;

use super::rig::{Host, Rig, id, port};

fn line(n: u8, state: &'static str) -> (String, &'static str) {
    (id(n).to_string(), state)
}

#[tokio::test]
async fn only_differences_are_reported_and_all_of_it_in_the_next_session() {
    let folder = tempfile::tempdir().expect("folder");
    let rig = Rig::start(folder.path(), Arc::default(), &["l2"]);
    let mut heard = rig.connect().await;
    rig.snapshot(1, &[1, 2]).await;
    assert_eq!(heard.until(1).await, [line(1, "up"), line(2, "up")]);
    rig.change(2, &[3], &[]).await;
    assert_eq!(heard.until(2).await, [line(3, "up")]);
    // A deleted port is the server's own doing.
    rig.change(3, &[], &[1]).await;
    assert_eq!(heard.until(3).await, []);
    // A version without any difference is reported all the same: somebody waits for it.
    rig.change(4, &[2], &[]).await;
    assert_eq!(heard.until(4).await, []);

    rig.tell(FeedEvent::Disconnected { reason: "cut".to_owned() }).await;
    let mut heard = rig.connect().await;
    rig.snapshot(4, &[2, 3]).await;
    assert_eq!(heard.until(4).await, [line(2, "up"), line(3, "up")]);
    rig.stop().await;
}

#[tokio::test]
async fn of_a_fact_that_changed_all_is_said_again() {
    let folder = tempfile::tempdir().expect("folder");
    let rig = Rig::start(folder.path(), Arc::default(), &["l2"]);
    let mut heard = rig.connect().await;
    rig.snapshot(1, &[1, 2]).await;
    assert_eq!(heard.until(1).await, [line(1, "up"), line(2, "up")]);
    // As when a port is bound that DHCP has served before: the server waits anew.
    let changed = isospin_feed::facts::Port { device_id: "vm".to_owned(), ..port(2) };
    let change = Change { version: 2, set: vec![Record::from(&changed)], ..Change::default() };
    rig.tell(FeedEvent::Change { change, received: Instant::now() }).await;
    assert_eq!(heard.until(2).await, [line(2, "up")]);
    rig.stop().await;
}

#[tokio::test]
async fn nothing_is_said_in_a_session_before_its_snapshot() {
    let folder = tempfile::tempdir().expect("folder");
    let mut rig = Rig::start(folder.path(), Arc::default(), &["l2"]);
    rig.snapshot(1, &[1]).await;
    rig.applied(1).await;
    let mut heard = rig.connect().await;
    let passes = rig.status.borrow().passes;
    rig.notices.everything();
    rig.until(|status| status.passes == passes + 1).await;
    assert!(heard.0.try_recv().is_err());
    rig.snapshot(2, &[1]).await;
    assert_eq!(heard.until(2).await, [line(1, "up")]);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_reported_and_so_is_its_end() {
    let folder = tempfile::tempdir().expect("folder");
    let host = Arc::new(Mutex::new(Host { failing: [(id(1), 3)].into(), ..Host::default() }));
    let rig = Rig::start(folder.path(), host, &["l2"]);
    let mut heard = rig.connect().await;
    rig.snapshot(1, &[1]).await;
    let first = heard.next().await;
    assert_eq!(first.items[0].reason, "the kernel said no");
    loop {
        let report = heard.next().await;
        if let [item] = report.items.as_slice() {
            assert_eq!(item.state(), isospin_feed::proto::item_status::State::Up);
            break;
        }
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_session_that_takes_nothing_for_a_while_gets_all_of_it_later() {
    let folder = tempfile::tempdir().expect("folder");
    let mut rig = Rig::start(folder.path(), Arc::default(), &["l2"]);
    let mut heard = rig.connect().await;
    rig.snapshot(1, &[]).await;
    rig.applied(1).await;
    // Many more reports than may wait.
    for n in 1..=100_u8 {
        rig.change(u64::from(n) + 1, &[n], &[]).await;
        rig.applied(u64::from(n) + 1).await;
    }
    let mut lines = heard.until(101).await;
    lines.sort();
    let mut all: Vec<_> = (1..=100).map(|n| line(n, "up")).collect();
    all.sort();
    assert_eq!(lines, all);
    rig.stop().await;
}
