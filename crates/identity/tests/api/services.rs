//! What services keep here: limits, policies, which endpoints a project sees, EC2 keys.

use serde_json::{Value, json};

use crate::service::{Service, by_token, on_each, on_each_with, project};

#[tokio::test]
async fn limits_override_what_is_registered() {
    on_each(|service| async move {
        let of = service.create("/v3/services", json!({"service": {"type": "t"}})).await;
        let registered = |more: Value| {
            let mut limit = json!({"service_id": of, "resource_name": "ports", "default_limit": 10});
            for (key, value) in more.as_object().expect("an object") {
                limit[key] = value.clone();
            }
            Some(json!({"registered_limits": [limit]}))
        };
        let path = "/v3/registered_limits";
        let made = service.admin("POST", path, registered(json!({}))).await;
        assert_eq!((made.status.as_u16(), &made.body["links"]), (201, &Value::Null), "{made:?}");
        let id = made.all("registered_limits", "id")[0].clone();
        assert_eq!(service.admin("POST", path, registered(json!({}))).await.status, 409);
        for more in [json!({"service_id": "x"}), json!({"region_id": "x"}), json!({"default_limit": -2})] {
            assert_eq!(service.admin("POST", path, registered(more.clone())).await.status, 400, "{more}");
        }
        let demo = service.ids.demo_project_id.clone().expect("a project");
        let limit = |more: Value| {
            let mut limit =
                json!({"service_id": of, "resource_name": "ports", "resource_limit": 5, "project_id": demo});
            for (key, value) in more.as_object().expect("an object") {
                limit[key] = value.clone();
            }
            Some(json!({"limits": [limit]}))
        };
        for (more, status) in [
            (json!({"resource_name": "other"}), 403),
            (json!({"project_id": "x"}), 400),
            (json!({"domain_id": "default"}), 400),
            (json!({"project_id": null}), 400),
        ] {
            assert_eq!(
                service.admin("POST", "/v3/limits", limit(more.clone())).await.status,
                status,
                "{more}"
            );
        }
        let made = service.admin("POST", "/v3/limits", limit(json!({}))).await;
        assert_eq!(made.status, 201, "{made:?}");
        let own = made.all("limits", "id")[0].clone();
        assert_eq!(service.admin("POST", "/v3/limits", limit(json!({}))).await.status, 409);
        let token = service.demo().await;
        assert_eq!(service.call("GET", "/v3/limits", &token, None).await.all("limits", "id"), [own.as_str()]);
        let elsewhere = service.login("admin", "admin-secret", project("admin")).await;
        assert_eq!(
            service.call("GET", "/v3/limits?resource_name=x", &elsewhere, None).await.body["limits"],
            json!([])
        );
        let one = format!("{path}/{id}");
        let change = json!({"registered_limit": {"default_limit": 11}});
        assert_eq!(service.admin("PATCH", &one, Some(change.clone())).await.status, 403, "in use");
        assert_eq!(service.admin("DELETE", &one, None).await.status, 403, "in use");
        let changed = json!({"limit": {"resource_limit": 6}});
        let changed = service.make("PATCH", &format!("/v3/limits/{own}"), changed).await;
        assert_eq!(changed.body["limit"]["resource_limit"], 6);
        service.make("DELETE", &format!("/v3/limits/{own}"), Value::Null).await;
        assert_eq!(service.make("PATCH", &one, change).await.body["registered_limit"]["default_limit"], 11);
        service.make("DELETE", &one, Value::Null).await;
        let model = service.make("GET", "/v3/limits/model", Value::Null).await;
        assert_eq!(model.body["model"]["name"], "flat");
    })
    .await;
}

