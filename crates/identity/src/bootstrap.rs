//! What an empty identity service is filled with, so that somebody can log in.
//!
//! Can be run at every start, on every server: what is there stays, what is missing
//! is made, and endpoints get the URLs of now. Passwords of users that exist are left
//! alone unless a reset is asked for.

use std::collections::BTreeMap;

use isospin_store_kit::{Session, StoreError, Tx, values};
use serde_json::{Map, json};

use crate::IdentityApp;
use crate::fault::Fault;
use crate::passwords::{self, day};
use crate::resources::project::{self, Project};
use crate::resources::user::{NewPassword, store_password};
use crate::resources::{domain, json_text, new_id};
use crate::tokens::now;
use crate::tokens::scope::end_tokens;

/// What to fill in.
#[derive(Clone)]
pub struct BootstrapSpec {
    /// Who administers: `admin`.
    pub admin: Administrator,
    /// Of the user `demo`, a member of the project `demo`; `None` makes neither.
    pub demo_password: Option<String>,
    /// Give users that exist these passwords too, and enable them.
    pub reset_passwords: bool,
    /// Region of the endpoints: `RegionOne`.
    pub region: String,
    /// Services with the endpoints they have in the region.
    pub services: Vec<ServiceSpec>,
}

/// The first user, who may do everything.
#[derive(Clone)]
pub struct Administrator {
    pub name: String,
    pub password: String,
    /// Where the user has the role, beside the whole system.
    pub project: String,
    pub role: String,
}

impl Administrator {
    /// The user `admin` with the role `admin` in the project `admin`.
    #[must_use]
    pub fn usual(password: impl Into<String>) -> Self {
        let admin = || "admin".to_owned();
        Self { name: admin(), password: password.into(), project: admin(), role: admin() }
    }
}

/// A service and where it is reached.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    pub kind: &'static str,
    pub name: String,
    pub description: &'static str,
    /// Interface and URL.
    pub endpoints: Vec<(&'static str, String)>,
}

impl ServiceSpec {
    /// The identity service; the URLs end in `/v3`.
    #[must_use]
    pub fn identity(name: impl Into<String>, endpoints: Vec<(&'static str, String)>) -> Self {
        Self { kind: "identity", name: name.into(), description: "OpenStack Identity", endpoints }
    }

    /// Both services of Isospin, by their roots: `http://host:5000`, `http://host:9696`.
    #[must_use]
    pub fn both(identity_url: &str, network_url: &str) -> Vec<Self> {
        let everywhere = |url: String| INTERFACES.iter().map(|interface| (*interface, url.clone())).collect();
        let network = Self {
            kind: "network",
            name: "neutron".to_owned(),
            description: "OpenStack Networking",
            endpoints: everywhere(format!("{}/", network_url.trim_end_matches('/'))),
        };
        let identity_url = format!("{}/v3", identity_url.trim_end_matches('/'));
        vec![Self::identity("keystone", everywhere(identity_url)), network]
    }
}

/// Ids of what is there after a bootstrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrapped {
    pub admin_user_id: String,
    pub admin_project_id: String,
    pub service_project_id: String,
    /// `None` when no demo was asked for.
    pub demo_user_id: Option<String>,
    pub demo_project_id: Option<String>,
}

/// Why a service could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("a password cannot be hashed")]
    Password(#[from] bcrypt::BcryptError),
    #[error("identity cannot be filled")]
    Store(#[from] StoreError),
    #[error("identity cannot be filled: {0}")]
    Refused(String),
    #[error("a thread that hashes passwords ended early")]
    Thread(#[from] tokio::task::JoinError),
}

impl From<Fault> for BootstrapError {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault.message)
    }
}

/// A role and all it implies, as the first start sets them up: `manager` is also
/// `member` and `reader`. Roles made later imply what administrators say.
#[must_use]
pub fn with_implied(role: &str) -> Vec<String> {
    let mut roles = vec![role.to_lowercase()];
    while let Some((_, implied)) =
        IMPLIED.iter().find(|(prior, _)| roles.last().is_some_and(|last| last == prior))
    {
        roles.push((*implied).to_owned());
    }
    roles
}

/// Name of the user and the project people try things with.
const DEMO: &str = "demo";
const ROLES: &[&str] = &["admin", "manager", "member", "reader", "service"];
const IMPLIED: &[(&str, &str)] = &[("admin", "manager"), ("manager", "member"), ("member", "reader")];
const INTERFACES: &[&str] = &["public", "internal", "admin"];

