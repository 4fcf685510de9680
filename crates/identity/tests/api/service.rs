//! A filled identity service on a database of its own, and ways to ask it.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use isospin_identity::bootstrap::{Administrator, BootstrapSpec, Bootstrapped, ServiceSpec, bootstrap};
use isospin_identity::{IdentityApp, IdentityConfig, MIGRATIONS, open, router};
use isospin_store_kit::{Store, StoreError, values};
use isospin_testkit::databases::{TestStore, on_each_engine};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

pub const ROOT: &str = "http://identity.test:5000";

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The message of a refusal.
    pub fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or("")
    }

    /// Values of one key of the objects in a list.
    pub fn all(&self, plural: &str, key: &str) -> Vec<String> {
        let items = self.body[plural].as_array().unwrap_or_else(|| panic!("a list: {self:?}"));
        items.iter().map(|item| item[key].as_str().expect("text").to_owned()).collect()
    }
}

pub struct Service {
    pub app: IdentityApp,
    pub router: Router,
    pub ids: Bootstrapped,
    /// A token of the administrator, scoped to the project admin.
    pub admin: String,
    pub keys: TempDir,
    pub database: TestStore,
}

pub fn config(keys: &TempDir) -> IdentityConfig {
    let mut config = IdentityConfig::new(ROOT, keys.path());
    config.passwords.rounds = 4;
    config.passwords.failures_per_minute = None;
    config
}

pub fn spec() -> BootstrapSpec {
    BootstrapSpec {
        admin: Administrator::usual("admin-secret"),
        demo_password: Some("demo-secret".to_owned()),
        reset_passwords: false,
        region: "RegionOne".to_owned(),
        services: ServiceSpec::both(ROOT, "http://network.test:9696"),
    }
}

impl Service {
    pub async fn start(database: TestStore, change: impl FnOnce(&mut IdentityConfig)) -> Self {
        let keys = tempfile::tempdir().expect("a folder");
        let mut config = config(&keys);
        change(&mut config);
        let app = open(config, database.store.clone()).await.expect("a service");
        let ids = bootstrap(&app, spec()).await.expect("a filled service");
        let mut service =
            Self { router: router(app.clone()), app, ids, admin: String::new(), keys, database };
        service.admin = service.login("admin", "admin-secret", project("admin")).await;
        service
    }

    /// Another server on the same database, with its own connection and the same keys.
    pub async fn beside(&self, change: impl FnOnce(&mut IdentityConfig)) -> (IdentityApp, Router) {
        let store = match self.database.engine {
            isospin_store_kit::Engine::Postgres => {
                Store::open(self.database.config(), &[MIGRATIONS]).await.expect("a store")
            }
            isospin_store_kit::Engine::Sqlite => self.database.store.clone(),
        };
        let mut config = config(&self.keys);
        change(&mut config);
        let app = open(config, store).await.expect("a service");
        (app.clone(), router(app))
    }

    pub async fn call(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Answer {
        ask(&self.router, method, path, &[("x-auth-token", token)], body).await
    }

    /// As the administrator.
    pub async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call(method, path, &self.admin, body).await
    }

    /// As the administrator, and it must work.
    pub async fn make(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { None } else { Some(body) };
        let answer = self.admin(method, path, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
        answer
    }

    /// Creates something; its id.
    pub async fn create(&self, path: &str, body: Value) -> String {
        let key = body.as_object().and_then(|body| body.keys().next()).expect("one key").clone();
        let answer = self.make("POST", path, body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body[key]["id"].as_str().expect("an id").to_owned()
    }

    pub async fn auth(&self, auth: Value) -> Answer {
        ask(&self.router, "POST", "/v3/auth/tokens", &[], Some(json!({"auth": auth}))).await
    }

    /// A token for a user of the default domain.
    pub async fn login(&self, name: &str, password: &str, scope: Value) -> String {
        let answer = self.auth(by_password(name, password, scope)).await;
        assert_eq!(answer.status, 201, "login of {name}: {answer:?}");
        answer.header("x-subject-token").to_owned()
    }

    /// A token of the demo user in the demo project.
    pub async fn demo(&self) -> String {
        self.login("demo", "demo-secret", project("demo")).await
    }

    /// What validating a token answers.
    pub async fn validate(&self, token: &str) -> Answer {
        let headers = [("x-auth-token", self.admin.as_str()), ("x-subject-token", token)];
        ask(&self.router, "GET", "/v3/auth/tokens", &headers, None).await
    }

    /// Changes rows behind the service's back.
    pub async fn sql(&self, sql: &str) {
        let sql = sql.to_owned();
        let work =
            self.app.store.write("", move |tx| Box::pin(async move { tx.execute(&sql, values![]).await }));
        let done: Result<u64, StoreError> = work.await;
        done.expect("rows");
    }

    /// The texts a query finds.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.app.store.reader().await.expect("a reader").rows(sql, values![]).await.expect("rows");
        rows.into_iter().map(|row| row.columns().text().expect("text")).collect()
    }

    /// Rows of a table.
    pub async fn count(&self, table: &str) -> usize {
        self.texts(&format!("SELECT 'one' FROM {table}")).await.len()
    }

    /// Id of a role by its name.
    pub async fn role(&self, name: &str) -> String {
        let answer = self.make("GET", &format!("/v3/roles?name={name}"), Value::Null).await;
        answer.all("roles", "id").first().expect("the role").clone()
    }
}

pub async fn ask(
    router: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", &ROOT["http://".len()..]);
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    let body = match body {
        Some(body) => Body::from(body.to_string()),
        None => Body::empty(),
    };
    let request = request.body(body).expect("a request");
    let answer = tokio::time::timeout(Duration::from_secs(60), router.clone().oneshot(request));
    let answer = answer.await.expect("an answer in time").expect("an answer");
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    let body = match serde_json::from_slice(&bytes) {
        Ok(body) => body,
        Err(_) if bytes.is_empty() => Value::Null,
        Err(error) => panic!("{method} {path}: not JSON ({error}): {bytes:?}"),
    };
    Answer { status: parts.status, headers: parts.headers, body }
}

pub fn project(name: &str) -> Value {
    json!({"project": {"name": name, "domain": {"id": "default"}}})
}

pub fn by_password(name: &str, password: &str, scope: Value) -> Value {
    let user = json!({"name": name, "domain": {"name": "Default"}, "password": password});
    json!({"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope})
}

pub fn by_token(token: &str, scope: Value) -> Value {
    json!({"identity": {"methods": ["token"], "token": {"id": token}}, "scope": scope})
}

/// Runs the test on both engines, each with a fresh service.
pub async fn on_each<F, Fut>(body: F)
where
    F: Fn(Service) -> Fut,
    Fut: Future<Output = ()>,
{
    on_each_with(|_| {}, body).await;
}

/// As [`on_each`], with other settings.
pub async fn on_each_with<F, Fut>(change: fn(&mut IdentityConfig), body: F)
where
    F: Fn(Service) -> Fut,
    Fut: Future<Output = ()>,
{
    on_each_engine(&[MIGRATIONS], |database| {
        let body = &body;
        async move { body(Service::start(database, change).await).await }
    })
    .await;
}
