//! Rules of `security-regressions`, by their ids.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::middleware;
use axum::routing::get;
use isospin_api_kit::auth::Authenticator;
use isospin_api_kit::http::{Context, authenticate, identify};
use isospin_identity::config::Lockout;
use serde_json::{Value, json};

use crate::service::{Service, ask, by_password, by_token, on_each, on_each_with, project};

/// A change that must end demo's token, and how to undo it.
struct Change {
    name: &'static str,
    make: (&'static str, String, Value),
    undo: Option<(&'static str, String, Value)>,
}

async fn changes(service: &Service) -> Vec<Change> {
    let user = format!("/v3/users/{}", service.ids.demo_user_id.clone().expect("a user"));
    let project = format!("/v3/projects/{}", service.ids.demo_project_id.clone().expect("a project"));
    let id = &user["/v3/users/".len()..];
    let grant = format!("{project}/users/{id}/roles/{}", service.role("member").await);
    let enabled = |key: &str, enabled: bool| json!({key: {"enabled": enabled}});
    let change =
        |name, make: (&'static str, &str, Value), undo: Option<(&'static str, &str, Value)>| Change {
            name,
            make: (make.0, make.1.to_owned(), make.2),
            undo: undo.map(|undo| (undo.0, undo.1.to_owned(), undo.2)),
        };
    vec![
        change(
            "user disabled",
            ("PATCH", &user, enabled("user", false)),
            Some(("PATCH", &user, enabled("user", true))),
        ),
        change(
            "project disabled",
            ("PATCH", &project, enabled("project", false)),
            Some(("PATCH", &project, enabled("project", true))),
        ),
        change(
            "password changed",
            ("PATCH", &user, json!({"user": {"password": "other"}})),
            Some(("PATCH", &user, json!({"user": {"password": "demo-secret"}}))),
        ),
        change("role taken away", ("DELETE", &grant, Value::Null), Some(("PUT", &grant, Value::Null))),
        change("project deleted", ("DELETE", &project, Value::Null), None),
        change("user deleted", ("DELETE", &user, Value::Null), None),
    ]
}

#[tokio::test]
async fn k02_what_ends_a_token_ends_it_at_once_and_for_good() {
    on_each(|service| async move {
        let authenticator = service.app.authenticator();
        for change in changes(&service).await {
            let scope = if change.name == "user deleted" { json!("unscoped") } else { project("demo") };
            let token = service.login("demo", "demo-secret", scope).await;
            for _ in 0..2 {
                authenticator.authenticate(&token).await.unwrap_or_else(|_| panic!("before {}", change.name));
            }
            let (method, path, body) = change.make;
            service.make(method, &path, body).await;
            assert!(authenticator.authenticate(&token).await.is_err(), "{}", change.name);
            assert_eq!(service.validate(&token).await.status, 404, "{}", change.name);
            let Some((method, path, body)) = change.undo else { continue };
            service.make(method, &path, body).await;
            let again = authenticator.authenticate(&token).await.is_ok();
            // A role is looked up whenever it matters; all else ends tokens for good.
            assert_eq!(again, change.name == "role taken away", "after {} was undone", change.name);
            let new = service.demo().await;
            assert!(authenticator.authenticate(&new).await.is_ok(), "a new token after {}", change.name);
        }
    })
    .await;
}

#[tokio::test]
async fn k02_a_domain_disabled_and_a_member_taken_from_a_group() {
    on_each(|service| async move {
        let domain = service.create("/v3/domains", json!({"domain": {"name": "d"}})).await;
        let user = json!({"user": {"name": "u", "password": "p", "domain_id": domain}});
        let user = service.create("/v3/users", user).await;
        let group = service.create("/v3/groups", json!({"group": {"name": "g", "domain_id": domain}})).await;
        let inside =
            service.create("/v3/projects", json!({"project": {"name": "i", "domain_id": domain}})).await;
        let reader = service.role("reader").await;
        let member = format!("/v3/groups/{group}/users/{user}");
        service
            .make("PUT", &format!("/v3/projects/{inside}/groups/{group}/roles/{reader}"), Value::Null)
            .await;
        service.make("PUT", &member, Value::Null).await;
        let login = || async {
            let proof = json!({"user": {"id": user, "password": "p"}});
            let identity = json!({"methods": ["password"], "password": proof});
            service.auth(json!({"identity": identity, "scope": {"project": {"id": inside}}})).await
        };
        let valid = |token: String| {
            let authenticator = service.app.authenticator();
            async move { authenticator.authenticate(&token).await.is_ok() }
        };
        let token = login().await.header("x-subject-token").to_owned();
        assert!(valid(token.clone()).await);
        service.make("DELETE", &member, Value::Null).await;
        assert!(!valid(token).await, "no longer in the group");
        assert_eq!(login().await.status, 401);
        service.make("PUT", &member, Value::Null).await;
        let token = login().await.header("x-subject-token").to_owned();
        assert!(valid(token.clone()).await);
        let path = format!("/v3/domains/{domain}");
        service.make("PATCH", &path, json!({"domain": {"enabled": false}})).await;
        assert!(!valid(token).await, "the domain is disabled");
        assert_eq!(login().await.status, 401);
        service.make("DELETE", &path, Value::Null).await;
        assert_eq!(service.admin("GET", &format!("/v3/users/{user}"), None).await.status, 404);
        assert_eq!(service.admin("GET", &format!("/v3/projects/{inside}"), None).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn k03_what_is_disabled_is_refused_on_every_method() {
    on_each(|service| async move {
        let user = service.ids.demo_user_id.clone().expect("a user");
        let project_id = service.ids.demo_project_id.clone().expect("a project");
        let cases = [("user", format!("/v3/users/{user}")), ("project", format!("/v3/projects/{project_id}"))];
        for (key, path) in cases {
            let unscoped = service.login("demo", "demo-secret", json!("unscoped")).await;
            service.make("PATCH", &path, json!({key: {"enabled": false}})).await;
            let by_id = json!({"user": {"id": user, "password": "demo-secret"}});
            let ways = [
                by_password("demo", "demo-secret", project("demo")),
                json!({"identity": {"methods": ["password"], "password": by_id}, "scope": project("demo")}),
                by_token(&unscoped, project("demo")),
                json!({
                    "identity": {"methods": ["password", "token"], "password": by_id, "token": {"id": unscoped}},
                    "scope": project("demo"),
                }),
            ];
            for way in ways {
                let answer = service.auth(way.clone()).await;
                // The token of a disabled user is none any more.
                let ended = key == "user" && way["identity"]["methods"] == json!(["token"]);
                let expected = match ended {
                    true => (404, "Failed to validate token"),
                    false => (401, "The request you have made requires authentication."),
                };
                assert_eq!((answer.status.as_u16(), answer.message()), expected, "{key}: {way}");
            }
            let change = json!({"user": {"original_password": "demo-secret", "password": "x"}});
            if key == "user" {
                let path = format!("{path}/password");
                assert_eq!(service.call("POST", &path, "", Some(change)).await.status, 401);
            }
            service.make("PATCH", &path, json!({key: {"enabled": true}})).await;
        }
        service.demo().await;
    })
    .await;
}

/// There is no federation here; what K08 guards is nobody's without it.
#[tokio::test]
async fn k08_nobody_comes_by_federation_and_lists_of_projects_are_ones_own() {
    on_each(|service| async move {
        for method in ["mapped", "saml2", "openid", "external", "oauth1"] {
            let way = json!({"identity": {"methods": [method], method: {"id": "x", "protocol": "p"}}});
            assert_eq!(service.auth(way).await.status, 401, "{method}");
        }
        for path in [
            "/v3/OS-FEDERATION/identity_providers",
            "/v3/OS-FEDERATION/projects",
            "/v3/auth/OS-FEDERATION/saml2",
        ] {
            assert_eq!(service.admin("GET", path, None).await.status, 404, "{path}");
        }
        let projects = service.call("GET", "/v3/auth/projects", &service.demo().await, None).await;
        assert_eq!(projects.all("projects", "name"), ["demo"]);
        let domains = service.call("GET", "/v3/auth/domains", &service.demo().await, None).await;
        assert!(domains.all("domains", "name").is_empty());
    })
    .await;
}

#[tokio::test]
async fn k06_secrets_that_are_too_long_are_refused_unread() {
    on_each_with(
        // With this cost a hash of anything would be noticed.
        |config| config.passwords.rounds = 10,
        |service| async move {
            let started = Instant::now();
            service.auth(by_password("demo", "wrong", Value::Null)).await;
            let hashing = started.elapsed();
            let long = "x".repeat(4097);
            let user = service.ids.demo_user_id.clone().expect("a user");
            let started = Instant::now();
            let login = service.auth(by_password("demo", &long, Value::Null)).await;
            let create = json!({"user": {"name": "long", "password": long}});
            let create = service.admin("POST", "/v3/users", Some(create)).await;
            let change = json!({"user": {"original_password": long, "password": "x"}});
            let change = service.call("POST", &format!("/v3/users/{user}/password"), "", Some(change)).await;
            let quick = started.elapsed();
            for answer in [login, create, change] {
                assert_eq!(answer.status, 403, "{answer:?}");
            }
            assert!(quick < hashing, "three refusals took {quick:?}, one hash {hashing:?}");

            let authenticator = service.app.authenticator();
            for length in [1025, 100_000] {
                let token = "g".repeat(length);
                assert!(authenticator.authenticate(&token).await.is_err());
                let answer = service.auth(by_token(&token, Value::Null)).await;
                assert_eq!(answer.status, 404, "{length}");
                assert_eq!(service.call("GET", "/v3/users", &token, None).await.status, 401, "{length}");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn k12_a_locked_user_is_answered_like_a_wrong_password() {
    on_each_with(
        |config| {
            config.passwords.lockout = Some(Lockout { attempts: 3, duration: Duration::from_secs(3600) });
        },
        |service| async move {
            let login = |password: &'static str| service.auth(by_password("demo", password, project("demo")));
            for _ in 0..2 {
                assert_eq!(login("wrong").await.status, 401);
            }
            assert_eq!(login("demo-secret").await.status, 201, "two failures do not lock");
            for _ in 0..2 {
                login("wrong").await;
            }
            assert_eq!(login("demo-secret").await.status, 201, "a success begins the count anew");
            let wrong = login("wrong").await;
            for _ in 0..2 {
                login("wrong").await;
            }
            let locked = login("demo-secret").await;
            assert_eq!((locked.status, &locked.body), (wrong.status, &wrong.body));
            let id = service.ids.demo_user_id.clone().expect("a user");
            let reset = json!({"user": {"password": "demo-secret"}});
            service.make("PATCH", &format!("/v3/users/{id}"), reset).await;
            assert_eq!(login("demo-secret").await.status, 201, "a new password unlocks");
            let exempt = json!({"user": {"options": {"ignore_lockout_failure_attempts": true}}});
            service.make("PATCH", &format!("/v3/users/{id}"), exempt).await;
            for _ in 0..4 {
                login("wrong").await;
            }
            assert_eq!(login("demo-secret").await.status, 201, "exempt by option");
        },
    )
    .await;
}

#[tokio::test]
async fn k12_guesses_side_by_side_are_counted_together() {
    on_each_with(
        |config| {
            config.passwords.lockout = Some(Lockout { attempts: 3, duration: Duration::from_secs(3600) });
            config.passwords.rounds = 6;
        },
        |service| async move {
            let guesses = (0..20).map(|_| service.auth(by_password("demo", "wrong", project("demo"))));
            futures::future::join_all(guesses).await;
            let right = service.auth(by_password("demo", "demo-secret", project("demo"))).await;
            assert_eq!(right.status, 401);
        },
    )
    .await;
}

#[tokio::test]
async fn k13_all_of_a_long_password_counts() {
    on_each(|service| async move {
        let long = "p".repeat(80);
        service.create("/v3/users", json!({"user": {"name": "long", "password": long}})).await;
        let status =
            async |password: &str| service.auth(by_password("long", password, Value::Null)).await.status;
        assert_eq!(status(&long).await, 201);
        for wrong in [&long[..72], &long[..79], &format!("{long}p")] {
            assert_eq!(status(wrong).await, 401, "{} characters", wrong.len());
        }
    })
    .await;
}

/// What a client could claim about itself in headers.
const FORGED: &[(&str, &str)] = &[
    ("x-identity-status", "Confirmed"),
    ("x-user-id", "forged"),
    ("x-user-name", "forged"),
    ("x-project-id", "forged"),
    ("x-tenant-id", "forged"),
    ("x-domain-id", "default"),
    ("x-roles", "admin"),
    ("x-role", "admin"),
    ("x-is-admin-project", "True"),
    ("x-service-roles", "admin,service"),
    ("openstack-system-scope", "all"),
    ("x-auth-receipt", "forged"),
];

#[tokio::test]
async fn k16_identity_headers_of_clients_mean_nothing_to_the_identity_api() {
    on_each(|service| async move {
        let demo = service.demo().await;
        let with = |token: &str| {
            let mut headers = FORGED.to_vec();
            headers.push(("x-auth-token", Box::leak(token.to_owned().into_boxed_str())));
            headers
        };
        for path in ["/v3/users", "/v3/services", "/v3/role_assignments"] {
            assert_eq!(ask(&service.router, "GET", path, FORGED, None).await.status, 401, "{path}");
            assert_eq!(ask(&service.router, "GET", path, &with(&demo), None).await.status, 403, "{path}");
            assert_eq!(
                ask(&service.router, "GET", path, &with(&service.admin), None).await.status,
                200,
                "{path}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn k16_identity_headers_of_clients_mean_nothing_to_other_services() {
    on_each(|service| async move {
        // What stands before every handler of the network API.
        async fn whoami(context: Context) -> String {
            serde_json::to_string(&(
                &context.caller.user_id,
                &context.caller.project_id,
                &context.caller.roles,
                &context.caller.service_roles,
                context.caller.system_scope,
            ))
            .expect("JSON")
        }
        let authenticator: Arc<dyn Authenticator> = service.app.authenticator();
        let other = Router::new()
            .route("/whoami", get(whoami))
            .layer(middleware::from_fn_with_state(authenticator, authenticate))
            .layer(middleware::from_fn(identify));
        let refused = ask(&other, "GET", "/whoami", FORGED, None).await;
        assert_eq!(refused.status, 401);
        assert_eq!(refused.header("www-authenticate"), "Keystone uri=\"http://identity.test:5000\"");
        let demo = service.demo().await;
        let mut headers = FORGED.to_vec();
        headers.push(("x-auth-token", &demo));
        let answer = ask(&other, "GET", "/whoami", &headers, None).await;
        let expected =
            json!([service.ids.demo_user_id, service.ids.demo_project_id, ["member", "reader"], [], false]);
        assert_eq!(answer.body, expected);
    })
    .await;
}