/// Passwords by the users they are for.
type Passwords = BTreeMap<String, NewPassword>;

/// Fills the service. All or nothing, except for key files.
///
/// # Errors
/// The store fails, or a password is too long to be hashed.
pub async fn bootstrap(app: &IdentityApp, spec: BootstrapSpec) -> Result<Bootstrapped, BootstrapError> {
    let passwords = hash_missing(app, &spec).await?;
    Ok(app.write("bootstrap", move |tx| Box::pin(async move { fill(tx, &spec, &passwords).await })).await?)
}

/// Hashes the passwords that will be stored, all at the same time: each takes a
/// good part of the time a start may take. They need not be changed at the first use:
/// who sets up a service has chosen them.
async fn hash_missing(app: &IdentityApp, spec: &BootstrapSpec) -> Result<Passwords, BootstrapError> {
    let mut reader = app.store.reader().await?;
    let mut running = Vec::new();
    let admin = (spec.admin.name.as_str(), Some(&spec.admin.password));
    let wanted = [admin, (DEMO, spec.demo_password.as_ref())];
    for (name, password) in wanted {
        let Some(password) = password else { continue };
        if !spec.reset_passwords && user_id(&mut reader, name).await?.is_some() {
            continue;
        }
        let (password, rounds) = (password.clone(), app.config.passwords.rounds);
        running
            .push((name.to_owned(), tokio::task::spawn_blocking(move || passwords::hash(&password, rounds))));
    }
    let rules = &app.passwords.rules;
    let mut passwords = BTreeMap::new();
    for (name, task) in running {
        let (hash, expires_at) = (Some(task.await??), rules.expiry(false, now()));
        let new = NewPassword { hash, expires_at, self_service: false, remembered: rules.unique_count() };
        passwords.insert(name, new);
    }
    Ok(passwords)
}

async fn fill(tx: &mut Tx, spec: &BootstrapSpec, passwords: &Passwords) -> Result<Bootstrapped, Fault> {
    let admin = &spec.admin;
    default_domain(tx).await?;
    roles(tx).await?;
    role(tx, &admin.role).await?;
    let admin_project_id =
        project_named(tx, &admin.project, "Bootstrap project for initializing the cloud.").await?;
    let service_project_id = project_named(tx, "service", "Keystone Service Project").await?;
    let admin_user_id = user(tx, &admin.name, passwords).await?;
    assign(tx, &admin_user_id, ("project", &admin_project_id), &admin.role).await?;
    assign(tx, &admin_user_id, ("system", ""), &admin.role).await?;
    let (mut demo_user_id, mut demo_project_id) = (None, None);
    if spec.demo_password.is_some() {
        let project = project_named(tx, DEMO, "").await?;
        let demo = user(tx, DEMO, passwords).await?;
        assign(tx, &demo, ("project", &project), "member").await?;
        // The administrator sees the demo project as one of theirs, as DevStack has it.
        assign(tx, &admin_user_id, ("project", &project), &admin.role).await?;
        (demo_user_id, demo_project_id) = (Some(demo), Some(project));
    }
    region(tx, &spec.region).await?;
    for spec_of_service in &spec.services {
        let id = service(tx, spec_of_service).await?;
        endpoints(tx, &id, &spec.region, &spec_of_service.endpoints).await?;
    }
    Ok(Bootstrapped { admin_user_id, admin_project_id, service_project_id, demo_user_id, demo_project_id })
}

async fn default_domain(tx: &mut Tx) -> Result<(), Fault> {
    if project::find_any(tx, domain::DEFAULT).await?.is_some() {
        return Ok(());
    }
    let blank = Project::new("", "Default", "The default domain");
    let default = Project { id: domain::DEFAULT.to_owned(), is_domain: true, parent_id: None, ..blank };
    project::insert(tx, &default).await
}

async fn roles(tx: &mut Tx) -> Result<(), StoreError> {
    for name in ROLES {
        role(tx, name).await?;
    }
    for (prior, implied) in IMPLIED {
        let sql = "INSERT INTO implied_roles (prior_id, implied_id) SELECT p.id, i.id FROM roles p, roles i \
                   WHERE p.domain_id = '' AND p.name = $1 AND i.domain_id = '' AND i.name = $2 \
                   ON CONFLICT DO NOTHING";
        tx.execute(sql, values![*prior, *implied]).await?;
    }
    Ok(())
}

