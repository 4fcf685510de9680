//! Logins by one-time passwords (`totp`).

use isospin_identity::IdentityConfig;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::service::{Answer, Service, ask, by_password, on_each, on_each_with, project};

const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// What a device with the seed shows now, or so many periods ago.
fn shown(ago: u64) -> String {
    let secret = Secret::try_from_base32(SEED).expect("a seed");
    let device = Builder::new().with_secret(secret).build_noncompliant();
    let now = jiff::Timestamp::now().as_second().cast_unsigned();
    device.generate(now - ago * 30).to_string()
}

/// Waits until what is shown stays for a while.
async fn settled() {
    while jiff::Timestamp::now().as_second() % 30 > 20 {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

async fn enrol(service: &Service) -> String {
    let user = service.ids.demo_user_id.clone().expect("a user");
    let body = json!({"credential": {"type": "totp", "blob": SEED, "user_id": user}});
    service.create("/v3/credentials", body).await
}

fn by_passcode(name: &str, passcode: &str) -> Value {
    let user = json!({"name": name, "domain": {"id": "default"}, "passcode": passcode});
    json!({"identity": {"methods": ["totp"], "totp": {"user": user}}, "scope": project("demo")})
}

async fn login(service: &Service, passcode: &str) -> Answer {
    service.auth(by_passcode("demo", passcode)).await
}

#[tokio::test]
async fn a_passcode_is_good_once_and_for_a_period_more() {
    on_each(|service| async move {
        assert_eq!(login(&service, &shown(0)).await.status, 401, "no device");
        enrol(&service).await;
        settled().await;
        let (now, before, long_ago) = (shown(0), shown(1), shown(2));
        for wrong in [long_ago.as_str(), "", "x", &format!("{now}0"), &format!(" {now}")] {
            assert_eq!(login(&service, wrong).await.status, 401, "{wrong:?}");
        }
        let first = login(&service, &before).await;
        assert_eq!(first.status, 201, "{first:?}");
        assert_eq!(first.body["token"]["methods"], json!(["totp"]));
        assert_eq!(login(&service, &before).await.status, 401, "used");
        let once = futures::future::join_all((0..4).map(|_| login(&service, &now))).await;
        assert_eq!(once.iter().filter(|answer| answer.status == 201).count(), 1, "side by side too");
        assert_eq!(login(&service, &before).await.status, 401, "nor an earlier one");
        let token = first.header("x-subject-token");
        assert!(service.app.authenticator().authenticate(token).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn earlier_periods_are_a_matter_of_configuration() {
    let none = |config: &mut IdentityConfig| config.passwords.previous_passcodes = 0;
    on_each_with(none, |service| async move {
        enrol(&service).await;
        settled().await;
        assert_eq!(login(&service, &shown(1)).await.status, 401);
        assert_eq!(login(&service, &shown(0)).await.status, 201);
    })
    .await;
}

#[tokio::test]
async fn a_passcode_is_a_second_factor() {
    on_each(|service| async move {
        enrol(&service).await;
        let user = service.ids.demo_user_id.clone().expect("a user");
        let path = format!("/v3/users/{user}");
        let rules = json!({"user": {"options": {"multi_factor_auth_rules": [["password", "totp"]]}}});
        service.make("PATCH", &path, rules).await;
        settled().await;
        let both = |password: &str, passcode: &str| {
            let mut auth = by_password("demo", password, project("demo"));
            auth["identity"]["methods"] = json!(["totp", "password"]);
            auth["identity"]["totp"] = by_passcode("demo", passcode)["identity"]["totp"].clone();
            auth
        };
        let code = shown(0);
        assert_eq!(service.auth(both("demo-secret", "000000")).await.status, 401);
        assert_eq!(service.auth(both("wrong", &code)).await.status, 401);
        let done = service.auth(both("demo-secret", &code)).await;
        assert_eq!(done.status, 201, "a code beside a wrong password is not used up: {done:?}");
        assert_eq!(done.body["token"]["methods"], json!(["password", "totp"]));
        assert_eq!(service.auth(both("demo-secret", &code)).await.status, 401, "used");

        // One after the other.
        service.sql("DELETE FROM used_passcodes").await;
        let first = service.auth(by_password("demo", "demo-secret", project("demo"))).await;
        assert_eq!(first.body["required_auth_methods"], json!([["password", "totp"]]), "{first:?}");
        let receipt = first.header("openstack-auth-receipt").to_owned();
        let second = json!({"auth": by_passcode("demo", &shown(0))});
        let headers = [("openstack-auth-receipt", receipt.as_str())];
        let done = ask(&service.router, "POST", "/v3/auth/tokens", &headers, Some(second)).await;
        assert_eq!(done.status, 201, "{done:?}");
        // K03: nobody gets in who is disabled.
        service.sql("DELETE FROM used_passcodes").await;
        service.make("PATCH", &path, json!({"user": {"enabled": false}})).await;
        assert_eq!(service.auth(both("demo-secret", &shown(0))).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn k12_wrong_passcodes_are_answered_alike_and_limited() {
    let limited = |config: &mut IdentityConfig| config.passwords.failures_per_minute = Some(60);
    on_each_with(limited, |service| async move {
        enrol(&service).await;
        let mut said = Vec::new();
        for name in ["demo", "admin", "nobody"] {
            for _ in 0..10 {
                let answer = service.auth(by_passcode(name, "000000")).await;
                assert_eq!(answer.status, 401, "{name}");
                said.push(answer.body);
            }
            assert_eq!(service.auth(by_passcode(name, "000000")).await.status, 429, "{name}");
        }
        assert!(said.iter().all(|body| *body == said[0]));
        service.login("demo", "demo-secret", project("demo")).await;
    })
    .await;
}
