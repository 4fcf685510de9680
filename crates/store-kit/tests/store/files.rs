//! SQLite files: one process at a time, damage told plainly, commits that last.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use isospin_store_kit::{Store, StoreConfig, StoreError};
use tempfile::TempDir;

use crate::{ITEMS, add, stored};

/// Names the database for the child process of a test.
const CHILD: &str = "ISOSPIN_TEST_CHILD_DATABASE";

fn config(path: &Path) -> StoreConfig {
    StoreConfig::Sqlite { path: path.to_owned(), durable: true }
}

async fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(config(path), &[ITEMS]).await
}

/// Another process with the database open; killed with its owner.
struct Other(Child);

impl Other {
    fn start(path: &Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let child = Command::new(program)
            .args(["--exact", "files::another_process", "--nocapture"])
            .env(CHILD, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a second process");
        Self(child)
    }

    /// The next line that tells something.
    fn lines(&mut self) -> impl Iterator<Item = String> + use<'_> {
        let output = self.0.stdout.as_mut().expect("its output");
        BufReader::new(output)
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.split_once("told: ").map(|(_, told)| told.to_owned()))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test of its own: what [`Other`] runs. Adds an item for each line it reads.
#[tokio::test]
async fn another_process() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = open(Path::new(&path)).await.expect("a store");
    println!("told: open");
    for line in std::io::stdin().lines() {
        let id = line.expect("a line");
        add(&store, id.clone()).await.expect("a commit");
        println!("told: {id}");
    }
}

#[tokio::test]
async fn a_second_process_on_the_file_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("isospin.sqlite");
    let mut other = Other::start(&path);
    assert_eq!(other.lines().next().as_deref(), Some("open"));
    let Err(error) = open(&path).await else { panic!("was opened twice") };
    assert_eq!(error.to_string(), format!("the database {} is in use by another process", path.display()));
    drop(other);
    open(&path).await.expect("free again when the other has ended");
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("isospin.sqlite");
    for round in 0..3 {
        let mut other = Other::start(&path);
        let mut input = other.0.stdin.take().expect("its input");
        for number in 0..50 {
            writeln!(input, "{round}-{number}").expect("a line");
        }
        let answered: Vec<String> = other.lines().skip(1).take(20).collect();
        other.0.kill().expect("a kill");
        other.0.wait().expect("its end");
        let store = open(&path).await.expect("a whole database");
        let found = stored(&store).await;
        for id in &answered {
            assert!(found.contains(id), "{id} was answered and is gone");
        }
        drop(store);
        wait_free(&path).await;
    }
}

/// Waits until the writer of a dropped store has let go of the file.
async fn wait_free(path: &Path) {
    let lock = std::fs::File::open(path.with_extension("lock")).expect("the lock");
    while lock.try_lock().is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_file_is_whole_when_it_is_free() {
    for _ in 0..20 {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("isospin.sqlite");
        let store = open(&path).await.expect("a store");
        add(&store, "a").await.expect("a commit");
        drop(store);
        wait_free(&path).await;
        // Closed in full: what was in the log is in the file, and the log is gone.
        assert!(!path.with_extension("sqlite-wal").exists(), "free before it was closed");
    }
}

#[tokio::test]
async fn damaged_files_are_named() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("isospin.sqlite");
    std::fs::write(&path, "not a database, but a text of more than a hundred characters ".repeat(4))
        .expect("a file");
    let Err(error) = open(&path).await else { panic!("was opened") };
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("the database file {} is damaged: file is not a database", path.display())
    );

    let path = folder.path().join("pages.sqlite");
    let store = open(&path).await.expect("a store");
    for number in 0..200 {
        add(&store, format!("{number:060}")).await.expect("a commit");
    }
    drop(store);
    wait_free(&path).await;
    let mut bytes = Vec::new();
    std::fs::File::open(&path).expect("the file").read_to_end(&mut bytes).expect("its bytes");
    // The header stays; every page behind the first is overwritten.
    bytes[4096..].fill(0xa5);
    std::fs::write(&path, bytes).expect("a file");
    let Err(error) = open(&path).await else { panic!("was opened") };
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn places_where_no_file_can_be_are_named() {
    let folder = TempDir::new().expect("a folder");
    let nowhere = folder.path().join("nothing").join("isospin.sqlite");
    let Err(error) = open(&nowhere).await else { panic!("was opened") };
    assert!(error.to_string().contains("nothing"), "{error}");
    let Err(error) = open(folder.path()).await else { panic!("was opened") };
    assert!(matches!(error, StoreError::OpenSqlite { .. } | StoreError::CreateFile { .. }), "{error:?}");
    let address =
        StoreConfig::Postgres { address: "host=/nowhere user=x dbname=y".to_owned(), connections: 2 };
    let Err(error) = Store::open(address, &[ITEMS]).await else { panic!("was opened") };
    assert!(error.to_string().starts_with("no connection to PostgreSQL: "), "{error}");
    let address = StoreConfig::Postgres { address: "port=none".to_owned(), connections: 2 };
    let Err(error) = Store::open(address, &[ITEMS]).await else { panic!("was opened") };
    assert!(error.to_string().starts_with("invalid PostgreSQL address: "), "{error}");
}
