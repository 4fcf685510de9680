//! However the same truth is told, the replica ends with it; and it is on disk whole
//! or not at all.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::proto::{Change, Key, Record, SnapshotBegin, SnapshotEnd, from_server::Message, record::Fact};
use crate::samples::{facts, id, port_on};

mod disk;

fn records(facts: &Facts) -> BTreeMap<FactKey, Record> {
    facts
        .records()
        .map(|record| {
            let key = crate::convert::record_key(&record).expect("a known kind");
            (FactKey::try_from(&key).expect("a key"), record)
        })
        .collect()
}

/// What a server says when `from` became `to`.
fn difference(version: u64, from: &Facts, to: &Facts) -> Change {
    let (old, new) = (records(from), records(to));
    Change {
        version,
        set: new.iter().filter(|(key, it)| old.get(key) != Some(it)).map(|(_, it)| it.clone()).collect(),
        removed: old.keys().filter(|key| !new.contains_key(key)).map(Key::from).collect(),
        request_ids: vec!["req-1".to_owned()],
        timing: None,
    }
}

fn snapshot_messages(version: u64, facts: &Facts) -> Vec<Message> {
    let items: Vec<_> = facts.records().map(Message::Item).collect();
    let end = SnapshotEnd { version, items: items.len() as u64 };
    let begin = Message::Begin(SnapshotBegin { version });
    std::iter::once(begin).chain(items).chain([Message::End(end)]).collect()
}

fn snapshot(version: u64, facts: &Facts) -> CompleteSnapshot {
    let mut intake = Intake::default();
    for message in snapshot_messages(version, facts) {
        if let Some(Step::Snapshot(snapshot)) = intake.take(message).expect("in order") {
            return snapshot;
        }
    }
    panic!("no snapshot");
}

fn replica_at(version: u64, facts: &Facts) -> Replica {
    let mut replica = Replica::empty();
    replica.adopt(snapshot(version, facts));
    replica
}

/// Says each state of the list in turn, as `tell` makes changes of two states.
fn follow(states: &[Facts], tell: impl Fn(u64, &Facts, &Facts) -> Vec<Change>) -> Replica {
    let mut replica = replica_at(1, &states[0]);
    for (at, pair) in states.windows(2).enumerate() {
        for change in tell(at as u64 + 2, &pair[0], &pair[1]) {
            replica.apply(&change).expect("in order");
        }
    }
    replica
}

