use std::fs;
use std::path::Path;

use super::*;

const HOST: &str = "h1";

async fn written(folder: &Path, steps: &[Facts]) -> Replica {
    let writer = ReplicaWriter::start(folder, HOST);
    let mut replica = replica_at(1, &steps[0]);
    writer.adopted(&replica);
    for (at, pair) in steps.windows(2).enumerate() {
        let change = difference(at as u64 + 2, &pair[0], &pair[1]);
        replica.apply(&change).expect("newer");
        writer.applied(&replica, change);
    }
    writer.flush().await;
    replica
}

fn steps() -> Vec<Facts> {
    let mut more = two_ports();
    more.insert(crate::convert::Fact::Port(port_on("h1", 3)));
    let mut fewer = more.clone();
    fewer.remove(&FactKey::Port(id(1)));
    vec![two_ports(), more, fewer]
}

#[track_caller]
fn check_loads(folder: &Path, facts: &Facts, version: u64) {
    let loaded = load(folder, HOST);
    assert!(loaded.problem.is_none(), "{:?}", loaded.problem);
    assert_eq!(loaded.replica.facts(), facts);
    assert_eq!(loaded.replica.version(), version);
    assert!(loaded.replica.may_sweep());
}

#[track_caller]
fn check_empty(folder: &Path, expected: &str) {
    let loaded = load(folder, HOST);
    let problem = loaded.problem.expect("a problem").to_string();
    assert!(problem.contains(expected), "'{problem}' does not say '{expected}'");
    assert!(loaded.replica.facts().is_empty() && !loaded.replica.may_sweep());
}

#[test]
fn without_files_the_replica_is_empty_and_nothing_is_wrong() {
    let folder = tempfile::tempdir().expect("folder");
    let loaded = load(&folder.path().join("absent"), HOST);
    assert!(loaded.problem.is_none() && !loaded.replica.may_sweep());
}

#[tokio::test]
async fn what_was_handed_over_is_loaded_again() {
    let folder = tempfile::tempdir().expect("folder");
    let steps = steps();
    let replica = written(folder.path(), &steps).await;
    assert_eq!(replica.facts(), &steps[2]);
    check_loads(folder.path(), &steps[2], 3);
    // A second life starts over and does not trust the end of the first one's journal.
    written(folder.path(), &steps[..2]).await;
    check_loads(folder.path(), &steps[1], 2);
}

#[tokio::test]
async fn a_journal_cut_anywhere_is_used_up_to_there() {
    let folder = tempfile::tempdir().expect("folder");
    let steps = steps();
    written(folder.path(), &steps).await;
    let journal = folder.path().join("replica.journal");
    let whole = fs::read(&journal).expect("journal");
    let mut seen = BTreeSet::new();
    for length in (8..=whole.len()).rev() {
        fs::write(&journal, &whole[..length]).expect("cut");
        let loaded = load(folder.path(), HOST);
        assert!(loaded.problem.is_none(), "cut to {length}: {:?}", loaded.problem);
        let version = loaded.replica.version();
        assert_eq!(loaded.replica.facts(), &steps[version as usize - 1], "cut to {length}");
        seen.insert(version);
    }
    assert_eq!(seen, BTreeSet::from([1, 2, 3]));
    // After a power cut the end of a file may be zeros.
    let mut zeros = whole[..whole.len() - 3].to_vec();
    zeros.extend([0; 4096]);
    fs::write(&journal, zeros).expect("zeros");
    check_loads(folder.path(), &steps[1], 2);
}

