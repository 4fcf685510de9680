//! What API tests stand on: the whole router over a database of its own, asked
//! without sockets, by callers known by name.
//!
//! Tokens: "admin", "member", "reader", "manager" (of [`PROJECT`], the admin of
//! [`ADMIN_PROJECT`]), "other" (member of [`OTHER_PROJECT`]), "service".

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use futures::future::BoxFuture;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use isospin_api_kit::Caller;
use isospin_api_kit::auth::{AuthError, Authenticator};
use isospin_api_kit::policy::Overrides;
use isospin_store_kit::{Engine, Store, StoreConfig, Tx, Work, values};
use isospin_testkit::databases::TestStore;
use isospin_types::AgentId;
use serde_json::Value;
use tower::ServiceExt;

use crate::{App, MIGRATIONS, Settings, resources, router};

pub const ADMIN_PROJECT: &str = "a0000000000000000000000000000000";
pub const PROJECT: &str = "b0000000000000000000000000000000";
pub const OTHER_PROJECT: &str = "c0000000000000000000000000000000";
pub const SERVICE_PROJECT: &str = "d0000000000000000000000000000000";
/// An identifier nothing has.
pub const NOWHERE: &str = "00000000-0000-0000-0000-000000000000";

/// A running Network API. Dropping it removes its database.
pub struct TestApi {
    pub app: App,
    router: Router,
    database: TestStore,
}

impl TestApi {
    /// With default settings.
    pub async fn new(engine: Engine) -> Self {
        Self::with_settings(engine, Settings::default()).await
    }

    /// With the given settings.
    pub async fn with_settings(engine: Engine, settings: Settings) -> Self {
        let database = match engine {
            Engine::Sqlite => TestStore::sqlite(&[MIGRATIONS]).await,
            Engine::Postgres => TestStore::postgres(&[MIGRATIONS]).await,
        }
        .expect("a database");
        Self::over(database, settings).await
    }

    /// Over a database made by the test.
    pub async fn over(database: TestStore, settings: Settings) -> Self {
        let app = App::new(database.store.clone(), settings).expect("a policy that compiles");
        Self::of(app, database).await
    }

    /// Under a policy file of this text.
    pub async fn under_policy(text: &str) -> Self {
        let database = TestStore::sqlite(&[MIGRATIONS]).await.expect("a database");
        let overrides = Overrides::parse("policy.yaml", text).expect("a policy file");
        let policy = resources::policy(Some(overrides)).expect("a policy");
        let app = App::with_policy(database.store.clone(), Settings::default(), policy).expect("an app");
        Self::of(app, database).await
    }

    async fn of(app: App, database: TestStore) -> Self {
        app.prepare().await.expect("a prepared database");
        let router = router(app.clone(), Arc::new(TestTokens));
        Self { app, router, database }
    }

    /// How to open the same database again, as a second server does.
    pub fn config(&self) -> StoreConfig {
        self.database.config()
    }

    /// Runs the test body on both engines.
    pub async fn on_each_engine<F, Fut>(mut body: F)
    where
        F: FnMut(Self) -> Fut,
        Fut: Future<Output = ()>,
    {
        for engine in [Engine::Sqlite, Engine::Postgres] {
            body(Self::new(engine).await).await;
        }
    }

    /// The store behind the API.
    pub fn store(&self) -> &Store {
        &self.app.store
    }

    /// Runs statements in a unit of work, for facts no request can bring about.
    pub async fn write<F>(&self, work: F)
    where
        F: for<'t> FnOnce(&'t mut Tx) -> Work<'t, (), isospin_api_kit::Fault> + Send + 'static,
    {
        self.app.store.write("test", work).await.expect("a unit of work");
    }

    /// Registers an agent that is alive, as its first report would.
    pub async fn agent(&self, agent_type: &'static str, host: &'static str, zone: &'static str) {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string();
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute(
                    "INSERT INTO agents (id, agent_type, \"binary\", topic, host, admin_state_up, description, \
                     availability_zone, configurations, mechanism, tunnel_ip, created_at, started_at, \
                     heartbeat_timestamp) \
                     VALUES ($1, $2, 'isospin', 'N/A', $3, TRUE, '', $4, '{}', '', '', $5, $6, $7)",
                    values![AgentId::random(), agent_type, host, zone, &now, &now, &now],
                )
                .await?;
                Ok(())
            })
        })
        .await;
    }

    /// Asks; `body` null sends none. Status, headers and JSON body (null when empty).
    pub async fn request(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> (u16, HeaderMap, Value) {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send(token, method, path, &[], bytes).await
    }

    /// As [`TestApi::request`], with further headers and any bytes as body.
    pub async fn send(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> (u16, HeaderMap, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "api.test:9696")
            .header("x-auth-token", token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let json = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        let json = if bytes.is_empty() { Value::Null } else { json };
        (parts.status.as_u16(), parts.headers, json)
    }

    /// Asks and expects this status; the body.
    #[track_caller]
    pub fn expect<'a>(
        &'a self,
        status: u16,
        token: &'a str,
        method: &'a str,
        path: &'a str,
        body: Value,
    ) -> BoxFuture<'a, Value> {
        let caller = std::panic::Location::caller();
        Box::pin(async move {
            let (found, _, json) = self.request(token, method, path, body).await;
            assert_eq!(found, status, "{method} {path} as {token} at {caller}: {json}");
            json
        })
    }

    /// POSTs `{"<key>": object}`, expects 201; the created object.
    #[track_caller]
    pub fn create<'a>(
        &'a self,
        token: &'a str,
        path: &'a str,
        key: &'a str,
        object: Value,
    ) -> BoxFuture<'a, Value> {
        let answer = self.expect(201, token, "POST", path, serde_json::json!({ key: object }));
        Box::pin(async move { answer.await[key].take() })
    }

    /// Asks and expects a refusal; `NeutronError.type` and `.message`.
    #[track_caller]
    pub fn refused<'a>(
        &'a self,
        status: u16,
        token: &'a str,
        method: &'a str,
        path: &'a str,
        body: Value,
    ) -> BoxFuture<'a, (String, String)> {
        let answer = self.expect(status, token, method, path, body);
        Box::pin(async move {
            let json = answer.await;
            let text = |key: &str| json["NeutronError"][key].as_str().expect("a fault").to_owned();
            (text("type"), text("message"))
        })
    }
}

/// Knows the tokens of the tests.
struct TestTokens;

impl Authenticator for TestTokens {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Arc<Caller>, AuthError>> {
        Box::pin(async move { caller(token).map(Arc::new).ok_or(AuthError::Invalid) })
    }

    fn identity_url(&self) -> &str {
        "http://identity.test:5000"
    }
}

/// The caller a test token speaks for.
pub fn caller(token: &str) -> Option<Caller> {
    let (project, roles): (&str, &[&str]) = match token {
        "admin" => (ADMIN_PROJECT, &["admin", "manager", "member", "reader"]),
        "manager" => (PROJECT, &["manager", "member", "reader"]),
        "member" => (PROJECT, &["member", "reader"]),
        "reader" => (PROJECT, &["reader"]),
        "other" => (OTHER_PROJECT, &["member", "reader"]),
        "service" => (SERVICE_PROJECT, &["service"]),
        _ => return None,
    };
    Some(Caller {
        user_id: format!("user-{token}"),
        user_name: token.to_owned(),
        user_domain_id: "default".to_owned(),
        project_id: project.to_owned(),
        project_name: project.to_owned(),
        project_domain_id: "default".to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..Caller::default()
    })
}