/// A role that holds everywhere and that nobody changes by accident.
async fn role(tx: &mut Tx, name: &str) -> Result<(), StoreError> {
    let options = json_text(&Map::from_iter([("immutable".to_owned(), json!(true))]));
    let sql = "INSERT INTO roles (id, domain_id, name, description, options, extra) \
               VALUES ($1, '', $2, NULL, $3, '{}') ON CONFLICT DO NOTHING";
    tx.execute(sql, values![new_id(), name, &options]).await?;
    Ok(())
}

async fn project_named(tx: &mut Tx, name: &str, description: &str) -> Result<String, Fault> {
    let sql = "SELECT id FROM projects WHERE domain_id = $1 AND name = $2";
    if let Some(row) = tx.row(sql, values![domain::DEFAULT, name]).await? {
        return Ok(row.columns().text()?);
    }
    let project = Project::new(domain::DEFAULT, name, description);
    project::insert(tx, &project).await?;
    Ok(project.id)
}

async fn user_id(session: &mut Session, name: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT id FROM users WHERE domain_id = $1 AND name = $2";
    session.row(sql, values![domain::DEFAULT, name]).await?.map(|row| row.columns().text()).transpose()
}

async fn user(tx: &mut Tx, name: &str, passwords: &Passwords) -> Result<String, Fault> {
    let password = passwords.get(name);
    let id = match user_id(tx, name).await? {
        Some(id) if password.is_none() => return Ok(id),
        Some(id) => {
            let ends = end_tokens("$1");
            let sql = format!("UPDATE users SET enabled = true, last_active_day = $2, {ends} WHERE id = $3");
            tx.execute(&sql, values![now(), day(now()), &id]).await?;
            id
        }
        None => {
            let id = new_id();
            let sql = "INSERT INTO users (id, domain_id, name, description, default_project_id, enabled, options, \
                       extra, tokens_after, failures, failed_at, last_active_day) \
                       VALUES ($1, $2, $3, NULL, NULL, true, '{}', '{}', 0, 0, 0, $4)";
            tx.execute(sql, values![&id, domain::DEFAULT, name, day(now())]).await?;
            id
        }
    };
    if let Some(password) = password {
        store_password(tx, &id, password).await?;
    }
    Ok(id)
}

async fn assign(tx: &mut Tx, user: &str, scope: (&str, &str), role: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO assignments (actor_kind, actor_id, scope_kind, scope_id, role_id, inherited) \
               SELECT 'user', $1, $2, $3, id, false FROM roles WHERE domain_id = '' AND name = $4 \
               ON CONFLICT DO NOTHING";
    tx.execute(sql, values![user, scope.0, scope.1, role]).await?;
    Ok(())
}

async fn region(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO regions (id, description, parent_region_id, extra) VALUES ($1, '', NULL, '{}') \
               ON CONFLICT DO NOTHING";
    tx.execute(sql, values![id]).await?;
    Ok(())
}

async fn service(tx: &mut Tx, wanted: &ServiceSpec) -> Result<String, StoreError> {
    let sql = "SELECT id FROM services WHERE type = $1 AND name = $2 ORDER BY id";
    if let Some(row) = tx.row(sql, values![wanted.kind, &wanted.name]).await? {
        return row.columns().text();
    }
    let id = new_id();
    let sql = "INSERT INTO services (id, type, name, description, enabled, extra) \
               VALUES ($1, $2, $3, $4, true, '{}')";
    tx.execute(sql, values![&id, wanted.kind, &wanted.name, wanted.description]).await?;
    Ok(id)
}

/// The endpoints of a service in the region, with these URLs.
async fn endpoints(
    tx: &mut Tx,
    service: &str,
    region: &str,
    wanted: &[(&'static str, String)],
) -> Result<(), StoreError> {
    for (interface, url) in wanted {
        let sql = "UPDATE endpoints SET url = $1 WHERE service_id = $2 AND interface = $3 AND region_id = $4";
        if tx.execute(sql, values![url, service, *interface, region]).await? > 0 {
            continue;
        }
        let sql = "INSERT INTO endpoints (id, service_id, interface, region_id, url, enabled, extra) \
                   VALUES ($1, $2, $3, $4, $5, true, '{}')";
        tx.execute(sql, values![new_id(), service, *interface, region, url]).await?;
    }
    Ok(())
}
