//! Checked tokens are remembered exactly as long as nothing about them has changed.

use std::sync::Arc;
use std::time::Duration;

use isospin_api_kit::Caller;
use isospin_api_kit::auth::Authenticator;
use isospin_identity::Rotation;
use isospin_store_kit::{ChangeKind, Engine, Store, StoreError};
use serde_json::{Value, json};

use crate::service::{Service, ask, on_each, project};

async fn caller(authenticator: &Arc<dyn Authenticator>, token: &str) -> Option<Arc<Caller>> {
    authenticator.authenticate(token).await.ok()
}

/// What other services do all the time: change rows under other topics.
async fn write_ports(store: &Store, how_many: u32) {
    for number in 0..how_many {
        let written: Result<(), StoreError> = store
            .write("req-port", move |tx| {
                Box::pin(async move {
                    tx.record("port", ChangeKind::Set, number);
                    Ok(())
                })
            })
            .await;
        written.expect("a write");
    }
}

#[tokio::test]
async fn network_writes_do_not_make_tokens_be_checked_again() {
    on_each(|service| async move {
        let authenticator = service.app.authenticator();
        let token = service.demo().await;
        let first = caller(&authenticator, &token).await.expect("a caller");
        write_ports(&service.app.store, 200).await;
        let second = caller(&authenticator, &token).await.expect("a caller");
        assert!(Arc::ptr_eq(&first, &second), "the token was checked again");
        service.create("/v3/users", json!({"user": {"name": "new"}})).await;
        let third = caller(&authenticator, &token).await.expect("a caller");
        assert!(!Arc::ptr_eq(&first, &third), "a change of identity was not noticed");
        assert_eq!(first, third);
    })
    .await;
}

/// Asks until the token is (not) valid; a minute at most.
async fn until(authenticator: &Arc<dyn Authenticator>, token: &str, valid: bool) {
    let asking = async {
        while caller(authenticator, token).await.is_some() != valid {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.expect("the change to be seen");
}

fn rotation() -> Rotation {
    Rotation { max_active: 3, lifetime: Duration::from_secs(3600), force: false }
}

#[tokio::test]
async fn two_servers_on_one_database_agree() {
    on_each(|service: Service| async move {
        if service.database.engine == Engine::Sqlite {
            // Only one process may write there.
            return;
        }
        let (other, router) = service.beside(|_| {}).await;
        let there = other.authenticator();
        let token = service.demo().await;
        until(&there, &token, true).await;
        let known = caller(&there, &token).await.expect("a caller");
        write_ports(&service.app.store, 50).await;
        let still = caller(&there, &token).await.expect("a caller");
        assert!(Arc::ptr_eq(&known, &still), "ports written elsewhere made the token be checked again");

        // Given back here, refused there; keys rotated here, understood there.
        let headers = [("x-auth-token", service.admin.as_str()), ("x-subject-token", token.as_str())];
        assert_eq!(ask(&service.router, "DELETE", "/v3/auth/tokens", &headers, None).await.status, 204);
        until(&there, &token, false).await;
        isospin_identity::rotate_folder(service.keys.path(), &rotation()).expect("a rotation");
        let token = service.demo().await;
        until(&there, &token, true).await;

        // A role taken away there, noticed here.
        let here = service.app.authenticator();
        until(&here, &token, true).await;
        let user = service.ids.demo_user_id.clone().expect("a user");
        let demo = service.ids.demo_project_id.clone().expect("a project");
        let grant = format!("/v3/projects/{demo}/users/{user}/roles/{}", service.role("member").await);
        let admin = [("x-auth-token", service.admin.as_str())];
        assert_eq!(ask(&router, "DELETE", &grant, &admin, None).await.status, 204);
        until(&here, &token, false).await;
        assert_eq!(ask(&router, "PUT", &grant, &admin, None).await.status, 204);
        until(&here, &token, true).await;
    })
    .await;
}

#[tokio::test]
async fn a_change_stands_also_when_its_client_has_gone_away() {
    on_each(|service| async move {
        let authenticator = service.app.authenticator();
        let token = service.demo().await;
        assert!(caller(&authenticator, &token).await.is_some());
        let user = service.ids.demo_user_id.clone().expect("a user");
        let path = format!("/v3/users/{user}");
        {
            // Polled once, so that the write is under way, then dropped.
            let disable = service.admin("PATCH", &path, Some(json!({"user": {"enabled": false}})));
            let _ = tokio::time::timeout(Duration::ZERO, disable).await;
        }
        // Whether or not the write came through: what is remembered follows the rows.
        let enabled = service.admin("GET", &path, None).await.body["user"]["enabled"].clone();
        if enabled == json!(true) {
            service.make("PATCH", &path, json!({"user": {"enabled": false}})).await;
        }
        until(&authenticator, &token, false).await;
    })
    .await;
}

#[tokio::test]
async fn many_tokens_do_not_push_the_limit_of_what_is_remembered() {
    crate::service::on_each_with(
        |config| config.tokens.cache_entries = 4,
        |service| async move {
            let authenticator = service.app.authenticator();
            let unscoped = service.login("demo", "demo-secret", Value::Null).await;
            let mut tokens = Vec::new();
            for _ in 0..40 {
                let auth = crate::service::by_token(&unscoped, project("demo"));
                tokens.push(service.auth(auth).await.header("x-subject-token").to_owned());
            }
            for token in &tokens {
                assert!(caller(&authenticator, token).await.is_some());
            }
            let user = service.ids.demo_user_id.clone().expect("a user");
            service.make("PATCH", &format!("/v3/users/{user}"), json!({"user": {"enabled": false}})).await;
            for token in &tokens {
                assert!(caller(&authenticator, token).await.is_none());
            }
        },
    )
    .await;
}
