//! The loop with a host in memory.

mod reports;
mod rig;
mod simulated;

use std::sync::Arc;

use isospin_feed::facts::FactKey;
use parking_lot::Mutex;
use rig::{Host, Rig, id};

use super::{FULL_EVERY, Scope};
use crate::status::AgentStatus;

fn touched(ports: &[u8], links: &[&str]) -> Scope {
    Scope::Touched {
        facts: ports.iter().map(|n| FactKey::Port(id(*n))).collect(),
        links: links.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn there(rig: &Rig) -> Vec<u8> {
    rig.host.lock().ports.iter().map(|port| port.uuid().as_u128() as u8).collect()
}

#[tokio::test]
async fn the_host_follows_snapshot_and_changes_and_a_second_look_changes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let mut rig = Rig::start(folder.path(), Arc::default(), &["l2"]);
    rig.snapshot(1, &[1, 2]).await;
    let status = rig.applied(1).await;
    assert_eq!((status.changes, status.swept, there(&rig)), (2, 0, vec![1, 2]));
    rig.change(2, &[3], &[1]).await;
    let status = rig.applied(2).await;
    assert_eq!((status.changes, status.swept, there(&rig)), (4, 1, vec![2, 3]));
    assert!(status.feed_to_applied_us.is_some());
    rig.notices.everything();
    let passes = status.full_passes;
    let status = rig.until(|status| status.full_passes == passes + 1).await;
    assert_eq!(status.changes, 4, "a look at a healthy host changed it");
    rig.stop().await;
}

#[tokio::test]
async fn a_round_looks_where_something_changed() {
    let folder = tempfile::tempdir().expect("folder");
    let mut rig = Rig::start(folder.path(), Arc::default(), &["l2"]);
    rig.until(|status| status.passes == 1).await;
    assert_eq!(rig.scopes(), [Scope::Everything], "at the start");
    rig.snapshot(1, &[1]).await;
    rig.applied(1).await;
    assert_eq!(rig.scopes(), [Scope::Everything], "after a snapshot");
    rig.change(2, &[1, 2], &[9]).await;
    rig.applied(2).await;
    assert_eq!(rig.scopes(), [touched(&[2], &[])], "port 1 is as it was, port 9 was never there");
    rig.notices.link("tap0");
    rig.until(|status| status.passes == 4).await;
    assert_eq!(rig.scopes(), [touched(&[], &["tap0"])]);
    rig.stop().await;
}

#[tokio::test]
async fn what_arrives_during_a_round_is_one_round_after_it() {
    let folder = tempfile::tempdir().expect("folder");
    let mut rig = Rig::start(folder.path(), Arc::default(), &["l2"]);
    rig.snapshot(1, &[]).await;
    rig.applied(1).await;
    rig.scopes();
    let passes = rig.status.borrow().passes;
    rig.gate.forget_permits(usize::MAX);
    rig.change(2, &[1], &[]).await;
    // The round of change 2 has begun when the channel is empty again.
    while rig.feed.capacity() < rig.feed.max_capacity() {
        tokio::task::yield_now().await;
    }
    for n in 3..40 {
        rig.change(n, &[n as u8], &[]).await;
        rig.notices.link("tap1");
    }
    rig.gate.add_permits(100);
    let status = rig.applied(39).await;
    assert_eq!(status.passes, passes + 2);
    let all: Vec<u8> = (3..40).collect();
    assert_eq!(rig.scopes(), [touched(&[1], &[]), touched(&all, &["tap1"])]);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_failed_item_stops_no_other_and_heals_in_the_next_round() {
    let folder = tempfile::tempdir().expect("folder");
    let host = Arc::new(Mutex::new(Host { failing: [(id(1), 1)].into(), ..Host::default() }));
    let mut rig = Rig::start(folder.path(), host, &["l2"]);
    rig.snapshot(1, &[1, 2]).await;
    let status = rig.until(|status| !status.failed.is_empty()).await;
    assert_eq!(there(&rig), [2]);
    let failed = &status.failed[0];
    assert_eq!((failed.kind.as_str(), failed.party.as_str()), ("port", "l2"));
    assert_eq!((failed.id.clone(), failed.reason.as_str()), (id(1).to_string(), "the kernel said no"));
    rig.scopes();
    let status = rig.until(|status| status.failed.is_empty()).await;
    assert_eq!(status.changes, 2);
    assert_eq!(rig.scopes(), [touched(&[1], &[])]);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_item_that_goes_on_failing_is_tried_with_growing_pauses_and_a_wider_look() {
    let folder = tempfile::tempdir().expect("folder");
    let host = Arc::new(Mutex::new(Host { failing: [(id(1), u32::MAX)].into(), ..Host::default() }));
    let mut rig = Rig::start(folder.path(), host, &["l2"]);
    rig.snapshot(1, &[1]).await;
    rig.until(|status| !status.failed.is_empty()).await;
    rig.scopes();
    let begun = tokio::time::Instant::now();
    let passes = rig.status.borrow().passes;
    rig.until(|status| status.passes == passes + 5).await;
    assert_eq!(rig.scopes()[..2], [touched(&[1], &[]), Scope::Everything]);
    // Five pauses of at least half of 200, 400, 800, 1600 and 3200 ms.
    assert!(begun.elapsed().as_millis() >= 3100, "{:?}", begun.elapsed());
    // It is forgotten with its fact.
    rig.change(2, &[], &[1]).await;
    assert!(rig.applied(2).await.failed.is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn a_look_that_goes_on_ends_with_the_round_that_finds_it_ended() {
    let folder = tempfile::tempdir().expect("folder");
    let mut rig = Rig::start(folder.path(), Arc::default(), &["l2", "l3"]);
    rig.until(|status| status.passes == 1).await;
    rig.host.lock().is_slow = true;
    rig.snapshot(7, &[1]).await;
    let status = rig.until(|status| status.passes == 2).await;
    assert_eq!((status.ready, status.snapshots, status.version, status.applied_version), (false, 0, 7, 0));
    rig.notices.link("br-int");
    let status = rig.until(|status| status.passes == 3).await;
    assert_eq!((status.ready, status.applied_version), (false, 0), "it still goes on");
    rig.host.lock().is_slow = false;
    rig.notices.link("br-int");
    let status = rig.applied(7).await;
    assert_eq!((status.passes, status.snapshots, there(&rig)), (4, 1, vec![1]));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn everything_is_looked_at_now_and_then() {
    let folder = tempfile::tempdir().expect("folder");
    let mut rig = Rig::start(folder.path(), Arc::default(), &["l2"]);
    rig.snapshot(1, &[1]).await;
    let full = rig.applied(1).await.full_passes;
    let begun = tokio::time::Instant::now();
    // Removed behind the agent's back, and no event told.
    rig.host.lock().ports.clear();
    let status = rig.until(|status| status.full_passes == full + 1).await;
    assert!(begun.elapsed() <= FULL_EVERY);
    assert_eq!((status.changes, there(&rig)), (2, vec![1]));
    rig.stop().await;
}

#[tokio::test]
async fn a_restart_without_a_server_serves_from_disk_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let mut rig = Rig::start(folder.path(), Arc::default(), &["l2"]);
    rig.snapshot(7, &[1, 2]).await;
    rig.change(8, &[3], &[]).await;
    rig.applied(8).await;
    let host = rig.host.clone();
    rig.stop().await;
    // A foreign hand made a port, and one of ours is gone.
    host.lock().ports.remove(&id(1));
    host.lock().ports.insert(id(9));

    let mut rig = Rig::start(folder.path(), host.clone(), &["l2"]);
    let status = rig.applied(8).await;
    assert!(!status.connected);
    assert_eq!((status.changes, status.swept, there(&rig)), (2, 1, vec![1, 2, 3]));
    rig.stop().await;

    let mut rig = Rig::start(folder.path(), host, &["l2"]);
    let status = rig.applied(8).await;
    assert_eq!((status.changes, status.passes), (0, 1), "a healthy host was changed by a restart");
    rig.stop().await;
}

#[tokio::test]
async fn nothing_is_swept_when_the_replica_on_disk_is_damaged() {
    let folder = tempfile::tempdir().expect("folder");
    let mut rig = Rig::start(folder.path(), Arc::default(), &["l2"]);
    rig.snapshot(7, &[1, 2]).await;
    rig.applied(7).await;
    let host = rig.host.clone();
    rig.stop().await;
    std::fs::write(folder.path().join("replica/replica.snapshot"), "damaged").expect("write");

    let mut rig = Rig::start(folder.path(), host, &["l2"]);
    let status = rig.until(|status| status.passes == 1).await;
    assert!(!status.ready, "ready without knowing anything");
    assert_eq!((status.changes, there(&rig)), (0, vec![1, 2]));
    rig.snapshot(9, &[2]).await;
    let status = rig.applied(9).await;
    assert_eq!((status.swept, there(&rig)), (1, vec![2]));
    rig.stop().await;
}

#[tokio::test]
async fn the_end_of_a_session_leaves_the_host_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let mut rig = Rig::start(folder.path(), Arc::default(), &["l2"]);
    let _heard = rig.connect().await;
    rig.snapshot(1, &[1]).await;
    let status = rig.applied(1).await;
    assert!(status.connected && status.server.is_some());
    rig.tell(isospin_feed::client::FeedEvent::Disconnected { reason: "cut".to_owned() }).await;
    let after = rig.until(|status| !status.connected).await;
    assert_eq!((after.passes, after.changes, after.server), (status.passes, status.changes, None));
    assert_eq!(there(&rig), [1]);
    rig.stop().await;
}

#[tokio::test]
async fn parties_pass_in_the_order_of_the_modules_comment() {
    let folder = tempfile::tempdir().expect("folder");
    let mut rig = Rig::start(folder.path(), Arc::default(), &["trace", "metadata", "dhcp", "l3", "l2"]);
    rig.until(|status| status.passes == 1).await;
    assert_eq!(rig.host.lock().order, ["l2", "l3", "dhcp", "metadata", "trace"]);
    rig.stop().await;
}

#[tokio::test]
async fn records_that_do_not_parse_are_in_the_status() {
    let folder = tempfile::tempdir().expect("folder");
    let mut rig = Rig::start(folder.path(), Arc::default(), &["l2"]);
    rig.snapshot(1, &[1]).await;
    let mut bad = isospin_feed::proto::Port::from(&rig::port(2));
    bad.mac_address = "nonsense".to_owned();
    let fact = isospin_feed::proto::record::Fact::Port(bad);
    let set = vec![isospin_feed::proto::Record { fact: Some(fact) }];
    let change = isospin_feed::proto::Change { version: 2, set, ..Default::default() };
    rig.tell(isospin_feed::client::FeedEvent::Change { change, received: std::time::Instant::now() }).await;
    let status = rig.applied(2).await;
    assert_eq!(status.set_aside.len(), 1);
    assert_eq!(status.set_aside[0].id, id(2).to_string());
    assert_eq!(there(&rig), [1]);
    rig.stop().await;
}

#[tokio::test]
async fn the_file_holds_the_last_status_when_the_agent_ended() {
    let folder = tempfile::tempdir().expect("folder");
    assert_eq!(AgentStatus::read(folder.path()).expect("readable"), None);
    let mut rig = Rig::start(folder.path(), Arc::default(), &["l2"]);
    let _heard = rig.connect().await;
    rig.snapshot(3, &[1]).await;
    let last = rig.applied(3).await;
    rig.stop().await;
    let read = AgentStatus::read(folder.path()).expect("readable").expect("written");
    assert_eq!(read, AgentStatus { connected: false, server: None, ..last });
    assert_eq!((read.host.as_str(), read.pid), ("h1", std::process::id()));
    std::fs::write(folder.path().join("status.json"), "{").expect("write");
    assert!(AgentStatus::read(folder.path()).is_err());
}

#[tokio::test]
async fn a_state_folder_that_cannot_be_used_is_said_at_the_start() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("write");
    let (_feed, events) = tokio::sync::mpsc::channel(1);
    let ended = super::run(
        rig::config(&file.join("state")),
        crate::session::FeedSource::Steps(events),
        Vec::new(),
        crate::host_notices::HostNotices::new(),
        tokio::sync::watch::Sender::new(AgentStatus::default()),
        tokio_util::sync::CancellationToken::new(),
    );
    let error = ended.await.expect_err("it ran").to_string();
    assert!(error.starts_with("cannot use the state folder"), "{error}");
}
