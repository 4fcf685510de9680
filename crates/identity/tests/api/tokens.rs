//! Getting, exchanging, checking and giving back tokens.

use std::time::Duration;

use serde_json::{Value, json};

use crate::service::{Service, ask, by_password, by_token, on_each, project};

fn seconds(text: &Value) -> i64 {
    let time: jiff::Timestamp = text.as_str().expect("a time").parse().expect("a time");
    time.as_second()
}

#[tokio::test]
async fn every_scope_that_is_granted_and_no_other() {
    on_each(|service| async move {
        let demo_project = service.ids.demo_project_id.clone().expect("a demo project");
        let admin_project = service.ids.admin_project_id.clone();
        let member = Some(vec!["member", "reader"]);
        let all = Some(vec!["admin", "manager", "member", "reader"]);
        let none = Some(vec![]);
        let cases = [
            ("demo", json!({"project": {"id": demo_project}}), member.clone()),
            ("demo", project("demo"), member.clone()),
            ("demo", json!({"project": {"name": "demo", "domain": {"name": "Default"}}}), member),
            ("demo", json!("unscoped"), none.clone()),
            ("demo", Value::Null, none),
            ("demo", json!({"project": {"id": admin_project}}), None),
            ("demo", json!({"project": {"id": "nothing"}}), None),
            ("demo", project("nothing"), None),
            ("demo", json!({"domain": {"id": "default"}}), None),
            ("demo", json!({"system": {"all": true}}), None),
            ("admin", json!({"system": {"all": true}}), all.clone()),
            ("admin", json!({"project": {"id": admin_project}}), all.clone()),
            ("admin", project("demo"), all),
            ("admin", json!({"domain": {"id": "default"}}), None),
            ("admin", json!({"project": {"id": "default"}}), None),
        ];
        for (user, scope, expected) in cases {
            let answer = service.auth(by_password(user, &format!("{user}-secret"), scope.clone())).await;
            let Some(expected) = expected else {
                assert_eq!(answer.status, 401, "{user} {scope}: {answer:?}");
                continue;
            };
            assert_eq!(answer.status, 201, "{user} {scope}: {answer:?}");
            let token = &answer.body["token"];
            let roles = token["roles"].as_array().cloned().unwrap_or_default();
            let mut roles: Vec<&str> =
                roles.iter().map(|role| role["name"].as_str().expect("a name")).collect();
            roles.sort_unstable();
            assert_eq!(roles, expected, "{user} {scope}");
            assert_eq!(token.get("catalog").is_some(), !expected.is_empty(), "{user} {scope}");
            assert_eq!(token.get("system").is_some(), scope.get("system").is_some());
        }
    })
    .await;
}

#[tokio::test]
async fn a_domain_scope_and_the_default_project() {
    on_each(|service| async move {
        let demo = service.ids.demo_user_id.clone().expect("a demo user");
        let reader = service.role("reader").await;
        service.make("PUT", &format!("/v3/domains/default/users/{demo}/roles/{reader}"), Value::Null).await;
        for domain in [json!({"id": "default"}), json!({"name": "Default"})] {
            let answer = service.auth(by_password("demo", "demo-secret", json!({"domain": domain}))).await;
            assert_eq!(answer.body["token"]["domain"], json!({"id": "default", "name": "Default"}));
            let token = answer.header("x-subject-token").to_owned();
            assert_eq!(service.validate(&token).await.body, answer.body);
            let users = service.call("GET", "/v3/users", &token, None).await;
            assert_eq!(users.status, 200, "a reader of the domain sees its users");
        }
        let project = service.ids.demo_project_id.clone().expect("a demo project");
        let set = json!({"user": {"default_project_id": project}});
        service.make("PATCH", &format!("/v3/users/{demo}"), set).await;
        let answer = service.auth(by_password("demo", "demo-secret", Value::Null)).await;
        assert_eq!(answer.body["token"]["project"]["id"], json!(project));
        let answer = service.auth(by_password("demo", "demo-secret", json!("unscoped"))).await;
        assert!(answer.body["token"].get("project").is_none());
        // A default project without a role is no obstacle.
        let set = json!({"user": {"default_project_id": service.ids.admin_project_id}});
        service.make("PATCH", &format!("/v3/users/{demo}"), set).await;
        let answer = service.auth(by_password("demo", "demo-secret", Value::Null)).await;
        assert_eq!((answer.status.as_u16(), answer.body["token"].get("project")), (201, None));
    })
    .await;
}

