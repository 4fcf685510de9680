//! Two domains with everything in them, and a token for each persona.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use isospin_identity::MIGRATIONS;
use isospin_identity::routes::{Route, Verb};
use isospin_testkit::databases::TestStore;
use serde_json::{Value, json};

use super::place::{Persona, Place};
use crate::service::{Answer, Service, ask};

/// A user, and tokens: as the persona, and in the own project.
#[derive(Debug, Clone)]
struct Person {
    id: String,
    token: String,
    /// Scoped to the project, to make what only the user can make.
    in_project: String,
}

/// A domain and what stands ready in it.
#[derive(Debug, Clone)]
struct Home {
    domain: String,
    project: String,
    group: String,
    /// Somebody who is no persona.
    neighbour: Person,
}

pub struct World {
    service: Service,
    next: AtomicU32,
    ours: Home,
    theirs: Home,
    people: BTreeMap<Persona, Person>,
    roles: BTreeMap<String, String>,
    service_id: String,
    endpoint_id: String,
}

/// Whether a route names an object, or makes one that belongs to somebody.
pub fn is_about_something(route: &Route) -> bool {
    const ABOUT: &[&str] = &[
        "/v3/projects",
        "/v3/users",
        "/v3/groups",
        "/v3/OS-TRUST/trusts",
        "/v3/credentials",
        "/v3/auth/tokens",
    ];
    let token = route.path == "/v3/auth/tokens";
    route.path.contains('{') || token || (route.verb == Verb::Post && ABOUT.contains(&route.path.as_str()))
}

impl World {
    pub async fn new() -> Self {
        let database = TestStore::sqlite(&[MIGRATIONS]).await.expect("a database");
        let service = Service::start(database, |_| {}).await;
        let mut roles = BTreeMap::new();
        for name in ["admin", "manager", "member", "reader", "service"] {
            roles.insert(name.to_owned(), service.role(name).await);
        }
        let service_id = service.create("/v3/services", json!({"service": {"type": "t"}})).await;
        let endpoint = json!({"service_id": service_id, "interface": "public", "url": "http://h", "region_id": "RegionOne"});
        let endpoint_id = service.create("/v3/endpoints", json!({"endpoint": endpoint})).await;
        let registered = json!({"registered_limits": [{"service_id": service_id, "resource_name": "used", "default_limit": 5}]});
        service.make("POST", "/v3/registered_limits", registered).await;
        let mut homes = Vec::new();
        for name in ["ours", "theirs"] {
            let domain = service.create("/v3/domains", json!({"domain": {"name": name}})).await;
            let project = json!({"project": {"name": name, "domain_id": domain}});
            let project = service.create("/v3/projects", project).await;
            let group =
                service.create("/v3/groups", json!({"group": {"name": name, "domain_id": domain}})).await;
            let mut home = Home {
                domain,
                project,
                group,
                neighbour: Person { id: String::new(), token: String::new(), in_project: String::new() },
            };
            home.neighbour = person(&service, &roles, &home, "neighbour", None).await;
            homes.push(home);
        }
        let (theirs, ours) = (homes.pop().expect("a home"), homes.pop().expect("a home"));
        let mut people = BTreeMap::new();
        for persona in Persona::ALL.iter().filter(|persona| persona.role().is_some()) {
            let made = person(&service, &roles, &ours, &persona.name(), persona.role()).await;
            people.insert(*persona, made);
        }
        let admin = Person {
            id: service.ids.admin_user_id.clone(),
            token: service.admin.clone(),
            in_project: service.admin.clone(),
        };
        people.insert(Persona::Admin, admin);
        Self { service, next: AtomicU32::new(1), ours, theirs, people, roles, service_id, endpoint_id }
    }

    fn home(&self, place: Place) -> &Home {
        if place == Place::Foreign { &self.theirs } else { &self.ours }
    }

    /// Whose things are asked about.
    fn owner(&self, persona: Persona, place: Place) -> &Person {
        match self.people.get(&persona) {
            Some(person) if place == Place::Own => person,
            _ => &self.home(place).neighbour,
        }
    }

    fn name(&self) -> String {
        format!("n{}", self.next.fetch_add(1, Ordering::Relaxed))
    }

