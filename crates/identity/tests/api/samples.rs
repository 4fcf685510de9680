//! Answers have the form of those recorded from Keystone: the same keys in the same
//! places, the same kinds of values, the same headers. `samples/` holds the records.

use serde_json::{Value, json};

use crate::service::{Answer, Service, ask, by_password, on_each, project};

/// Objects as their keys, lists as the set of forms in them, texts as "text".
fn form(value: &Value) -> Value {
    match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), form(value))).collect(),
        Value::Array(items) => {
            let mut forms: Vec<Value> = Vec::new();
            for item in items.iter().map(form) {
                if !forms.contains(&item) {
                    forms.push(item);
                }
            }
            Value::Array(forms)
        }
        Value::String(_) => json!("text"),
        Value::Bool(_) => json!("flag"),
        other => other.clone(),
    }
}

fn sample(name: &str) -> Value {
    let path = format!("{}/tests/samples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).expect(&path)).expect("JSON")
}

fn compare(name: &str, answer: &Answer) {
    let sample = sample(name);
    assert_eq!(json!(answer.status.as_u16()), sample["status"], "{name}: {answer:?}");
    assert_eq!(form(&answer.body), form(&sample["body"]), "{name}: {}", answer.body);
    for (header, value) in sample["headers"].as_object().expect("headers") {
        let given = answer.header(header);
        assert!(!given.is_empty(), "{name}: no {header}");
        if header == "Vary" || header == "Content-Type" {
            assert_eq!(given, value.as_str().expect("text"), "{name}: {header}");
        }
    }
}

#[tokio::test]
async fn lists_and_versions_have_the_recorded_form() {
    on_each(|service| async move {
        for (name, path) in [
            ("version-root", "/"),
            ("v3", "/v3"),
            ("v3", "/v3/"),
            ("list-domains", "/v3/domains"),
            ("list-projects", "/v3/projects"),
            ("list-users", "/v3/users"),
            ("list-roles", "/v3/roles"),
            ("list-regions", "/v3/regions"),
            ("list-endpoints", "/v3/endpoints"),
            ("list-role_inferences", "/v3/role_inferences"),
            ("list-auth-projects", "/v3/auth/projects"),
            ("list-auth-catalog", "/v3/auth/catalog"),
        ] {
            compare(name, &service.admin("GET", path, None).await);
        }
        let root = service.admin("GET", "/", None).await;
        assert_eq!(root.header("location"), format!("{}/v3/", crate::service::ROOT));
        let domains = service.admin("GET", "/v3/domains", None).await;
        let sample = sample("list-domains");
        for key in ["id", "name", "description", "enabled", "tags", "options"] {
            assert_eq!(domains.body["domains"][0][key], sample["body"]["domains"][0][key], "{key}");
        }
    })
    .await;
}

#[tokio::test]
async fn role_assignments_have_the_recorded_form() {
    on_each(|service| async move {
        // The record has user grants on projects and the system, as the bootstrap makes.
        let answer = service.admin("GET", "/v3/role_assignments", None).await;
        let known = form(&sample("list-role_assignments")["body"]["role_assignments"]);
        let known = known.as_array().expect("a list");
        let ours = form(&answer.body["role_assignments"]);
        let ours = ours.as_array().expect("a list");
        assert_eq!(ours.len(), 2, "projects and system: {ours:?}");
        for form in ours {
            assert!(known.contains(form), "{form}");
        }
    })
    .await;
}

#[tokio::test]
async fn tokens_have_the_recorded_form() {
    on_each(|service| async move {
        let issued = service.auth(by_password("demo", "demo-secret", project("demo"))).await;
        compare("token-issue-password", &issued);
        let token = issued.header("x-subject-token").to_owned();
        assert!(token.len() < 256 && token.starts_with("gAAAAA"), "{token}");
        let checked = service.validate(&token).await;
        compare("token-validate", &checked);
        assert_eq!(checked.body, issued.body);
        let order =
            |value: &Value| value["token"].as_object().expect("a token").keys().cloned().collect::<Vec<_>>();
        assert_eq!(order(&checked.body), order(&sample("token-validate")["body"]));
    })
    .await;
}

#[tokio::test]
async fn refusals_have_the_recorded_words() {
    on_each(|service| async move {
        let demo = service.demo().await;
        let missing = "/v3/projects/00000000000000000000000000000000";
        let cases = [
            ("error-400", service.admin("POST", "/v3/projects", Some(json!({"project": {}}))).await),
            ("error-401", service.call("GET", "/v3/projects", "", None).await),
            ("error-401", service.call("GET", "/v3/projects", "gAAAAAnonsense", None).await),
            ("error-403", service.call("GET", "/v3/users", &demo, None).await),
            ("error-404-project", service.admin("GET", missing, None).await),
        ];
        for (name, answer) in &cases {
            compare(name, answer);
            assert_eq!(answer.body, sample(name)["body"], "{name}");
        }
        let body = json!({"project": {"name": "demo"}});
        let conflict = service.admin("POST", "/v3/projects", Some(body)).await;
        compare("error-409", &conflict);
        let words = sample("error-409")["body"]["error"]["message"].as_str().expect("text").to_owned();
        let (start, _) = words.split_once("project id").expect("the words");
        assert!(conflict.message().starts_with(start), "{}", conflict.message());
        assert_eq!(cases[1].1.header("www-authenticate"), "Keystone uri=\"http://identity.test:5000/v3\"");
    })
    .await;
}

#[tokio::test]
async fn refusals_of_the_framework_have_the_same_form() {
    on_each(|service: Service| async move {
        let long = format!("/v3/users?name={}", "x".repeat(9000));
        let large = json!({"project": {"name": "x", "description": "y".repeat(120_000)}});
        let cases = [
            (service.admin("GET", "/nowhere", None).await, 404),
            (service.admin("GET", "/v3/nowhere", None).await, 404),
            (service.admin("PUT", "/v3/users", None).await, 405),
            (service.admin("GET", "/v3/users/%FF", None).await, 400),
            (service.admin("GET", &long, None).await, 414),
            (service.admin("POST", "/v3/projects", Some(large)).await, 413),
        ];
        for (answer, status) in cases {
            assert_eq!(answer.status, status, "{answer:?}");
            assert_eq!(answer.body["error"]["code"], status, "{answer:?}");
            assert!(answer.body["error"]["title"].is_string() && !answer.message().is_empty());
            assert!(answer.header("x-openstack-request-id").starts_with("req-"));
        }
        let services = service.admin("GET", "/v3/services", None).await;
        assert_eq!(services.all("services", "type").len(), 2);
        let broken = ask(&service.router, "GET", "/v3/users", &[("x-auth-token", "\u{e4}")], None).await;
        assert_eq!(broken.status, 401);
    })
    .await;
}