#[tokio::test]
async fn a_project_has_no_more_than_its_domain() {
    let strict = |config: &mut isospin_identity::IdentityConfig| {
        config.limit_model = isospin_identity::config::LimitModel::StrictTwoLevel;
    };
    on_each_with(strict, |service| async move {
        let of = service.create("/v3/services", json!({"service": {"type": "t"}})).await;
        let registered = json!({"service_id": of, "resource_name": "ports", "default_limit": 10});
        service.make("POST", "/v3/registered_limits", json!({"registered_limits": [registered]})).await;
        let demo = service.ids.demo_project_id.clone().expect("a project");
        let limit = |owner: &str, id: &str, number: i64| {
            json!({"service_id": of, "resource_name": "ports", "resource_limit": number, owner: id})
        };
        let post = |limits: Vec<Value>| {
            let service = &service;
            async move { service.admin("POST", "/v3/limits", Some(json!({"limits": limits}))).await.status.as_u16() }
        };
        assert_eq!(post(vec![limit("project_id", &demo, 11)]).await, 403, "more than is registered");
        assert_eq!(post(vec![limit("project_id", &demo, 20), limit("domain_id", "default", 15)]).await, 403);
        assert_eq!(post(vec![limit("project_id", &demo, 15), limit("domain_id", "default", 15)]).await, 201);
        let all = service.make("GET", "/v3/limits?domain_id=default", Value::Null).await;
        let of_domain = all.all("limits", "id")[0].clone();
        let less = Some(json!({"limit": {"resource_limit": 14}}));
        assert_eq!(service.admin("PATCH", &format!("/v3/limits/{of_domain}"), less).await.status, 403);
    })
    .await;
}

/// Interfaces of the endpoints in the catalog of the demo project.
async fn seen(service: &Service) -> Vec<String> {
    let token = service.demo().await;
    let catalog = service.call("GET", "/v3/auth/catalog", &token, None).await;
    let services = catalog.body["catalog"].as_array().expect("a catalog");
    let mut urls: Vec<String> = services
        .iter()
        .flat_map(|service| service["endpoints"].as_array().expect("endpoints").iter())
        .map(|endpoint| endpoint["interface"].as_str().expect("text").to_owned())
        .collect();
    urls.sort_unstable();
    urls
}

#[tokio::test]
async fn a_project_sees_the_endpoints_it_was_given() {
    on_each(|service| async move {
        assert_eq!(seen(&service).await.len(), 6, "all, as long as nothing was given");
        let demo = service.ids.demo_project_id.clone().expect("a project");
        let of = service.make("GET", "/v3/services?type=network", Value::Null).await.all("services", "id")[0]
            .clone();
        let filters = json!({"interface": "public"});
        let group = json!({"endpoint_group": {"name": "g", "filters": filters}});
        let group = service.create("/v3/OS-EP-FILTER/endpoint_groups", group).await;
        let bad = json!({"endpoint_group": {"name": "g", "filters": {"url": "x"}}});
        assert_eq!(service.admin("POST", "/v3/OS-EP-FILTER/endpoint_groups", Some(bad)).await.status, 400);
        let path = format!("/v3/OS-EP-FILTER/endpoint_groups/{group}");
        service.make("PUT", &format!("{path}/projects/{demo}"), Value::Null).await;
        assert_eq!(seen(&service).await, ["public", "public"]);
        let internal = service
            .make("GET", &format!("/v3/endpoints?service_id={of}&interface=internal"), Value::Null)
            .await;
        let internal = internal.all("endpoints", "id")[0].clone();
        let one = format!("/v3/OS-EP-FILTER/projects/{demo}/endpoints/{internal}");
        assert_eq!(service.admin("HEAD", &one, None).await.status, 404);
        service.make("PUT", &one, Value::Null).await;
        assert_eq!(service.admin("HEAD", &one, None).await.status, 204);
        assert_eq!(seen(&service).await, ["internal", "public", "public"]);
        let list = format!("/v3/OS-EP-FILTER/projects/{demo}/endpoints");
        assert_eq!(service.make("GET", &list, Value::Null).await.all("endpoints", "id").len(), 3);
        let of_group = service.make("GET", &format!("{path}/endpoints"), Value::Null).await;
        assert_eq!(of_group.all("endpoints", "interface"), ["public", "public"]);
        assert_eq!(
            service.make("GET", &format!("{path}/projects"), Value::Null).await.all("projects", "name"),
            ["demo"]
        );
        service.make("DELETE", &one, Value::Null).await;
        service.make("DELETE", &path, Value::Null).await;
        assert_eq!(seen(&service).await.len(), 6);
    })
    .await;
}