    async fn create(&self, path: &str, body: Value) -> String {
        self.service.create(path, body).await
    }

    /// As somebody else than the administrator.
    async fn create_as(&self, person: &Person, path: &str, body: Value) -> String {
        let key = body.as_object().and_then(|body| body.keys().next()).expect("one key").clone();
        let answer = self.service.call("POST", path, &person.in_project, Some(body)).await;
        assert_eq!(answer.status, 201, "POST {path}: {answer:?}");
        answer.body[key]["id"].as_str().expect("an id").to_owned()
    }

    /// Asks; `None` where the question makes no sense.
    pub async fn ask(&self, route: &Route, persona: Persona, place: Place) -> Option<Answer> {
        // Would end the persona.
        let suicide = route.verb == Verb::Delete
            && place == Place::Own
            && matches!(route.path.as_str(), "/v3/users/{id}" | "/v3/users/{id}/tokens");
        if suicide || (persona == Persona::Nobody && place != Place::Own) {
            return None;
        }
        let path = self.fill(route, persona, place).await;
        let token = self.people.get(&persona).map_or("", |person| person.token.as_str());
        let subject = match (route.path.as_str(), route.verb) {
            ("/v3/auth/tokens", Verb::Delete) => self.fresh_token(persona, place).await,
            ("/v3/auth/tokens", _) => self.owner(persona, place).in_project.clone(),
            _ => String::new(),
        };
        let body = self.body(route, persona, place);
        let headers = [("x-auth-token", token), ("x-subject-token", subject.as_str())];
        Some(ask(&self.service.router, route.verb.as_str(), &path, &headers, Some(body)).await)
    }

    async fn fresh_token(&self, persona: Persona, place: Place) -> String {
        let owner = self.owner(persona, place);
        let auth = json!({"identity": {"methods": ["token"], "token": {"id": owner.in_project}}});
        let answer = self.service.auth(auth).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.header("x-subject-token").to_owned()
    }

    fn body(&self, route: &Route, persona: Persona, place: Place) -> Value {
        let (home, owner) = (self.home(place), self.owner(persona, place));
        let named = json!({"name": self.name(), "domain_id": home.domain});
        match route.path.as_str() {
            "/v3/projects" => json!({"project": named}),
            "/v3/users" => json!({"user": named}),
            "/v3/groups" => json!({"group": named}),
            "/v3/credentials" => json!({"credential": {"blob": "b", "type": "cert", "user_id": owner.id}}),
            "/v3/OS-TRUST/trusts" => json!({"trust": {"trustor_user_id": owner.id,
                "trustee_user_id": self.theirs.neighbour.id, "impersonation": false}}),
            "/v3/users/{user_id}/credentials/OS-EC2" => json!({"tenant_id": home.project}),
            path if path.ends_with("/tags") => json!({"tags": ["x"]}),
            _ => json!({}),
        }
    }

    /// The path with objects in it; fresh ones where the last is to be deleted.
    async fn fill(&self, route: &Route, persona: Persona, place: Place) -> String {
        let (home, owner) = (self.home(place), self.owner(persona, place));
        let mut path = String::new();
        let segments: Vec<&str> = route.path.split('/').skip(1).collect();
        for (index, segment) in segments.iter().enumerate() {
            path.push('/');
            if !segment.starts_with('{') {
                path.push_str(segment);
                continue;
            }
            let last = index + 1 == segments.len();
            let fresh = last && route.verb == Verb::Delete;
            let kind = segments[index - 1];
            let id = match (kind, fresh) {
                ("domains", false) => home.domain.clone(),
                ("projects", false) => home.project.clone(),
                ("projects", true) if index == 2 => self.fresh("project", home).await,
                ("projects", true) => home.project.clone(),
                ("users", true) if index == 2 => self.fresh("user", home).await,
                ("users", _) if place != Place::Own && route.path.ends_with("/tokens") => {
                    self.fresh("user", home).await
                }
                ("users", _) => owner.id.clone(),
                ("groups", true) if index == 2 => self.fresh("group", home).await,
                ("groups", _) => home.group.clone(),
                ("roles" | "implies", _) => self.roles["reader"].clone(),
                // Others are asked about these again.
                ("services" | "endpoints", true) if index == 2 => "nothing".to_owned(),
                ("services", _) => self.service_id.clone(),
                ("endpoints", _) => self.endpoint_id.clone(),
                ("regions", _) => "RegionOne".to_owned(),
                ("application_credentials", _) => self.application_credential(owner).await,
                ("trusts", _) => self.trust(owner).await,
                ("credentials", _) => {
                    let body = json!({"blob": "b", "type": "cert", "user_id": owner.id});
                    self.create("/v3/credentials", json!({"credential": body})).await
                }
                ("OS-EC2", _) => self.ec2(owner, home).await,
                ("limits", _) => self.limit(home).await,
                _ => "nothing".to_owned(),
            };
            path.push_str(&id);
        }
        path
    }

