//! A cloud of its own for each resource: the API over SQLite, two projects, and
//! networks of each kind a child may lie on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Body;
use futures::future::BoxFuture;
use http::Request;
use http_body_util::BodyExt as _;
use isospin_api_kit::auth::{AuthError, Authenticator};
use isospin_api_kit::{Caller, now_seconds};
use isospin_network::routes::Verb;
use isospin_network::{App, MIGRATIONS, Settings, router};
use isospin_store_kit::{StoreError, values};
use isospin_testkit::databases::TestStore;
use isospin_types::AgentId;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::place::{ADMIN_PROJECT, OTHER, OURS, Parent, Persona, SERVICE_PROJECT};

/// The API, and what stands ready in it.
pub struct World {
    pub app: App,
    router: Router,
    _database: TestStore,
    next: AtomicU32,
    networks: BTreeMap<Parent, Network>,
    parents: Mutex<BTreeMap<(&'static str, Parent, Which), String>>,
}

/// Of two parents of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    First,
    Second,
}

/// A network with its subnet.
pub struct Network {
    pub id: String,
    pub subnet_id: String,
    /// `10.9.` of `10.9.0.0/16`
    pub prefix: String,
}

impl World {
    pub async fn new() -> Self {
        let database = TestStore::sqlite(&[MIGRATIONS]).await.expect("a database");
        let app = App::new(database.store.clone(), Settings::default()).expect("an app");
        app.prepare().await.expect("a prepared database");
        let router = router(app.clone(), Arc::new(Tokens));
        let mut world = Self {
            app,
            router,
            _database: database,
            next: AtomicU32::new(1),
            networks: BTreeMap::new(),
            parents: Mutex::default(),
        };
        for project in [OURS, OTHER, ADMIN_PROJECT, SERVICE_PROJECT] {
            world.lift_limits(project).await;
        }
        for parent in Parent::NETWORKS {
            let network = world.make_network(*parent).await;
            world.networks.insert(*parent, network);
        }
        world
    }

    /// A new host whose agent is alive and can wire any network; its name.
    pub async fn host(&self) -> String {
        let host = format!("host-{}", self.number());
        let name = host.clone();
        let write = self.app.store.write("test", move |tx| {
            Box::pin(async move {
                let now = now_seconds().replace('T', " ").replace('Z', "");
                tx.execute(
                    "INSERT INTO agents (id, agent_type, \"binary\", topic, host, admin_state_up, description, \
                     availability_zone, configurations, mechanism, tunnel_ip, created_at, started_at, \
                     heartbeat_timestamp) VALUES ($1, 'Linux bridge agent', 'isospin', 'N/A', $2, TRUE, NULL, \
                     'nova', '{}', 'linuxbridge', '', $3, $4, $5)",
                    values![AgentId::random(), &name, &now, &now, &now],
                )
                .await?;
                Ok::<_, StoreError>(())
            })
        });
        write.await.expect("an agent");
        host
    }

    async fn lift_limits(&self, project: &str) {
        let path = format!("/v2.0/quotas/{project}");
        let (_, now) = self.ask(Persona::Admin, Verb::Get, &path, &Value::Null).await;
        let limits = now["quota"].as_object().expect("limits").keys().map(|key| (key.clone(), json!(-1)));
        let body = json!({"quota": limits.collect::<serde_json::Map<_, _>>()});
        let (status, answer) = self.ask(Persona::Admin, Verb::Put, &path, &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn make_network(&self, parent: Parent) -> Network {
        let body = json!({"project_id": parent.owner(), "shared": parent == Parent::Shared,
            "router:external": parent == Parent::External});
        let network = self.make("/v2.0/networks", "network", body).await;
        let id = text(&network["id"]);
        let prefix = format!("10.{}.", self.number());
        let body = json!({"network_id": id, "ip_version": 4, "cidr": format!("{prefix}0.0/16"),
            "project_id": parent.owner()});
        let subnet = self.make("/v2.0/subnets", "subnet", body).await;
        Network { id, subnet_id: text(&subnet["id"]), prefix }
    }

    /// The network that stands ready.
    pub fn network(&self, parent: Parent) -> &Network {
        &self.networks[&parent]
    }

    /// The id of what children of a kind lie under; made when first asked for.
    pub async fn parent(
        &self,
        kind: &'static str,
        parent: Parent,
        which: Which,
        make: impl Future<Output = String>,
    ) -> String {
        let known = self.parents.lock().get(&(kind, parent, which)).cloned();
        if let Some(id) = known {
            return id;
        }
        let id = make.await;
        self.parents.lock().insert((kind, parent, which), id.clone());
        id
    }

    /// What [`World::parent`] has made already.
    pub fn kept(&self, kind: &'static str, parent: Parent) -> String {
        let kept = self.parents.lock().get(&(kind, parent, Which::First)).cloned();
        kept.unwrap_or_else(|| panic!("no {kind} was made for {parent:?}"))
    }

    /// A number not given out before.
    pub fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes an object as administrator.
    pub async fn make(&self, path: &str, key: &str, object: Value) -> Value {
        let body = json!({ key: object });
        let (status, mut answer) = self.ask(Persona::Admin, Verb::Post, path, &body).await;
        assert_eq!(status, 201, "POST {path} {body}: {answer}");
        answer[key].take()
    }

    /// Changes an object as administrator.
    pub async fn put(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(Persona::Admin, Verb::Put, path, &body).await;
        assert_eq!(status, 200, "PUT {path} {body}: {answer}");
        answer
    }

    /// Asks; a null body sends none. Status and JSON body.
    pub async fn ask(&self, persona: Persona, verb: Verb, path: &str, body: &Value) -> (u16, Value) {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder()
            .method(verb.as_str())
            .uri(path)
            .header("host", "api.test:9696")
            .header("x-auth-token", persona.token())
            .body(Body::from(bytes))
            .expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        (parts.status.as_u16(), serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

/// A text, "" for anything else.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Knows the tokens of the personas.
struct Tokens;

impl Authenticator for Tokens {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Arc<Caller>, AuthError>> {
        Box::pin(async move {
            let persona = Persona::ALL.iter().find(|persona| persona.token() == token);
            let persona = persona.filter(|persona| **persona != Persona::Nobody).ok_or(AuthError::Invalid)?;
            Ok(Arc::new(Caller {
                user_id: format!("user-{token}"),
                user_name: token.to_owned(),
                project_id: persona.project().to_owned(),
                roles: persona.roles().iter().map(|role| (*role).to_owned()).collect(),
                ..Caller::default()
            }))
        })
    }

    fn identity_url(&self) -> &str {
        "http://identity.test:5000"
    }
}
