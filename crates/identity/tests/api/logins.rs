//! Several methods, receipts, limits of failures, and hashes that are renewed.

use std::time::Duration;

use isospin_identity::config::Lockout;
use serde_json::{Value, json};

use crate::service::{Answer, Service, ask, by_password, by_token, on_each, on_each_with, project};

async fn require(service: &Service, rules: Value) -> String {
    let user = service.ids.demo_user_id.clone().expect("a user");
    let options = json!({"user": {"options": {"multi_factor_auth_rules": rules}}});
    service.make("PATCH", &format!("/v3/users/{user}"), options).await;
    user
}

async fn auth_with(service: &Service, auth: Value, receipt: &str) -> Answer {
    let headers = [("openstack-auth-receipt", receipt)];
    ask(&service.router, "POST", "/v3/auth/tokens", &headers, Some(json!({"auth": auth}))).await
}

/// An application credential of the demo user, as a second method: its proof.
async fn second(service: &Service) -> Value {
    let (user, token) = (service.ids.demo_user_id.clone().expect("a user"), service.demo().await);
    let path = format!("/v3/users/{user}/application_credentials");
    let body = json!({"application_credential": {"name": "a", "secret": "s"}});
    let made = service.call("POST", &path, &token, Some(body)).await;
    let credential = json!({"id": made.body["application_credential"]["id"], "secret": "s"});
    json!({"identity": {"methods": ["application_credential"], "application_credential": credential}})
}

#[tokio::test]
async fn a_missing_method_is_asked_for_and_may_come_later() {
    on_each(|service| async move {
        let second = second(&service).await;
        require(&service, json!([["password", "application_credential"], ["totp", "token"]])).await;
        let first = service.auth(by_password("demo", "demo-secret", project("demo"))).await;
        assert_eq!(first.status, 401);
        let required = json!([["application_credential", "password"]]);
        assert_eq!(first.body["required_auth_methods"], required, "{first:?}");
        assert_eq!(first.body["receipt"]["methods"], json!(["password"]));
        assert_eq!(first.body["receipt"]["user"]["name"], "demo");
        let receipt = first.header("openstack-auth-receipt").to_owned();
        assert!(receipt.starts_with("gAAAA"), "{receipt}");

        let done = auth_with(&service, second.clone(), &receipt).await;
        assert_eq!(done.status, 201, "{done:?}");
        assert_eq!(done.body["token"]["methods"], json!(["password", "application_credential"]));
        // A receipt is no token, a token no receipt, and nobody's else.
        assert_eq!(service.auth(by_token(&receipt, Value::Null)).await.status, 404);
        assert_eq!(service.call("GET", "/v3/auth/projects", &receipt, None).await.status, 401);
        for wrong in [service.admin.as_str(), "nonsense"] {
            assert_eq!(auth_with(&service, second.clone(), wrong).await.status, 401);
        }
        let admin = by_password("admin", "admin-secret", project("admin"));
        assert_eq!(auth_with(&service, admin, &receipt).await.status, 401, "of another user");
        // A wrong password gets none.
        let wrong = service.auth(by_password("demo", "wrong", project("demo"))).await;
        assert_eq!(wrong.header("openstack-auth-receipt"), "");
        // Both at once need none.
        let mut both = second.clone();
        both["identity"]["methods"] = json!(["password", "application_credential"]);
        both["identity"]["password"] =
            by_password("demo", "demo-secret", Value::Null)["identity"]["password"].clone();
        assert_eq!(service.auth(both).await.status, 201);
    })
    .await;
}

#[tokio::test]
async fn a_receipt_ends_with_its_time_and_with_the_users_tokens() {
    on_each_with(
        |config| config.tokens.receipt_lifetime = Duration::from_secs(3600),
        |service| async move {
            let second = second(&service).await;
            let user = require(&service, json!([["password", "application_credential"]])).await;
            let receipt = async |router: &axum::Router| {
                let body = json!({"auth": by_password("demo", "demo-secret", Value::Null)});
                let answer = ask(router, "POST", "/v3/auth/tokens", &[], Some(body)).await;
                answer.header("openstack-auth-receipt").to_owned()
            };
            let (_, brief) = service.beside(|config| config.tokens.receipt_lifetime = Duration::ZERO).await;
            let over = receipt(&brief).await;
            assert_eq!(auth_with(&service, second.clone(), &over).await.status, 401);
            let good = receipt(&service.router).await;
            let path = format!("/v3/users/{user}");
            service.make("PATCH", &path, json!({"user": {"password": "demo-secret"}})).await;
            assert_eq!(auth_with(&service, second.clone(), &good).await.status, 401, "a new password since");
            // Rules that are switched off are no matter.
            let options = json!({"user": {"options": {"multi_factor_auth_enabled": false}}});
            service.make("PATCH", &path, options).await;
            assert_eq!(service.auth(by_password("demo", "demo-secret", Value::Null)).await.status, 201);
        },
    )
    .await;
}

#[tokio::test]
async fn k12_guesses_under_one_name_are_limited_whether_or_not_it_exists() {
    on_each_with(
        |config| config.passwords.failures_per_minute = Some(3),
        |service| async move {
            let mut said = Vec::new();
            for name in ["demo", "nobody"] {
                for _ in 0..3 {
                    assert_eq!(service.auth(by_password(name, "wrong", Value::Null)).await.status, 401);
                }
                let answer = service.auth(by_password(name, "demo-secret", Value::Null)).await;
                assert_eq!(answer.status, 429, "{answer:?}");
                assert_eq!(answer.header("retry-after"), "60");
                said.push(answer.body);
            }
            assert_eq!(said[0], said[1]);
            service.login("admin", "admin-secret", Value::Null).await;
        },
    )
    .await;
}

#[tokio::test]
async fn k12_strangers_are_counted_as_users_are() {
    on_each_with(
        |config| {
            config.passwords.lockout = Some(Lockout { attempts: 3, duration: Duration::from_secs(3600) });
        },
        |service| async move {
            for _ in 0..4 {
                for name in ["nobody", "somebody"] {
                    assert_eq!(service.auth(by_password(name, "wrong", Value::Null)).await.status, 401);
                }
            }
            let sql = "SELECT CAST(failures AS TEXT) FROM stranger_logins";
            assert_eq!(service.texts(sql).await, ["4", "4"]);
        },
    )
    .await;
}

#[tokio::test]
async fn an_old_hash_is_replaced_when_its_user_logs_in() {
    on_each(|service| async move {
        // Of "short password", as Keystone 30 stores it.
        let old = "$scrypt$ln=4,r=8,p=1$xyvDMd6RRgR/j2RSbH8EBg$uVuh9gfcX4Jwhw8d5O0sUvz9y9hZXZXcuerbbi9Shnw";
        service.sql(&format!("UPDATE users SET password_hash = '{old}' WHERE name = 'demo'")).await;
        assert_eq!(service.auth(by_password("demo", "wrong", Value::Null)).await.status, 401);
        let token = service.login("demo", "short password", Value::Null).await;
        let sql = "SELECT password_hash FROM users WHERE name = 'demo'";
        let renewed = async {
            while !service.texts(sql).await[0].starts_with("$2b$04$") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), renewed).await.expect("a new hash");
        service.login("demo", "short password", Value::Null).await;
        assert_eq!(service.validate(&token).await.status, 200, "nothing ends with it");
    })
    .await;
}
