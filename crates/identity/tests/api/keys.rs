//! Keys in the database, which all servers share.

use std::path::Path;
use std::time::Duration;

use isospin_identity::config::KeyPlace;
use isospin_identity::{Rotation, open, rotate_stored};
use isospin_store_kit::values;

use crate::service::{Service, config, on_each_with};

const ROTATION: Rotation = Rotation { max_active: 4, lifetime: Duration::from_secs(3600), force: false };

async fn numbers(service: &Service) -> Vec<i64> {
    let sql = "SELECT number FROM fernet_keys ORDER BY number";
    let rows = service.app.store.reader().await.expect("a reader").rows(sql, values![]).await.expect("rows");
    rows.into_iter().map(|row| row.columns().int().expect("a number")).collect()
}

#[tokio::test]
async fn a_rotation_in_the_database_refuses_nobody_at_any_moment() {
    on_each_with(
        |config| config.tokens.keys_in = KeyPlace::Database,
        |service| async move {
            assert_eq!(numbers(&service).await, [0, 1]);
            let (other, _) = service.beside(|config| config.tokens.keys_in = KeyPlace::Database).await;
            let (here, there) = (service.app.authenticator(), other.authenticator());
            let mut tokens = vec![service.demo().await];
            for rotation in 2..=3 {
                let done = rotate_stored(&service.app.store, &ROTATION).await.expect("a rotation");
                assert_eq!((done.primary, done.removed.as_slice()), (rotation, [].as_slice()));
                // At once, before either server was told.
                tokens.push(service.demo().await);
                for token in &tokens {
                    assert!(there.authenticate(token).await.is_ok(), "{rotation} there");
                    assert!(here.authenticate(token).await.is_ok(), "{rotation} here");
                }
            }
            assert_eq!(numbers(&service).await, [0, 1, 2, 3]);
            let error = rotate_stored(&service.app.store, &ROTATION).await.expect_err("key 1 is needed");
            assert!(error.to_string().contains("--force"), "{error}");
            let forced = Rotation { force: true, ..ROTATION };
            rotate_stored(&service.app.store, &forced).await.expect("a rotation");
            assert_eq!(numbers(&service).await, [0, 2, 3, 4]);
        },
    )
    .await;
}

fn folder_files(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file"));
    let mut names: Vec<String> = files
        .filter(|file| file.path().is_file())
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_database_without_keys_takes_over_those_of_the_folder() {
    on_each_with(
        |_| {},
        |service| async move {
            assert_eq!(folder_files(service.keys.path()), [".lock", "0", "1"]);
            let mut config = config(&service.keys);
            config.tokens.keys_in = KeyPlace::Database;
            let moved = open(config, service.app.store.clone()).await.expect("a service");
            let token = service.demo().await;
            assert!(moved.authenticator().authenticate(&token).await.is_ok());
            assert_eq!(numbers(&service).await, [0, 1]);
        },
    )
    .await;
}