#[tokio::test]
async fn the_closest_policy_is_that_of_an_endpoint() {
    on_each(|service| async move {
        let make = |kind: &str| {
            let body = json!({"policy": {"blob": "{}", "type": kind, "odd": 1}});
            let service = &service;
            async move { service.create("/v3/policies", body).await }
        };
        let (wide, narrow) = (make("a").await, make("b").await);
        assert_eq!(
            service.make("GET", &format!("/v3/policies/{wide}"), Value::Null).await.body["policy"]["odd"],
            1
        );
        let endpoints = service.make("GET", "/v3/endpoints?interface=public", Value::Null).await;
        let endpoint = endpoints.body["endpoints"][0].clone();
        let (id, of) =
            (endpoint["id"].as_str().expect("an id"), endpoint["service_id"].as_str().expect("an id"));
        let found = format!("/v3/endpoints/{id}/OS-ENDPOINT-POLICY/policy");
        assert_eq!(service.admin("GET", &found, None).await.status, 404);
        service
            .make("PUT", &format!("/v3/policies/{wide}/OS-ENDPOINT-POLICY/services/{of}"), Value::Null)
            .await;
        assert_eq!(service.make("GET", &found, Value::Null).await.body["policy"]["id"], json!(wide));
        let close = format!("/v3/policies/{narrow}/OS-ENDPOINT-POLICY/services/{of}/regions/RegionOne");
        service.make("PUT", &close, Value::Null).await;
        assert_eq!(service.make("GET", &found, Value::Null).await.body["policy"]["id"], json!(narrow));
        let all = format!("/v3/policies/{narrow}/OS-ENDPOINT-POLICY/endpoints");
        assert_eq!(service.make("GET", &all, Value::Null).await.all("endpoints", "id").len(), 3);
        service.make("DELETE", &close, Value::Null).await;
        assert_eq!(service.admin("HEAD", &close, None).await.status, 404);
        service.make("DELETE", &format!("/v3/policies/{wide}"), Value::Null).await;
        assert_eq!(service.admin("GET", &found, None).await.status, 404);
    })
    .await;
}

/// K09: the owner of a credential stays, and others see nothing of it.
#[tokio::test]
async fn k09_credentials_are_their_owners() {
    on_each(|service| async move {
        let demo = service.demo().await;
        let user = service.ids.demo_user_id.clone().expect("a user");
        let body = json!({"credential": {"blob": "seed", "type": "totp", "user_id": user}});
        let made = service.call("POST", "/v3/credentials", &demo, Some(body)).await;
        assert_eq!(made.status, 201, "{made:?}");
        let path = format!("/v3/credentials/{}", made.body["credential"]["id"].as_str().expect("an id"));
        let theirs =
            json!({"credential": {"blob": "b", "type": "cert", "user_id": service.ids.admin_user_id}});
        assert_eq!(service.call("POST", "/v3/credentials", &demo, Some(theirs.clone())).await.status, 403);
        let hidden = service.create("/v3/credentials", theirs).await;
        assert_eq!(
            service.call("GET", "/v3/credentials", &demo, None).await.all("credentials", "type"),
            ["totp"]
        );
        assert_eq!(service.call("GET", &format!("/v3/credentials/{hidden}"), &demo, None).await.status, 403);
        let take = Some(json!({"credential": {"user_id": service.ids.admin_user_id}}));
        assert_eq!(service.call("PATCH", &path, &demo, take).await.status, 400);
        let other = Some(json!({"credential": {"blob": "other"}}));
        assert_eq!(service.call("PATCH", &path, &demo, other).await.body["credential"]["blob"], "other");
        // What is secret lies sealed.
        let mut reader = service.app.store.reader().await.expect("a reader");
        let rows = reader.rows("SELECT sealed_blob FROM credentials", Vec::new()).await.expect("rows");
        for row in rows {
            let sealed = row.columns().text().expect("a text");
            assert!(sealed.starts_with("gAAAA") && !sealed.contains("other"), "{sealed}");
        }
    })
    .await;
}

