//! Random requests: whatever is asked of whatever route, by whomever, the service does not
//! fail, and what it refuses it refuses in the form of all refusals. More of them:
//! `ISOSPIN_RANDOM_REQUESTS=100000 cargo nextest run -p isospin-identity random`; the same ones
//! again: `ISOSPIN_RANDOM_SEED`, which a failure tells.

mod bodies;
mod source;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use isospin_identity::bootstrap::{BootstrapSpec, bootstrap};
use isospin_identity::route_table;
use isospin_identity::routes::{Route, Verb};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::service::{ROOT, Service, on_each, project, spec};
use source::Source;

/// On each engine.
const REQUESTS: usize = 1500;
/// The administrator may have been deleted by then.
const RENEWED_EVERY: usize = 100;

struct Sent {
    method: String,
    uri: String,
    token: String,
    body: Vec<u8>,
}

/// What is wrong with an answer.
fn wrong(sent: &Sent, status: u16, body: &[u8]) -> Option<String> {
    if status >= 500 {
        return Some("it failed".to_owned());
    }
    if status < 400 || sent.method == "HEAD" {
        return None;
    }
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    if status == 401 && document.get("receipt").is_some() {
        return None;
    }
    let error = &document["error"];
    let text = |key: &str| error[key].as_str().is_some_and(|text| !text.is_empty());
    let formed = error["code"] == status && text("message") && text("title");
    (!formed).then(|| "the refusal is not in the form of all refusals".to_owned())
}

async fn send(service: &Service, sent: &Sent) -> (u16, Vec<u8>) {
    let request = Request::builder()
        .method(sent.method.as_str())
        .uri(&sent.uri)
        .header("host", &ROOT["http://".len()..])
        .header("x-auth-token", &sent.token)
        .header("x-subject-token", &service.admin)
        .body(Body::from(sent.body.clone()))
        .expect("a request");
    let answer = service.router.clone().oneshot(request).await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.into_body().collect().await.expect("a body").to_bytes().to_vec())
}

/// Ids of what there is, for later requests.
fn learn(ids: &mut Vec<String>, source: &mut Source, body: &[u8]) {
    fn find(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    match value.as_str() {
                        Some(text) if key.ends_with("id") || key == "access" => found.push(text.to_owned()),
                        _ => find(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| find(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    find(&serde_json::from_slice(body).unwrap_or_default(), &mut found);
    for id in found.into_iter().take(20) {
        if ids.len() < 200 {
            ids.push(id);
        } else {
            let place = source.below(ids.len());
            ids[place] = id;
        }
    }
}

fn request(source: &mut Source, routes: &[Route], ids: &[String], tokens: &[String]) -> Sent {
    let route = &routes[source.below(routes.len())];
    let method = match (source.below(20), route.verb) {
        (0, _) => {
            (*source.one_of(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])).to_owned()
        }
        (1..6, Verb::Get) => "HEAD".to_owned(),
        (_, verb) => verb.to_string(),
    };
    let path = route.path.split('/').map(|segment| match segment.starts_with('{') {
        true => source.segment(ids),
        false => segment.to_owned(),
    });
    let mut uri = path.collect::<Vec<_>>().join("/");
    if source.below(3) == 0 {
        uri = format!("{uri}?{}", source.query(ids));
    }
    let body = match method.as_str() {
        "POST" | "PUT" | "PATCH" => source.body(&bodies::of(route, source.clone(), ids)),
        _ => Vec::new(),
    };
    // Mostly the administrator's: others do not get far.
    let token = if source.below(5) == 0 { source.one_of(tokens) } else { &tokens[0] };
    Sent { method, uri, token: token.clone(), body }
}

/// Makes the administrator's token good again, whatever has happened.
async fn renew(service: &mut Service) -> Vec<String> {
    service.sql("UPDATE projects SET enabled = true WHERE id = 'default' OR name IN ('admin', 'demo')").await;
    service.sql("UPDATE projects SET name = 'Default' WHERE id = 'default'").await;
    service.sql("UPDATE users SET options = '{}', enabled = true WHERE name IN ('admin', 'demo')").await;
    bootstrap(&service.app, BootstrapSpec { reset_passwords: true, ..spec() })
        .await
        .expect("an administrator");
    service.admin = service.login("admin", "admin-secret", project("admin")).await;
    vec![service.admin.clone(), service.demo().await, String::new(), "gAAAA".to_owned()]
}

#[tokio::test]
async fn random_requests_are_answered_or_refused_but_never_fail() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<usize>().expect("a number"));
    let requests = number("ISOSPIN_RANDOM_REQUESTS").unwrap_or(REQUESTS);
    let seed = number("ISOSPIN_RANDOM_SEED").unwrap_or_else(Source::fresh_seed);
    on_each(|mut service| async move {
        let mut source = Source::new(seed);
        let routes = route_table();
        let mut ids = vec!["default".to_owned(), "RegionOne".to_owned()];
        let (mut tokens, mut wrongs) = (Vec::new(), Vec::new());
        let (mut accepted, mut refused) = (0, 0);
        for count in 0..requests {
            if count % RENEWED_EVERY == 0 {
                tokens = renew(&mut service).await;
            }
            let sent = request(&mut source, &routes, &ids, &tokens);
            let (status, body) = send(&service, &sent).await;
            if let Some(reason) = wrong(&sent, status, &body) {
                wrongs.push(format!(
                    "{} {}: {reason}: {status} {}\n    after {}",
                    sent.method,
                    sent.uri,
                    String::from_utf8_lossy(&body),
                    String::from_utf8_lossy(&sent.body[..sent.body.len().min(300)])
                ));
            }
            if status < 400 {
                accepted += 1;
                learn(&mut ids, &mut source, &body);
            } else {
                refused += 1;
            }
        }
        println!("seed {seed}: {accepted} accepted, {refused} refused");
        assert!(wrongs.is_empty(), "seed {seed}: {} are wrong:\n{}", wrongs.len(), wrongs.join("\n"));
        assert!(accepted * 25 > requests, "only {accepted} of {requests} requests got anywhere");
    })
    .await;
}