#[tokio::test]
async fn k01_a_token_from_a_token_does_not_outlive_it_and_keeps_the_chain() {
    on_each(|service| async move {
        // The same keys, and tokens that live longer: the exchange must not stretch.
        let (_, longer) = service.beside(|config| config.tokens.lifetime = Duration::from_secs(86_400)).await;
        let first = service.auth(by_password("admin", "admin-secret", json!("unscoped"))).await;
        let mut token = first.header("x-subject-token").to_owned();
        let origin = first.body["token"]["audit_ids"][0].clone();
        for scope in [project("demo"), project("admin"), json!({"system": {"all": true}}), json!("unscoped")]
        {
            let body = Some(json!({"auth": by_token(&token, scope)}));
            let next = ask(&longer, "POST", "/v3/auth/tokens", &[], body).await;
            assert_eq!(next.status, 201, "{next:?}");
            let body = &next.body["token"];
            assert_eq!(body["expires_at"], first.body["token"]["expires_at"]);
            assert_eq!(body["methods"], json!(["password", "token"]));
            assert_eq!(body["audit_ids"].as_array().map(Vec::len), Some(2));
            assert_ne!(body["audit_ids"][0], origin);
            assert_eq!(body["audit_ids"][1], origin, "the first of the chain");
            next.header("x-subject-token").clone_into(&mut token);
            let shown = service.validate(&token).await;
            assert_eq!(shown.body["token"]["expires_at"], first.body["token"]["expires_at"]);
        }
        let life = seconds(&first.body["token"]["expires_at"]) - seconds(&first.body["token"]["issued_at"]);
        assert!((3599..=3600).contains(&life), "{life}");
    })
    .await;
}

#[tokio::test]
async fn rescoping_can_be_forbidden() {
    on_each(|service| async move {
        let (_, strict) = service.beside(|config| config.tokens.allow_rescope = false).await;
        let exchange = |token: String| {
            let body = Some(json!({"auth": by_token(&token, project("demo"))}));
            let strict = strict.clone();
            async move { ask(&strict, "POST", "/v3/auth/tokens", &[], body).await.status }
        };
        assert_eq!(exchange(service.demo().await).await, 403);
        let unscoped = service.login("demo", "demo-secret", json!("unscoped")).await;
        assert_eq!(exchange(unscoped).await, 201);
    })
    .await;
}

#[tokio::test]
async fn who_may_validate_whose_token() {
    on_each(|service| async move {
        let demo = service.demo().await;
        let validate = |by: &str, subject: &str, method: &str, query: &str| {
            let (router, by, subject) = (service.router.clone(), by.to_owned(), subject.to_owned());
            let (method, path) = (method.to_owned(), format!("/v3/auth/tokens{query}"));
            async move {
                let headers = [("x-auth-token", by.as_str()), ("x-subject-token", subject.as_str())];
                ask(&router, &method, &path, &headers, None).await
            }
        };
        assert_eq!(validate(&service.admin, &demo, "GET", "").await.status, 200);
        assert_eq!(validate(&demo, &demo, "GET", "").await.status, 200);
        let other = validate(&demo, &service.admin, "GET", "").await;
        assert_eq!(other.status, 403);
        assert!(other.message().ends_with("identity:validate_token."), "{}", other.message());
        let head = validate(&service.admin, &demo, "HEAD", "").await;
        assert_eq!((head.status.as_u16(), head.header("x-subject-token")), (200, demo.as_str()));
        assert_eq!(head.body, Value::Null);
        let bare = validate(&service.admin, &demo, "GET", "?nocatalog").await;
        assert!(bare.body["token"].get("catalog").is_none());
        assert_eq!(validate(&service.admin, "gAAAAAnonsense", "GET", "").await.status, 404);
        assert_eq!(validate(&service.admin, "", "GET", "").await.status, 400);
        assert_eq!(validate("", &demo, "GET", "").await.status, 401);
        assert_eq!(validate(&service.admin, &demo, "GET", "/OS-PKI/revoked").await.status, 410);
    })
    .await;
}