#[tokio::test]
async fn a_damaged_file_makes_the_replica_empty_never_half() {
    let folder = tempfile::tempdir().expect("folder");
    written(folder.path(), &steps()).await;
    let (snapshot, journal) = (folder.path().join("replica.snapshot"), folder.path().join("replica.journal"));
    let (whole_snapshot, whole_journal) =
        (fs::read(&snapshot).expect("file"), fs::read(&journal).expect("file"));
    let restore = || {
        fs::write(&snapshot, &whole_snapshot).expect("restore");
        fs::write(&journal, &whole_journal).expect("restore");
    };

    for at in 0..whole_snapshot.len() {
        let mut damaged = whole_snapshot.clone();
        damaged[at] ^= 0x10;
        fs::write(&snapshot, damaged).expect("damage");
        let loaded = load(folder.path(), HOST);
        assert!(loaded.problem.is_some(), "byte {at} damaged, yet used");
        assert!(loaded.replica.facts().is_empty() && !loaded.replica.may_sweep());
        restore();
    }
    for length in 0..whole_snapshot.len() {
        fs::write(&snapshot, &whole_snapshot[..length]).expect("cut");
        assert!(!load(folder.path(), HOST).replica.may_sweep(), "cut to {length}, yet used");
        restore();
    }

    // In the middle of the journal: the last byte of its first change.
    let header = 8 + 12 + u32::from_le_bytes(whole_journal[8..12].try_into().expect("4")) as usize;
    let first = u32::from_le_bytes(whole_journal[header..header + 4].try_into().expect("4")) as usize;
    let mut damaged = whole_journal.clone();
    damaged[header + 12 + first - 1] ^= 1;
    fs::write(&journal, damaged).expect("damage");
    check_empty(folder.path(), "a checksum is wrong");
    assert!(folder.path().join("replica.snapshot.bad").exists(), "kept for people");
}

#[tokio::test]
async fn another_hosts_files_are_not_used() {
    let folder = tempfile::tempdir().expect("folder");
    written(folder.path(), &steps()).await;
    let loaded = load(folder.path(), "h2");
    assert!(loaded.problem.expect("a problem").to_string().contains("for host 'h1'"));
    assert!(!loaded.replica.may_sweep());
}

#[tokio::test]
async fn a_journal_of_another_snapshot_is_left_out() {
    let (old, new) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let steps = steps();
    written(old.path(), &steps).await;
    written(new.path(), &steps[..1]).await;
    // A start-over cut between its two files.
    fs::copy(new.path().join("replica.snapshot"), old.path().join("replica.snapshot")).expect("copy");
    check_loads(old.path(), &steps[0], 1);
}

#[tokio::test]
async fn a_long_journal_gives_way_to_a_snapshot() {
    let folder = tempfile::tempdir().expect("folder");
    let writer = ReplicaWriter::start(folder.path(), HOST);
    let mut replica = replica_at(1, &two_ports());
    writer.adopted(&replica);
    let mut longest = 0;
    for version in 2..400 {
        let mut port = port_on("h1", (version % 50) as u8);
        port.name = format!("{version}").repeat(4096);
        let change = Change { version, set: vec![Record::from(&port)], ..Change::default() };
        replica.apply(&change).expect("newer");
        writer.applied(&replica, change);
        writer.flush().await;
        longest = longest.max(fs::metadata(folder.path().join("replica.journal")).expect("journal").len());
    }
    assert!(longest < 3 << 20, "the journal grew to {longest} bytes");
    check_loads(folder.path(), replica.facts(), 399);
}

#[tokio::test]
async fn a_disk_that_fails_is_written_again_when_it_works() {
    let parent = tempfile::tempdir().expect("folder");
    let folder = parent.path().join("replica");
    // A file in the place of the folder: no write can succeed, root or not.
    fs::write(&folder, "in the way").expect("obstacle");
    let writer = ReplicaWriter::start(&folder, HOST);
    let mut replica = replica_at(1, &two_ports());
    writer.adopted(&replica);
    writer.flush().await;
    fs::remove_file(&folder).expect("way free");
    let change = Change { version: 2, ..Change::default() };
    replica.apply(&change).expect("newer");
    writer.applied(&replica, change);
    writer.flush().await;
    check_loads(&folder, &two_ports(), 2);
}

#[tokio::test]
async fn the_files_are_for_the_agent_only() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().expect("folder");
    let folder = parent.path().join("replica");
    written(&folder, &steps()).await;
    for name in ["replica.snapshot", "replica.journal"] {
        let mode = fs::metadata(folder.join(name)).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(&folder).expect("folder").permissions().mode() & 0o777, 0o700);
}
