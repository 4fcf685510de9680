//! Tokens by the leave of a user: application credentials and trusts.

use std::sync::Arc;

use axum::middleware;
use axum::routing::get;
use axum::{Extension, Router};
use isospin_api_kit::auth::Authenticator;
use isospin_api_kit::http::{Context, authenticate, identify};
use serde_json::{Value, json};

use crate::service::{Answer, Service, ask, by_token, on_each, project};

/// A user with a role in the project demo: id and token.
async fn user_with(service: &Service, name: &str, role: &str) -> (String, String) {
    let user = service.create("/v3/users", json!({"user": {"name": name, "password": "secret"}})).await;
    grant(service, "PUT", &user, role).await;
    let token = service.login(name, "secret", project("demo")).await;
    (user, token)
}

async fn grant(service: &Service, method: &str, user: &str, role: &str) {
    let project_id = service.ids.demo_project_id.clone().expect("a project");
    let role = service.role(role).await;
    service.make(method, &format!("/v3/projects/{project_id}/users/{user}/roles/{role}"), Value::Null).await;
}

/// An application credential: id and secret.
async fn credential(service: &Service, user: &str, token: &str, more: Value) -> (String, String) {
    let mut body = json!({"name": "a"});
    for (key, value) in more.as_object().expect("an object") {
        body[key] = value.clone();
    }
    let path = format!("/v3/users/{user}/application_credentials");
    let made = service.call("POST", &path, token, Some(json!({"application_credential": body}))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let text = |key: &str| made.body["application_credential"][key].as_str().expect("text").to_owned();
    (text("id"), text("secret"))
}

fn by_credential(credential: Value) -> Value {
    json!({"identity": {"methods": ["application_credential"], "application_credential": credential}})
}

fn token_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.header("x-subject-token").to_owned()
}