/// One record or removal at a time, all of the same version.
fn split(change: Change) -> Vec<Change> {
    let empty = Change { version: change.version, ..Change::default() };
    let removed = change.removed.iter().map(|key| Change { removed: vec![key.clone()], ..empty.clone() });
    let set = change.set.iter().map(|it| Change { set: vec![it.clone()], ..empty.clone() });
    removed.chain(set).chain([empty.clone()]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_way_of_telling_ends_at_the_last_state(states in prop::collection::vec(facts(), 1..5)) {
        let mut reversed = states.clone();
        reversed.reverse();
        let emptied: Vec<Facts> =
            states.iter().flat_map(|state| [Facts::default(), state.clone()]).collect();
        for states in [states, reversed, emptied] {
            let last = states.last().expect("one state");
            let version = states.len() as u64;
            let ways: [(&str, Replica); 6] = [
                ("straight", follow(&states, |v, a, b| vec![difference(v, a, b)])),
                ("split", follow(&states, |v, a, b| split(difference(v, a, b)))),
                ("repeated", follow(&states, |v, a, b| vec![difference(v, a, b), difference(v, a, b)])),
                ("told in full", follow(&states, |v, a, b| {
                    let mut change = difference(v, a, b);
                    change.set = records(b).into_values().collect();
                    vec![change]
                })),
                ("squashed", {
                    let mut replica = replica_at(1, &states[0]);
                    replica.apply(&difference(version, &states[0], last)).expect("newer");
                    replica
                }),
                ("a snapshot over the first state", {
                    let mut replica = replica_at(1, &states[0]);
                    replica.adopt(snapshot(version, last));
                    replica
                }),
            ];
            for (way, replica) in ways {
                prop_assert_eq!(replica.facts(), last, "{}", way);
                prop_assert_eq!(replica.version(), version, "{}", way);
                prop_assert!(replica.may_sweep());
            }
        }
    }

    #[test]
    fn touched_are_exactly_the_facts_that_differ(from in facts(), to in facts()) {
        let mut replica = replica_at(1, &from);
        let mut change = difference(2, &from, &to);
        // Unchanged facts told again must not count.
        change.set.extend(records(&to).into_values());
        let touched = replica.apply(&change).expect("newer");
        let (old, new) = (records(&from), records(&to));
        let differing: BTreeSet<FactKey> = old
            .keys()
            .chain(new.keys())
            .filter(|key| old.get(key) != new.get(key))
            .copied()
            .collect();
        prop_assert_eq!(touched, differing);
        prop_assert_eq!(replica.apply(&change).expect("the same version"), BTreeSet::new());
    }

    #[test]
    fn a_snapshot_cut_anywhere_is_never_seen(facts in facts(), cut in 0..100_usize) {
        let mut messages = snapshot_messages(7, &facts);
        messages.truncate(cut.min(messages.len() - 1));
        let mut intake = Intake::default();
        for message in messages {
            prop_assert!(matches!(intake.take(message), Ok(None)));
        }
    }
}

fn two_ports() -> Facts {
    let mut facts = Facts::default();
    for n in [1, 2] {
        facts.insert(crate::convert::Fact::Port(port_on("h1", n)));
    }
    facts
}

#[test]
fn nothing_may_be_swept_before_a_whole_snapshot() {
    let mut replica = Replica::empty();
    assert!(!replica.may_sweep());
    let change = difference(2, &Facts::default(), &two_ports());
    assert_eq!(replica.apply(&change), Err(ApplyError::NoSnapshot));
    assert!(replica.facts().is_empty() && !replica.may_sweep());
    replica.adopt(snapshot(1, &Facts::default()));
    assert!(replica.may_sweep(), "an empty snapshot is a whole one");
}

#[test]
fn a_snapshot_with_a_wrong_count_or_version_is_refused() {
    let facts = two_ports();
    let mut missing = snapshot_messages(7, &facts);
    missing.remove(1);
    check_refused(missing, &IntakeError::Count { said: 2, got: 1 });
    let mut other = snapshot_messages(7, &facts);
    other.pop();
    other.push(Message::End(SnapshotEnd { version: 8, items: 2 }));
    check_refused(other, &IntakeError::Version { begun: 7, ended: 8 });
}

#[track_caller]
fn check_refused(messages: Vec<Message>, expected: &IntakeError) {
    let mut intake = Intake::default();
    let mut refused = None;
    for message in messages {
        match intake.take(message) {
            Ok(None) => {}
            Ok(Some(step)) => panic!("{step:?}"),
            Err(error) => refused = Some(error),
        }
    }
    assert_eq!(refused.as_ref(), Some(expected));
    // After a refusal the stream is of no use: nothing continues it.
    assert!(intake.take(Message::Change(Change::default())).is_err());
}

#[test]
fn a_stream_out_of_order_is_refused() {
    let change = || Message::Change(Change { version: 9, ..Change::default() });
    let item = || Message::Item(Record::from(&port_on("h1", 1)));
    let begin = || Message::Begin(SnapshotBegin { version: 1 });
    check_refused(vec![change()], &IntakeError::ChangeFirst);
    check_refused(vec![item()], &IntakeError::ItemOutside);
    check_refused(vec![Message::End(SnapshotEnd::default())], &IntakeError::EndOutside);
    check_refused(vec![begin(), item(), change()], &IntakeError::ChangeInside);
}

#[test]
fn a_snapshot_begun_again_forgets_the_first_try() {
    let mut intake = Intake::default();
    let other = Message::Item(Record::from(&port_on("h1", 9)));
    for message in [Message::Begin(SnapshotBegin { version: 1 }), other] {
        assert!(matches!(intake.take(message), Ok(None)));
    }
    let mut taken = None;
    for message in snapshot_messages(2, &two_ports()) {
        taken = intake.take(message).expect("in order");
    }
    let Some(Step::Snapshot(snapshot)) = taken else { panic!("no snapshot") };
    assert_eq!(snapshot.facts(), &two_ports());
}

#[test]
fn an_older_change_is_refused_and_changes_nothing() {
    let mut replica = replica_at(5, &two_ports());
    let stale = difference(4, &two_ports(), &Facts::default());
    assert_eq!(replica.apply(&stale), Err(ApplyError::OutOfDate { have: 5, got: 4 }));
    assert_eq!(replica.facts(), &two_ports());
    // A restored database goes back; only a snapshot can say so.
    replica.adopt(snapshot(3, &Facts::default()));
    assert_eq!((replica.version(), replica.facts().len()), (3, 0));
}

#[test]
fn n04_a_bad_record_is_set_aside_by_key_and_comes_back_when_mended() {
    let mut replica = replica_at(1, &two_ports());
    let bad = |n| {
        let port = proto::Port { mac_address: "nonsense".into(), ..(&port_on("h1", n)).into() };
        Record { fact: Some(Fact::Port(port)) }
    };
    let good = Record::from(&port_on("h1", 3));
    let change = Change { version: 2, set: vec![bad(1), good], ..Change::default() };
    let touched = replica.apply(&change).expect("newer");
    assert_eq!(touched, BTreeSet::from([FactKey::Port(id(1)), FactKey::Port(id(3))]));
    assert_eq!(replica.facts().ports.keys().copied().collect::<Vec<_>>(), [id(2), id(3)]);
    let (key, reason) = replica.set_aside().iter().next().expect("set aside");
    assert_eq!(key.0, "port");
    assert!(reason.to_string().contains("mac_address 'nonsense'"), "{reason}");
    // The same truth as a snapshot gives the same facts.
    let mut messages = snapshot_messages(2, replica.facts());
    messages.insert(1, Message::Item(bad(1)));
    let mut intake = Intake::default();
    messages.pop();
    messages.push(Message::End(SnapshotEnd { version: 2, items: 3 }));
    let mut told = Replica::empty();
    for message in messages {
        if let Some(Step::Snapshot(snapshot)) = intake.take(message).expect("in order") {
            told.adopt(snapshot);
        }
    }
    assert_eq!((told.facts(), told.set_aside()), (replica.facts(), replica.set_aside()));
    // Mended, one; removed, the other.
    let mended =
        Change { version: 3, set: vec![Record::from(&port_on("h1", 1)), bad(2)], ..Change::default() };
    replica.apply(&mended).expect("newer");
    assert_eq!(replica.set_aside().len(), 1);
    let removed = Change { version: 4, removed: vec![Key::from(&FactKey::Port(id(2)))], ..Change::default() };
    replica.apply(&removed).expect("newer");
    assert!(replica.set_aside().is_empty());
}
