//! Statements and values mean the same on both engines.

use futures::future::join_all;
use futures::poll;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Session, StoreError, Value, values};
use isospin_testkit::databases::on_each_engine;

use crate::{ITEMS, add, stored};

async fn texts(session: &mut Session, sql: &str, values: Vec<Value>) -> Vec<String> {
    let rows = session.rows(sql, values).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    rows.into_iter().map(|row| row.columns().text().expect("text")).collect()
}

#[tokio::test]
async fn values_come_back_as_they_went_in() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let cases = [
            (Value::Null, Value::Null, Value::Null),
            (Value::Int(i64::MIN), Value::Int(0), Value::Bytes(Vec::new())),
            (Value::Int(i64::MAX), Value::Int(1), Value::Bytes((0..=255).collect())),
        ];
        for (index, (number, flag, content)) in cases.into_iter().enumerate() {
            let id = format!("{index} \u{fc}\u{1f310} ' \" \\ %");
            let row = vec![Value::from(&id), number.clone(), flag.clone(), content.clone()];
            let written: Result<(), StoreError> = database
                .store
                .write("", move |tx| {
                    Box::pin(async move {
                        let sql = "INSERT INTO items (id, number, flag, content) VALUES ($1, $2, $3, $4)";
                        assert_eq!(tx.execute(sql, row).await?, 1);
                        Ok(())
                    })
                })
                .await;
            written.expect("a commit");
            let mut reader = database.store.reader().await.expect("a reader");
            let sql = "SELECT id, number, flag, content FROM items WHERE id = $1";
            let row = reader.row(sql, values![&id]).await.expect("rows").expect("a row");
            let mut columns = row.columns();
            assert_eq!(columns.text().expect("text"), id);
            assert_eq!(Value::from(columns.opt_int().expect("an integer")), number);
            assert_eq!(Value::from(columns.opt_flag().expect("a flag")), flag);
            match content {
                Value::Bytes(bytes) => assert_eq!(columns.bytes().expect("bytes"), bytes),
                _ => assert!(columns.bytes().is_err()),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_list_is_one_value() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let ids = ["a", "b", "quote ' \" \\ %", "\u{1f310}"];
        for id in ids {
            add(&database.store, id).await.expect("a commit");
        }
        let mut reader = database.store.reader().await.expect("a reader");
        let sql =
            format!("SELECT id FROM items WHERE id {} ORDER BY id", database.store.engine().any_of("$1"));
        for wanted in [&ids[..], &["b", "b", "none"], &[]] {
            let mut known: Vec<&str> = wanted.iter().copied().filter(|id| ids.contains(id)).collect();
            known.sort_unstable();
            known.dedup();
            assert_eq!(texts(&mut reader, &sql, vec![Value::list(wanted.iter().copied())]).await, known);
        }
    })
    .await;
}

#[tokio::test]
async fn parameters_stand_for_values_by_their_number() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        for id in ["a", "b", "c"] {
            add(&database.store, id).await.expect("a commit");
        }
        let mut reader = database.store.reader().await.expect("a reader");
        let cases: &[(&str, Vec<Value>, &[&str])] = &[
            ("SELECT id FROM items WHERE id > $2 AND id < $1", values!["c", "a"], &["b"]),
            (
                "SELECT id FROM items WHERE id = $1 OR id = $2 OR id = $1 ORDER BY id",
                values!["c", "a"],
                &["a", "c"],
            ),
            ("SELECT id FROM items WHERE SUBSTR(id, 1, $2) = $1", values!["b", 1], &["b"]),
        ];
        for (sql, values, expected) in cases {
            assert_eq!(texts(&mut reader, sql, values.clone()).await, *expected, "{sql}");
        }
        let names = (1..40).rev().map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
        let many = format!("SELECT id FROM items WHERE id > $40 AND id IN ({names}) ORDER BY id");
        for after in ["a", "b"] {
            let values = ["c", "b"].into_iter().chain(["x"; 37]).chain([after]).map(Value::from).collect();
            let expected: &[&str] = if after == "a" { &["b", "c"] } else { &["c"] };
            assert_eq!(texts(&mut reader, &many, values).await, expected, "after {after}");
        }
        for values in [values![], values!["a"], values!["a", "b", "c"]] {
            let sql = "SELECT id FROM items WHERE id = $1 OR id = $2";
            assert!(reader.rows(sql, values.clone()).await.is_err(), "{values:?}");
        }
        assert_eq!(texts(&mut reader, "SELECT id FROM items WHERE id = $1", values!["a"]).await, ["a"]);
    })
    .await;
}