/// The body of `POST /v3/ec2tokens` for a request signed with this key now, by version 2.
fn signed(access: &str, secret: &str, time: &str) -> Value {
    use base64::Engine as _;
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let query = format!(
        "AWSAccessKeyId={access}&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp={}",
        time.replace(':', "%3A")
    );
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(format!("GET\nhost\n/\n{query}").as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    json!({"credentials": {"access": access, "host": "host:8773", "verb": "GET", "path": "/", "headers": {},
        "body_hash": "", "signature": signature, "params": {"AWSAccessKeyId": access, "Timestamp": time,
        "SignatureMethod": "HmacSHA256", "SignatureVersion": "2"}}})
}

/// K11: services only, in time, once; K03: nobody who is disabled; K04, K15: the token
/// gets no further credentials.
#[tokio::test]
async fn k11_a_signature_is_taken_once_and_from_services_only() {
    on_each(|service| async move {
        let demo = service.demo().await;
        let (user, project_id) = (
            service.ids.demo_user_id.clone().expect("a user"),
            service.ids.demo_project_id.clone().expect("a project"),
        );
        let path = format!("/v3/users/{user}/credentials/OS-EC2");
        let made = service.call("POST", &path, &demo, Some(json!({"tenant_id": project_id}))).await;
        assert_eq!(made.status, 201, "{made:?}");
        let text = |key: &str| made.body["credential"][key].as_str().expect("text").to_owned();
        let (access, secret) = (text("access"), text("secret"));
        let now = jiff::Timestamp::now();
        let at = |seconds: i64| {
            let time = jiff::Timestamp::from_second(now.as_second() + seconds).expect("a time");
            time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
        };
        let ask = |token: String, body: Value| {
            let service = &service;
            async move { service.call("POST", "/v3/ec2tokens", &token, Some(body)).await }
        };
        let body = signed(&access, &secret, &at(0));
        assert_eq!(ask(String::new(), body.clone()).await.status, 401, "no service");
        assert_eq!(ask(demo.clone(), body.clone()).await.status, 403, "no service");
        let given = ask(service.admin.clone(), body.clone()).await;
        assert_eq!(given.status, 200, "{given:?}");
        assert_eq!(given.body["token"]["user"]["id"], json!(user));
        assert_eq!(given.body["token"]["project"]["id"], json!(project_id));
        assert_eq!(ask(service.admin.clone(), body).await.status, 401, "a second time");
        for (access, secret, time, status) in [
            (access.as_str(), "wrong", at(1), 401),
            ("unknown", secret.as_str(), at(1), 404),
            (access.as_str(), secret.as_str(), at(-1000), 401),
            (access.as_str(), secret.as_str(), at(1000), 401),
            (access.as_str(), secret.as_str(), "soon".to_owned(), 401),
        ] {
            let answer = ask(service.admin.clone(), signed(access, secret, &time)).await;
            assert_eq!(answer.status, status, "{time}: {answer:?}");
        }
        let token = given.header("x-subject-token").to_owned();
        assert_eq!(service.call("GET", &path, &token, None).await.status, 403, "no further keys");
        let rescoped = service.auth(by_token(&token, project("demo"))).await;
        let rescoped = rescoped.header("x-subject-token").to_owned();
        assert_eq!(
            service.call("GET", &path, &rescoped, None).await.status,
            403,
            "nor by way of another token"
        );
        service.make("PATCH", &format!("/v3/users/{user}"), json!({"user": {"enabled": false}})).await;
        assert_eq!(ask(service.admin.clone(), signed(&access, &secret, &at(2))).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn what_ended_tokens_is_listed() {
    on_each(|service| async move {
        let user = service.ids.demo_user_id.clone().expect("a user");
        let demo = service.demo().await;
        assert_eq!(service.call("GET", "/v3/OS-REVOKE/events", &demo, None).await.status, 403);
        assert_eq!(
            service.call("DELETE", &format!("/v3/users/{user}/tokens"), &demo, None).await.status,
            204
        );
        assert_eq!(service.validate(&demo).await.status, 404);
        let events = service.make("GET", "/v3/OS-REVOKE/events", Value::Null).await;
        assert_eq!(events.all("events", "user_id"), [user.as_str()]);
        assert_eq!(service.admin("GET", "/v3/OS-REVOKE/events?since=x", None).await.status, 400);
    })
    .await;
}