fn role_names(answer: &Answer) -> Vec<&str> {
    let roles = answer.body["token"]["roles"].as_array().expect("roles");
    let mut names: Vec<&str> = roles.iter().map(|role| role["name"].as_str().expect("a name")).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn k10_an_application_credential_gives_exactly_the_roles_of_its_making() {
    on_each(|service| async move {
        let (user, token) = user_with(&service, "u", "manager").await;
        let roles = json!({"roles": [{"name": "member"}]});
        let (id, secret) = credential(&service, &user, &token, roles).await;
        let other = service.create("/v3/users", json!({"user": {"name": "v"}})).await;
        let ways = [
            json!({"id": id, "secret": secret}),
            json!({"name": "a", "secret": secret, "user": {"id": user}}),
            json!({"name": "a", "secret": secret, "user": {"name": "u", "domain": {"id": "default"}}}),
            // Whose it is, is no matter of what a client says.
            json!({"id": id, "secret": secret, "user": {"id": other}}),
        ];
        for way in ways {
            let answer = service.auth(by_credential(way)).await;
            let shown = service.validate(&token_of(&answer)).await;
            assert_eq!(shown.body, answer.body);
            assert_eq!(role_names(&answer), ["member", "reader"]);
            let body = &answer.body["token"];
            assert_eq!(body["user"]["id"], json!(user));
            assert_eq!(body["project"]["id"], json!(service.ids.demo_project_id));
            assert_eq!(body["methods"], json!(["application_credential"]));
            assert_eq!(body["application_credential"], json!({"id": id, "name": "a", "restricted": true}));
            assert!(body.get("catalog").is_some());
        }
        let wrong = [
            json!({"id": id, "secret": "wrong"}),
            json!({"id": "nothing", "secret": secret}),
            json!({"name": "a", "secret": secret, "user": {"id": other}}),
            json!({"name": "b", "secret": secret, "user": {"id": user}}),
        ];
        let mut said = Vec::new();
        for way in wrong {
            let answer = service.auth(by_credential(way)).await;
            assert_eq!(answer.status, 401, "{answer:?}");
            said.push(answer.body);
        }
        said.dedup();
        assert_eq!(said.len(), 1, "nobody learns what was wrong");
    })
    .await;
}

#[tokio::test]
async fn k10_a_token_from_a_token_of_an_application_credential_stays_within_it() {
    on_each(|service| async move {
        let (user, token) = user_with(&service, "u", "manager").await;
        let (id, secret) = credential(&service, &user, &token, json!({"roles": [{"name": "reader"}]})).await;
        let token = token_of(&service.auth(by_credential(json!({"id": id, "secret": secret}))).await);
        let next = service.auth(by_token(&token, Value::Null)).await;
        assert_eq!(next.status, 201, "{next:?}");
        assert_eq!(role_names(&next), ["reader"]);
        assert_eq!(next.body["token"]["application_credential"]["id"], json!(id));
        assert_eq!(next.body["token"]["methods"], json!(["token", "application_credential"]));
        for scope in [project("demo"), json!("unscoped"), json!({"system": {"all": true}})] {
            let wider = service.auth(by_token(&token, scope.clone())).await;
            assert_eq!(wider.status, 403, "{scope}: {wider:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn k14_an_application_credential_dies_with_a_role_at_once() {
    on_each(|service| async move {
        let authenticator = service.app.authenticator();
        let (user, token) = user_with(&service, "u", "member").await;
        let (id, secret) = credential(&service, &user, &token, json!({})).await;
        let way = by_credential(json!({"id": id, "secret": secret}));
        let token = token_of(&service.auth(way.clone()).await);
        assert!(authenticator.authenticate(&token).await.is_ok());
        grant(&service, "DELETE", &user, "member").await;
        assert!(authenticator.authenticate(&token).await.is_err());
        assert_eq!(service.auth(way.clone()).await.status, 401);
        grant(&service, "PUT", &user, "member").await;
        assert!(authenticator.authenticate(&token).await.is_err(), "it does not come back to life");
        assert_eq!(service.auth(way).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn k02_an_application_credential_deleted_or_over_ends_its_tokens() {
    on_each(|service| async move {
        let authenticator = service.app.authenticator();
        let (user, own) = user_with(&service, "u", "member").await;
        let (id, secret) = credential(&service, &user, &own, json!({})).await;
        let token = token_of(&service.auth(by_credential(json!({"id": id, "secret": secret}))).await);
        assert!(authenticator.authenticate(&token).await.is_ok());
        let path = format!("/v3/users/{user}/application_credentials/{id}");
        assert_eq!(service.call("DELETE", &path, &own, None).await.status, 204);
        assert!(authenticator.authenticate(&token).await.is_err());

        let end = jiff::Timestamp::now().as_second() + 2;
        let time =
            jiff::Timestamp::from_second(end).expect("a time").strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let (id, secret) = credential(&service, &user, &own, json!({"expires_at": time})).await;
        let way = by_credential(json!({"id": id, "secret": secret}));
        let answer = service.auth(way.clone()).await;
        let token = token_of(&answer);
        assert_eq!(answer.body["token"]["expires_at"], json!(format!("{time}.000000Z")), "not after its end");
        while jiff::Timestamp::now().as_second() < end {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(authenticator.authenticate(&token).await.is_err());
        assert!(authenticator.authenticate_expired(&token).await.is_err(), "also for services");
        assert_eq!(service.auth(way).await.status, 401);
    })
    .await;
}

/// What stands before every handler of the network API.
fn network(authenticator: Arc<dyn Authenticator>) -> Router {
    async fn roles(context: Context, Extension(_): Extension<()>) -> String {
        serde_json::to_string(&context.caller.service_roles).expect("JSON")
    }
    Router::new()
        .route("/v2.0/networks", get(roles).post(roles))
        .route("/v2.0/networks/{id}", get(roles))
        .layer(Extension(()))
        .layer(middleware::from_fn_with_state(authenticator, authenticate))
        .layer(middleware::from_fn(identify))
}

#[tokio::test]
async fn access_rules_hold_in_the_network_api_and_here() {
    on_each(|service| async move {
        let (user, own) = user_with(&service, "u", "member").await;
        let rules = json!({"access_rules": [
            {"path": "/v2.0/networks", "method": "GET", "service": "network"},
            {"path": "/v3/auth/projects", "method": "GET", "service": "identity"},
        ]});
        let (id, secret) = credential(&service, &user, &own, rules).await;
        let issued = service.auth(by_credential(json!({"id": id, "secret": secret}))).await;
        let shown = issued.body["token"]["application_credential"]["access_rules"].as_array().map(Vec::len);
        assert_eq!(shown, Some(2), "{issued:?}");
        let token = token_of(&issued);
        let network = network(service.app.authenticator());
        let status = async |method: &str, path: &str, service_token: &str| {
            let headers = [("x-auth-token", token.as_str()), ("x-service-token", service_token)];
            ask(&network, method, path, &headers, None).await.status.as_u16()
        };
        assert_eq!(status("GET", "/v2.0/networks", "").await, 200);
        assert_eq!(status("POST", "/v2.0/networks", "").await, 401);
        assert_eq!(status("GET", "/v2.0/networks/x", "").await, 401);
        // A service does more for the user than the user asked it for.
        let role = service.role("service").await;
        let place = service.ids.service_project_id.clone();
        let nova = service.create("/v3/users", json!({"user": {"name": "nova", "password": "p"}})).await;
        service.make("PUT", &format!("/v3/projects/{place}/users/{nova}/roles/{role}"), Value::Null).await;
        let of_service = service.login("nova", "p", json!({"project": {"id": place}})).await;
        assert_eq!(status("POST", "/v2.0/networks", &of_service).await, 200);
        // Anybody's token is no service's.
        assert_eq!(status("POST", "/v2.0/networks", &own).await, 401);
        assert_eq!(status("GET", "/v2.0/networks", "nonsense").await, 401);

        let projects = service.call("GET", "/v3/auth/projects", &token, None).await;
        assert_eq!(projects.status, 200, "{projects:?}");
        assert_eq!(service.call("GET", "/v3/auth/domains", &token, None).await.status, 401);
        // A service that knows nothing of access rules is not shown the token.
        let show = async |version: &str| {
            let headers = [
                ("x-auth-token", service.admin.as_str()),
                ("x-subject-token", token.as_str()),
                ("openstack-identity-access-rules", version),
            ];
            ask(&service.router, "GET", "/v3/auth/tokens", &headers, None).await.status.as_u16()
        };
        assert_eq!(
            (show("1.0").await, show("").await, show("0.9").await, show("x").await),
            (200, 404, 404, 404)
        );
    })
    .await;
}

#[tokio::test]
async fn a_service_passes_on_a_token_that_has_ended() {
    on_each(|service| async move {
        let (_, brief) = service.beside(|config| config.tokens.lifetime = std::time::Duration::ZERO).await;
        let body = json!({"auth": crate::service::by_password("demo", "demo-secret", project("demo"))});
        let expired = ask(&brief, "POST", "/v3/auth/tokens", &[], Some(body)).await;
        let expired = token_of(&expired);
        let role = service.role("service").await;
        let place = service.ids.service_project_id.clone();
        let admin = service.ids.admin_user_id.clone();
        service.make("PUT", &format!("/v3/projects/{place}/users/{admin}/roles/{role}"), Value::Null).await;
        let of_service = service.login("admin", "admin-secret", json!({"project": {"id": place}})).await;
        let network = network(service.app.authenticator());
        let answer = async |service_token: &str| {
            let headers = [("x-auth-token", expired.as_str()), ("x-service-token", service_token)];
            ask(&network, "GET", "/v2.0/networks", &headers, None).await
        };
        assert_eq!(answer("").await.status, 401);
        assert_eq!(answer(&service.demo().await).await.status, 401, "not a service");
        let passed = answer(&of_service).await;
        assert_eq!((passed.status.as_u16(), passed.body), (200, json!(["service"])));
    })
    .await;
}

/// A trust of a trustor to a trustee in the project demo; its id.
async fn trust(service: &Service, by: &str, trustor: &str, trustee: &str, more: Value) -> String {
    let mut trust = json!({"trustor_user_id": trustor, "trustee_user_id": trustee, "impersonation": false,
        "project_id": service.ids.demo_project_id, "roles": [{"name": "member"}]});
    for (key, value) in more.as_object().expect("an object") {
        trust[key] = value.clone();
    }
    let made = service.call("POST", "/v3/OS-TRUST/trusts", by, Some(json!({"trust": trust}))).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.body["trust"]["id"].as_str().expect("an id").to_owned()
}

fn with_trust(id: &str) -> Value {
    json!({"OS-TRUST:trust": {"id": id}})
}

async fn trustee(service: &Service, name: &str) -> (String, String) {
    let user = service.create("/v3/users", json!({"user": {"name": name, "password": "secret"}})).await;
    let token = service.login(name, "secret", Value::Null).await;
    (user, token)
}

#[tokio::test]
async fn a_trust_gives_its_roles_to_its_trustee() {
    on_each(|service| async move {
        let (trustor, own) = user_with(&service, "trustor", "manager").await;
        let (agent, agents) = trustee(&service, "agent").await;
        for impersonation in [false, true] {
            let id = trust(&service, &own, &trustor, &agent, json!({"impersonation": impersonation})).await;
            let answer = service.auth(by_token(&agents, with_trust(&id))).await;
            let shown = service.validate(&token_of(&answer)).await;
            assert_eq!(shown.body, answer.body);
            assert_eq!(role_names(&answer), ["member", "reader"], "with what they imply");
            let body = &answer.body["token"];
            assert_eq!(body["user"]["id"], json!(if impersonation { &trustor } else { &agent }));
            assert_eq!(body["project"]["id"], json!(service.ids.demo_project_id));
            let expected = json!({"id": id, "trustor_user": {"id": trustor}, "trustee_user": {"id": agent},
                "impersonation": impersonation});
            assert_eq!(body["OS-TRUST:trust"], expected);
            // Only for the trustee, and not for a trust that is none.
            for (token, scope) in [(&own, with_trust(&id)), (&agents, with_trust("nothing"))] {
                assert_eq!(service.auth(by_token(token, scope)).await.status, 401);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn k04_a_token_of_a_trust_makes_no_other_and_no_trust() {
    on_each(|service| async move {
        let (trustor, own) = user_with(&service, "trustor", "manager").await;
        let (agent, agents) = trustee(&service, "agent").await;
        let (third, _) = trustee(&service, "third").await;
        let id = trust(&service, &own, &trustor, &agent, json!({"impersonation": true})).await;
        let token = token_of(&service.auth(by_token(&agents, with_trust(&id))).await);
        for scope in [Value::Null, json!("unscoped"), project("demo"), with_trust(&id)] {
            let answer = service.auth(by_token(&token, scope.clone())).await;
            assert_eq!(answer.status, 403, "{scope}: {answer:?}");
        }
        let body = json!({"trust": {"trustor_user_id": trustor, "trustee_user_id": third, "impersonation": false,
            "project_id": service.ids.demo_project_id, "roles": [{"name": "member"}]}});
        let answer = service.call("POST", "/v3/OS-TRUST/trusts", &token, Some(body)).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        let path = format!("/v3/users/{trustor}/application_credentials");
        let body = json!({"application_credential": {"name": "x"}});
        assert_eq!(service.call("POST", &path, &token, Some(body)).await.status, 403);
    })
    .await;
}

#[tokio::test]
async fn k02_whatever_ends_a_trust_ends_its_tokens_at_once() {
    on_each(|service| async move {
        let authenticator = service.app.authenticator();
        let (trustor, _) = user_with(&service, "trustor", "manager").await;
        let (agent, _) = trustee(&service, "agent").await;
        let enabled = |on: bool| json!({"user": {"enabled": on}});
        for way in ["trust", "role", "trustor", "trustee", "password"] {
            let own = service.login("trustor", "secret", project("demo")).await;
            let agents = service.login("agent", "secret", Value::Null).await;
            let id = trust(&service, &own, &trustor, &agent, json!({})).await;
            let token = token_of(&service.auth(by_token(&agents, with_trust(&id))).await);
            assert!(authenticator.authenticate(&token).await.is_ok(), "before {way}");
            let path = format!("/v3/users/{}", if way == "trustee" { &agent } else { &trustor });
            match way {
                "trust" => {
                    let path = format!("/v3/OS-TRUST/trusts/{id}");
                    assert_eq!(service.call("DELETE", &path, &own, None).await.status, 204);
                }
                "role" => grant(&service, "DELETE", &trustor, "manager").await,
                "password" => {
                    service.make("PATCH", &path, json!({"user": {"password": "secret"}})).await;
                }
                _ => {
                    service.make("PATCH", &path, enabled(false)).await;
                }
            }
            assert!(authenticator.authenticate(&token).await.is_err(), "after {way}");
            match way {
                "role" => grant(&service, "PUT", &trustor, "manager").await,
                "trustor" | "trustee" => {
                    service.make("PATCH", &path, enabled(true)).await;
                    assert!(authenticator.authenticate(&token).await.is_err(), "{way} again");
                }
                _ => {}
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_trust_is_used_as_often_as_it_says() {
    on_each(|service| async move {
        let (trustor, own) = user_with(&service, "trustor", "manager").await;
        let (agent, agents) = trustee(&service, "agent").await;
        let id = trust(&service, &own, &trustor, &agent, json!({"remaining_uses": 2})).await;
        let tries = (0..5).map(|_| service.auth(by_token(&agents, with_trust(&id))));
        let answers = futures::future::join_all(tries).await;
        let tokens: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(tokens.len(), 2, "{answers:?}");
        for answer in tokens {
            assert_eq!(service.validate(&token_of(answer)).await.status, 200, "made before it was used up");
        }
    })
    .await;
}

#[tokio::test]
async fn k03_who_is_disabled_is_refused_by_every_leave_too() {
    on_each(|service| async move {
        let (user, own) = user_with(&service, "u", "manager").await;
        let (agent, agents) = trustee(&service, "agent").await;
        let (id, secret) = credential(&service, &user, &own, json!({})).await;
        let trust = trust(&service, &own, &user, &agent, json!({})).await;
        let by_secret = by_credential(json!({"id": id, "secret": secret}));
        assert_eq!(service.auth(by_secret.clone()).await.status, 201);
        let project_id = service.ids.demo_project_id.clone().expect("a project");
        let things =
            [("user", format!("/v3/users/{user}")), ("project", format!("/v3/projects/{project_id}"))];
        for (key, path) in things {
            service.make("PATCH", &path, json!({key: {"enabled": false}})).await;
            assert_eq!(service.auth(by_secret.clone()).await.status, 401, "{key}");
            assert_eq!(service.auth(by_token(&agents, with_trust(&trust))).await.status, 401, "{key}");
            service.make("PATCH", &path, json!({key: {"enabled": true}})).await;
        }
        assert_eq!(service.auth(by_secret).await.status, 201);
        assert_eq!(service.auth(by_token(&agents, with_trust(&trust))).await.status, 201);
    })
    .await;
}