    async fn fresh(&self, kind: &str, home: &Home) -> String {
        let body = json!({"name": self.name(), "domain_id": home.domain});
        self.create(&format!("/v3/{kind}s"), json!({ kind: body })).await
    }

    async fn application_credential(&self, owner: &Person) -> String {
        let path = format!("/v3/users/{}/application_credentials", owner.id);
        let body = json!({"application_credential": {"name": self.name()}});
        self.create_as(owner, &path, body).await
    }

    async fn trust(&self, owner: &Person) -> String {
        let body = json!({"trustor_user_id": owner.id, "trustee_user_id": self.ours.neighbour.id,
            "impersonation": false});
        self.create_as(owner, "/v3/OS-TRUST/trusts", json!({"trust": body})).await
    }

    async fn ec2(&self, owner: &Person, home: &Home) -> String {
        let path = format!("/v3/users/{}/credentials/OS-EC2", owner.id);
        let made = self.service.make("POST", &path, json!({"tenant_id": home.project})).await;
        made.body["credential"]["access"].as_str().expect("a key").to_owned()
    }

    async fn limit(&self, home: &Home) -> String {
        let resource = self.name();
        let registered =
            json!({"service_id": self.service_id, "resource_name": resource, "default_limit": 5});
        self.service.make("POST", "/v3/registered_limits", json!({"registered_limits": [registered]})).await;
        let limit = json!({"service_id": self.service_id, "resource_name": resource, "resource_limit": 5,
            "project_id": home.project});
        let made = self.service.make("POST", "/v3/limits", json!({"limits": [limit]})).await;
        made.body["limits"][0]["id"].as_str().expect("an id").to_owned()
    }
}

/// A user of the home with a role there, and with a token for its project.
async fn person(
    service: &Service,
    roles: &BTreeMap<String, String>,
    home: &Home,
    name: &str,
    role: Option<(&str, &str)>,
) -> Person {
    let body = json!({"user": {"name": name, "domain_id": home.domain, "password": "p"}});
    let id = service.create("/v3/users", body).await;
    let project_role = match role {
        Some(("project", role)) => role,
        _ => "member",
    };
    let grant = format!("/v3/projects/{}/users/{id}/roles/{}", home.project, roles[project_role]);
    service.make("PUT", &grant, Value::Null).await;
    let in_project = login(service, &id, json!({"project": {"id": home.project}})).await;
    let Some((kind, role)) = role.filter(|(kind, _)| *kind != "project") else {
        return Person { id, token: in_project.clone(), in_project };
    };
    let (path, scope) = match kind {
        "domain" => (format!("domains/{}", home.domain), json!({"domain": {"id": home.domain}})),
        "system" => ("system".to_owned(), json!({"system": {"all": true}})),
        _ => {
            let project = &service.ids.service_project_id;
            (format!("projects/{project}"), json!({"project": {"id": project}}))
        }
    };
    service.make("PUT", &format!("/v3/{path}/users/{id}/roles/{}", roles[role]), Value::Null).await;
    let token = login(service, &id, scope).await;
    Person { id, token, in_project }
}

async fn login(service: &Service, user: &str, scope: Value) -> String {
    let identity = json!({"methods": ["password"], "password": {"user": {"id": user, "password": "p"}}});
    let answer = service.auth(json!({"identity": identity, "scope": scope})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.header("x-subject-token").to_owned()
}
