//! Rules about passwords and idle users: `[identity.security_compliance]`.

use std::time::Duration;

use isospin_identity::IdentityConfig;
use isospin_identity::config::Lockout;
use serde_json::{Value, json};

use crate::service::{Answer, Service, by_password, by_token, on_each, on_each_with, project};

const DAY: i64 = 86_400;

async fn change(service: &Service, from: &str, to: &str) -> Answer {
    let user = service.ids.demo_user_id.clone().expect("a user");
    let body = json!({"user": {"original_password": from, "password": to}});
    service.call("POST", &format!("/v3/users/{user}/password"), "", Some(body)).await
}

/// As the administrator, about the demo user.
async fn set(service: &Service, user: Value) -> Answer {
    let id = service.ids.demo_user_id.clone().expect("a user");
    service.make("PATCH", &format!("/v3/users/{id}"), json!({ "user": user })).await
}

async fn login(service: &Service, password: &str) -> Answer {
    service.auth(by_password("demo", password, project("demo"))).await
}

fn today() -> i64 {
    jiff::Timestamp::now().as_second().div_euclid(DAY)
}

#[tokio::test]
async fn passwords_of_the_past_are_refused() {
    let three = |config: &mut IdentityConfig| config.passwords.compliance.unique_last_password_count = 3;
    on_each_with(three, |service| async move {
        for again in ["demo-secret", "p1", "p2"] {
            let to = match again {
                "demo-secret" => "p1",
                "p1" => "p2",
                _ => "p3",
            };
            let refused = change(&service, again, again).await;
            assert_eq!(refused.status, 400, "the one in use: {refused:?}");
            assert_eq!(
                refused.message(),
                "The new password cannot be identical to a previous password. The total number which includes the \
                 new password must be unique is 3."
            );
            assert_eq!(change(&service, again, to).await.status, 204, "{again}");
        }
        for (past, status) in [("p3", 400), ("p2", 400), ("p1", 400), ("demo-secret", 204)] {
            assert_eq!(change(&service, "p3", past).await.status, status, "{past}");
        }
        // What the administrator gives is not compared, but kept.
        set(&service, json!({"password": "demo-secret"})).await;
        set(&service, json!({"password": "given"})).await;
        assert_eq!(change(&service, "given", "demo-secret").await.status, 400);
        // Nothing is kept where nothing is compared.
        let (_, open) = service.beside(|_| {}).await;
        let id = service.ids.demo_user_id.clone().expect("a user");
        let body = json!({"user": {"original_password": "given", "password": "given"}});
        let path = format!("/v3/users/{id}/password");
        let same = crate::service::ask(&open, "POST", &path, &[], Some(body)).await;
        assert_eq!(same.status, 204, "{same:?}");
        assert_eq!(service.count("past_passwords").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_password_that_is_expired_is_only_good_for_choosing_another() {
    let days = |config: &mut IdentityConfig| config.passwords.compliance.password_expires_days = Some(30);
    on_each_with(days, |service| async move {
        let id = service.ids.demo_user_id.clone().expect("a user");
        set(&service, json!({"password": "given"})).await;
        let shown =
            set(&service, json!({"description": "d"})).await.body["user"]["password_expires_at"].clone();
        let end: jiff::civil::DateTime = shown.as_str().expect("a time").parse().expect("a time");
        let days =
            end.to_zoned(jiff::tz::TimeZone::UTC).expect("a time").timestamp().as_second() / DAY - today();
        assert_eq!(days, 30, "{shown}");
        assert!(shown.as_str().is_some_and(|text| text.ends_with(".000000")), "{shown}");
        let issued = login(&service, "given").await;
        assert_eq!(issued.body["token"]["user"]["password_expires_at"], shown);
        let token = issued.header("x-subject-token").to_owned();

        service.sql("UPDATE users SET password_expires_at = 1000 WHERE name = 'demo'").await;
        let over = login(&service, "given").await;
        assert_eq!(over.status, 401);
        assert_eq!(
            over.message(),
            format!("The password is expired and needs to be changed for user: {id}.")
        );
        let wrong = login(&service, "wrong").await;
        assert!(
            wrong.message().starts_with("The request you have made"),
            "only who knows it is told: {wrong:?}"
        );
        assert_eq!(service.auth(by_token(&token, project("demo"))).await.status, 201, "tokens go on");
        set(&service, json!({"enabled": false})).await;
        let disabled = login(&service, "given").await;
        assert!(disabled.message().starts_with("The request you have made"), "{disabled:?}");
        set(&service, json!({"enabled": true, "options": {"ignore_password_expiry": true}})).await;
        assert_eq!(login(&service, "given").await.status, 201, "exempt");
        set(&service, json!({"options": {"ignore_password_expiry": null}})).await;
        assert_eq!(login(&service, "given").await.status, 401);
        assert_eq!(change(&service, "given", "chosen").await.status, 204);
        assert_eq!(login(&service, "chosen").await.status, 201);
        // An exempt user's password gets no end to begin with.
        let options = json!({"options": {"ignore_password_expiry": true}, "password": "x"});
        assert_eq!(set(&service, options).await.body["user"]["password_expires_at"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn users_are_found_by_when_their_password_expires() {
    on_each(|service| async move {
        for (name, end) in [("a", "1000"), ("b", "2000"), ("c", "NULL")] {
            service.create("/v3/users", json!({"user": {"name": name, "password": "p"}})).await;
            let sql = format!("UPDATE users SET password_expires_at = {end} WHERE name = '{name}'");
            service.sql(&sql).await;
        }
        let group = service.create("/v3/groups", json!({"group": {"name": "g"}})).await;
        for id in service.make("GET", "/v3/users?name__startswith=a", Value::Null).await.all("users", "id") {
            service.make("PUT", &format!("/v3/groups/{group}/users/{id}"), Value::Null).await;
        }
        let at = |seconds: i64| jiff::Timestamp::from_second(seconds).expect("a time").to_string();
        for (filter, expected) in [
            (format!("lt:{}", at(2000)), vec!["a"]),
            (format!("lte:{}", at(2000)), vec!["a", "b"]),
            (format!("gt:{}", at(1000)), vec!["b"]),
            (format!("gte:{}", at(1000)), vec!["a", "b"]),
            (format!("eq:{}", at(1000)), vec!["a"]),
            (at(2000), vec!["b"]),
            (format!("neq:{}", at(1000)), vec!["b"]),
            (format!("gt:{}&password_expires_at=lt:{}", at(500), at(1500)), vec!["a"]),
        ] {
            let path = format!("/v3/users?password_expires_at={filter}");
            let mut names = service.make("GET", &path, Value::Null).await.all("users", "name");
            names.sort();
            assert_eq!(names, expected, "{filter}");
        }
        let members = format!("/v3/groups/{group}/users?password_expires_at=lt:{}", at(2000));
        assert_eq!(service.make("GET", &members, Value::Null).await.all("users", "name"), ["a"]);
        for wrong in ["lx:2030-01-01T00:00:00Z", "lt:yesterday", "2030", "lt:", ""] {
            let answer = service.admin("GET", &format!("/v3/users?password_expires_at={wrong}"), None).await;
            assert_eq!(answer.status, 400, "{wrong}: {answer:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_password_has_to_be_strong_and_to_grow_old() {
    let strict = |config: &mut IdentityConfig| {
        config.passwords.compliance.password_regex = Some(r"^(?=.*\d)(?=.*[a-zA-Z]).{7,}$".to_owned());
        config.passwords.compliance.password_regex_description =
            Some("a letter, a digit, seven in all".to_owned());
        config.passwords.compliance.minimum_password_age = 2;
    };
    on_each_with(strict, |service| async move {
        let weak = "The password does not match the requirements: a letter, a digit, seven in all.";
        let create = json!({"user": {"name": "w", "password": "weak"}});
        assert_eq!(service.admin("POST", "/v3/users", Some(create)).await.message(), weak);
        let id = service.ids.demo_user_id.clone().expect("a user");
        let reset = Some(json!({"user": {"password": "weak"}}));
        assert_eq!(service.admin("PATCH", &format!("/v3/users/{id}"), reset).await.message(), weak);
        assert_eq!(change(&service, "demo-secret", "weak").await.message(), weak);
        assert_eq!(change(&service, "wrong", "weak").await.status, 401, "what is wrong first");

        // One that was given may be changed at once, one that was chosen may not.
        assert_eq!(change(&service, "demo-secret", "strong-1").await.status, 204);
        let young = change(&service, "strong-1", "strong-2").await;
        assert_eq!(young.status, 400);
        assert!(young.message().contains("used for 2 day(s)"), "{young:?}");
        set(&service, json!({"password": "strong-3"})).await;
        assert_eq!(change(&service, "strong-3", "strong-4").await.status, 204);
        service
            .sql("UPDATE users SET password_created_at = password_created_at - 172800 WHERE name = 'demo'")
            .await;
        assert_eq!(change(&service, "strong-4", "strong-5").await.status, 204, "old enough");
    })
    .await;
}

#[tokio::test]
async fn a_password_that_was_given_is_changed_upon_first_use() {
    let first =
        |config: &mut IdentityConfig| config.passwords.compliance.change_password_upon_first_use = true;
    on_each_with(first, |service| async move {
        let id = service.ids.demo_user_id.clone().expect("a user");
        service.login("demo", "demo-secret", project("demo")).await;
        set(&service, json!({"password": "given"})).await;
        let refused = login(&service, "given").await;
        assert_eq!(
            refused.message(),
            format!("The password is expired and needs to be changed for user: {id}.")
        );
        assert_eq!(change(&service, "given", "chosen").await.status, 204);
        assert_eq!(login(&service, "chosen").await.status, 201);
        service.create("/v3/users", json!({"user": {"name": "new", "password": "given"}})).await;
        assert_eq!(service.auth(by_password("new", "given", Value::Null)).await.status, 401);
        let exempt = json!({"ignore_change_password_upon_first_use": true});
        let exempt = json!({"user": {"name": "robot", "password": "given", "options": exempt}});
        service.create("/v3/users", exempt).await;
        service.login("robot", "given", Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn users_who_do_not_come_are_disabled() {
    let idle = |config: &mut IdentityConfig| {
        config.passwords.compliance.disable_user_account_days_inactive = Some(10);
    };
    on_each_with(idle, |service| async move {
        let token = service.demo().await;
        let away = |days: i64| {
            let sql = format!("UPDATE users SET last_active_day = {} WHERE name = 'demo'", today() - days);
            let service = &service;
            async move { service.sql(&sql).await }
        };
        away(9).await;
        assert_eq!(login(&service, "demo-secret").await.status, 201);
        assert_eq!(
            service.texts("SELECT CAST(last_active_day AS TEXT) FROM users WHERE name = 'demo'").await,
            [today().to_string()],
            "a login is put down"
        );
        // Caught at the login.
        away(10).await;
        assert_eq!(login(&service, "wrong").await.status, 401);
        assert!(service.app.authenticator().authenticate(&token).await.is_ok(), "not by a stranger");
        let refused = login(&service, "demo-secret").await;
        assert!(refused.status == 401 && refused.message().starts_with("The request"), "{refused:?}");
        assert!(service.app.authenticator().authenticate(&token).await.is_err());
        let id = service.ids.demo_user_id.clone().expect("a user");
        let shown = service.make("GET", &format!("/v3/users/{id}"), Value::Null).await;
        assert_eq!(shown.body["user"]["enabled"], false);
        set(&service, json!({"enabled": true})).await;
        assert_eq!(login(&service, "demo-secret").await.status, 201, "enabled, and not idle any more");
        // Found by a server that looks; one that starts does.
        away(10).await;
        set(&service, json!({"options": {"ignore_user_inactivity": true}})).await;
        assert_eq!(login(&service, "demo-secret").await.status, 201, "exempt");
        service.create("/v3/users", json!({"user": {"name": "other"}})).await;
        service
            .sql(&format!(
                "UPDATE users SET last_active_day = {} WHERE name IN ('demo', 'other')",
                today() - 40
            ))
            .await;
        let watching = service
            .beside(|config| config.passwords.compliance.disable_user_account_days_inactive = Some(30))
            .await;
        let found = async {
            while service.texts("SELECT name FROM users WHERE enabled = false").await != ["other"] {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), found).await.expect("disabled");
        drop(watching);
    })
    .await;
}

#[tokio::test]
async fn k12_one_right_factor_does_not_end_the_count_of_wrong_ones() {
    let lock = |config: &mut IdentityConfig| {
        config.passwords.lockout = Some(Lockout { attempts: 3, duration: Duration::from_secs(3600) });
    };
    on_each_with(lock, |service| async move {
        set(&service, json!({"options": {"multi_factor_auth_rules": [["password", "totp"]]}})).await;
        for _ in 0..3 {
            let mut both = by_password("demo", "demo-secret", project("demo"));
            both["identity"]["methods"] = json!(["password", "totp"]);
            both["identity"]["totp"] =
                json!({"user": {"name": "demo", "domain": {"name": "Default"}, "passcode": "000000"}});
            assert_eq!(service.auth(both).await.status, 401);
        }
        set(&service, json!({"options": {"multi_factor_auth_rules": []}})).await;
        assert_eq!(login(&service, "demo-secret").await.status, 401, "locked");
        set(&service, json!({"enabled": true})).await;
        assert_eq!(login(&service, "demo-secret").await.status, 201, "who is enabled is not locked");
        // A lock that is over is forgotten: the next failure is the first.
        for _ in 0..3 {
            login(&service, "wrong").await;
        }
        service.sql("UPDATE users SET failed_at = failed_at - 3600 WHERE name = 'demo'").await;
        login(&service, "wrong").await;
        assert_eq!(login(&service, "demo-secret").await.status, 201);
    })
    .await;
}