#[tokio::test]
async fn several_statements_answer_in_their_order() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let written: Result<Vec<u64>, StoreError> = database
            .store
            .write("", |tx| {
                Box::pin(async move {
                    tx.execute_many(vec![
                        ("INSERT INTO items (id, number) VALUES ($1, 1)", values!["a"]),
                        ("INSERT INTO items (id, number) VALUES ($1, 1)", values!["b"]),
                        ("UPDATE items SET number = number + 1", values![]),
                        ("DELETE FROM items WHERE number = $1 AND id = $2", values![2, "a"]),
                        ("DELETE FROM items WHERE id = $1", values!["nothing"]),
                    ])
                    .await
                })
            })
            .await;
        assert_eq!(written.expect("a commit"), [1, 1, 2, 1, 0]);
        let mut reader = database.store.reader().await.expect("a reader");
        let queries = vec![
            ("SELECT id FROM items WHERE id = $1", values!["nothing"]),
            ("SELECT id FROM items WHERE number = $1", values![2]),
        ];
        let lengths: Vec<usize> =
            reader.rows_many(queries).await.expect("rows").iter().map(Vec::len).collect();
        assert_eq!(lengths, [0, 1]);
    })
    .await;
}

#[tokio::test]
async fn queries_that_are_put_together() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        for id in ["a%b", "a_b", "axb", "z"] {
            add(&database.store, id).await.expect("a commit");
        }
        let mut reader = database.store.reader().await.expect("a reader");
        let mut run = async |select: Select| {
            let (sql, values) = select.build();
            texts(&mut reader, &sql, values).await
        };
        let all = || {
            let mut select = Select::new("id", "items");
            select.order_by("id", true);
            select
        };
        assert_eq!(run(all()).await, ["z", "axb", "a_b", "a%b"]);
        for (part, expected) in [("%", vec!["a%b"]), ("_", vec!["a_b"]), ("b", vec!["axb", "a_b", "a%b"])] {
            let mut select = all();
            select.contains("id", part);
            assert_eq!(run(select).await, expected, "{part}");
        }
        let mut some = all();
        some.one_of("id", vec!["z".into(), "axb".into(), "nothing".into()]).limit(1);
        assert_eq!(run(some).await, ["z"]);
        let mut none = all();
        none.one_of("id", Vec::new());
        assert!(run(none).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_failed_goes_on() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let mut reader = database.store.reader().await.expect("a reader");
        let error = reader.rows("SELECT nothing FROM nowhere", values![]).await.expect_err("no such table");
        assert!(!error.is_unavailable() && !error.is_unique_violation(), "{error:?}");
        add(&database.store, "a").await.expect("a commit");
        assert_eq!(texts(&mut reader, "SELECT id FROM items", values![]).await, ["a"]);
        drop(reader);
        assert_eq!(stored(&database.store).await, ["a"]);
    })
    .await;
}

/// Readers may share the way to the database: each gets its own answers, whatever
/// becomes of the others'.
#[tokio::test]
async fn readers_beside_each_other_get_their_own_answers() {
    on_each_engine(&[ITEMS], |database| async move {
        let database = &database;
        let store = &database.store;
        add(store, "a").await.expect("a commit");
        let ask = |number: i64| async move {
            let mut reader = store.reader().await.expect("a reader");
            if number % 7 == 0 {
                let wrong = reader.rows("SELECT nothing FROM nowhere", values![]).await;
                assert!(wrong.is_err(), "no such table");
            }
            let question = "SELECT id || CAST($1 AS text) FROM items WHERE id = 'a'";
            if number % 5 == 0 {
                // Its caller goes away while the answer is on its way.
                let _ = poll!(Box::pin(reader.rows(question, values![number.to_string()])));
                return;
            }
            let answer = texts(&mut reader, question, values![number.to_string()]).await;
            assert_eq!(answer, [format!("a{number}")]);
        };
        join_all((1..200).map(ask)).await;
        assert_eq!(stored(store).await, ["a"]);
    })
    .await;
}