#[tokio::test]
async fn an_expired_token_is_shown_to_services_only_when_they_ask() {
    on_each(|service| async move {
        let (app, brief) = service.beside(|config| config.tokens.lifetime = Duration::ZERO).await;
        let body = Some(json!({"auth": by_password("demo", "demo-secret", project("demo"))}));
        let expired =
            ask(&brief, "POST", "/v3/auth/tokens", &[], body).await.header("x-subject-token").to_owned();
        assert_eq!(service.validate(&expired).await.status, 404);
        assert!(app.authenticator().authenticate(&expired).await.is_err());
        let show = |query: &'static str| {
            let headers = [("x-auth-token", service.admin.clone()), ("x-subject-token", expired.clone())];
            let router = service.router.clone();
            async move {
                let headers: Vec<(&str, &str)> =
                    headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                ask(&router, "GET", &format!("/v3/auth/tokens{query}"), &headers, None).await.status
            }
        };
        assert_eq!(show("?allow_expired=1").await, 200);
        assert_eq!(show("?allow_expired=0").await, 404);
        assert_eq!(show("").await, 404, "having been shown once does not make it valid");
        let reuse = service.auth(by_token(&expired, project("demo"))).await;
        assert_eq!(reuse.status, 404);
    })
    .await;
}

#[tokio::test]
async fn a_token_given_back_is_refused_at_once() {
    on_each(|service: Service| async move {
        let authenticator = service.app.authenticator();
        let token = service.demo().await;
        let child =
            service.auth(by_token(&token, project("demo"))).await.header("x-subject-token").to_owned();
        assert!(authenticator.authenticate(&token).await.is_ok());
        let delete = |by: String| {
            let (router, token) = (service.router.clone(), token.clone());
            async move {
                let headers = [("x-auth-token", by.as_str()), ("x-subject-token", token.as_str())];
                ask(&router, "DELETE", "/v3/auth/tokens", &headers, None).await.status
            }
        };
        let stranger = service.create("/v3/users", json!({"user": {"name": "s", "password": "p"}})).await;
        let stranger_token = service.login("s", "p", Value::Null).await;
        assert_eq!(delete(stranger_token).await, 403, "{stranger}");
        assert!(authenticator.authenticate(&token).await.is_ok());
        assert_eq!(delete(token.clone()).await, 204);
        assert!(authenticator.authenticate(&token).await.is_err());
        assert_eq!(service.call("GET", "/v3/auth/projects", &token, None).await.status, 401);
        assert_eq!(service.validate(&token).await.status, 404);
        assert_eq!(delete(service.admin.clone()).await, 404);
        assert_eq!(service.auth(by_token(&token, project("demo"))).await.status, 404);
        assert_eq!(service.validate(&child).await.status, 200, "a child has an audit id of its own");
    })
    .await;
}

#[tokio::test]
async fn scopes_a_user_can_have_are_listed() {
    on_each(|service| async move {
        let demo = service.demo().await;
        let list = |path: &'static str, token: String| {
            let router = service.router.clone();
            async move { ask(&router, "GET", path, &[("x-auth-token", &token)], None).await }
        };
        let projects = list("/v3/auth/projects", demo.clone()).await;
        assert_eq!(projects.all("projects", "name"), ["demo"]);
        assert_eq!(list("/v3/auth/domains", demo.clone()).await.body["domains"], json!([]));
        assert_eq!(list("/v3/auth/system", demo).await.body["system"], json!([]));
        let system = list("/v3/auth/system", service.admin.clone()).await;
        assert_eq!(system.body["system"], json!([{"all": true}]));
        let mut names = list("/v3/auth/projects", service.admin.clone()).await.all("projects", "name");
        names.sort();
        assert_eq!(names, ["admin", "demo"]);
        let unscoped = service.login("demo", "demo-secret", json!("unscoped")).await;
        assert_eq!(list("/v3/auth/catalog", unscoped).await.status, 403);
    })
    .await;
}
