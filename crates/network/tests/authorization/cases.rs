//! The cases of one resource: each of its routes and attributes, asked by everybody
//! about every place.

mod repeats;

use isospin_api_kit::attribute::{Filter, ResourceType, Show};
use isospin_network::routes::{Route, Shape, Verb};
use serde_json::{Map, Value, json};

use crate::fixtures::{Fixture, Object};
use crate::grants::{Doing, holds};
use crate::place::{Parent, Persona, Place};
use crate::reference::Row;
use crate::values::value;
use crate::world::{Which, World, text};

/// What came of the cases.
#[derive(Debug, Default)]
pub struct Tally {
    pub cases: usize,
    pub wrong: Vec<String>,
}

/// What a request should lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Not refused for who asks; what the request says may still be wrong.
    Allowed,
    /// 403: seen, but not allowed.
    Forbidden,
    /// 404: not there for this persona.
    Hidden,
    /// 403 or 404.
    Refused,
}

/// What a create names of others, which is refused in words of its own.
#[derive(Debug, Clone, Copy)]
struct Excuses {
    /// 400: another project as owner.
    owner: bool,
    /// 404: something hidden to lie on.
    parent: bool,
}

const NO_EXCUSES: Excuses = Excuses { owner: false, parent: false };

/// All cases of a resource.
pub struct Cases<'r> {
    world: World,
    row: &'r Row,
    fixture: &'r Fixture,
    resource: ResourceType,
    collection: String,
    tally: Tally,
}

impl<'r> Cases<'r> {
    /// Over a cloud of their own. `collection` is the URL of the resource's list.
    pub async fn new(row: &'r Row, fixture: &'r Fixture, resource: ResourceType, collection: String) -> Self {
        Self { world: World::new().await, row, fixture, resource, collection, tally: Tally::default() }
    }

    /// Runs every case of these routes.
    pub async fn run(mut self, routes: &[Route]) -> Tally {
        for place in self.fixture.places {
            for route in routes {
                match self.kind(route) {
                    Kind::Tags => self.tags(route, place).await,
                    Kind::Action(cell) => self.action(route, place, cell).await,
                    Kind::Standard => self.standard(route, place).await,
                }
                if route.path.contains("/{id}") {
                    self.wrong_parents(route, place).await;
                }
            }
        }
        self.tally
    }

    fn kind(&self, route: &Route) -> Kind {
        let action = route.action().unwrap_or_default();
        if action.ends_with(":tags") {
            return Kind::Tags;
        }
        match self.row.actions.iter().find(|(name, _)| *name == action) {
            Some((_, cell)) => Kind::Action(cell),
            None => Kind::Standard,
        }
    }

    async fn standard(&mut self, route: &Route, place: &Place) {
        match route.shape {
            Shape::List => self.list(route, place).await,
            Shape::Show => self.show(route, place).await,
            Shape::Create => self.create(route, place).await,
            Shape::Update => self.update(route, place).await,
            Shape::Delete => self.delete(route, place).await,
            Shape::Other => self.action(route, place, self.usual_cell(route)).await,
        }
    }

    /// The cell of what a rule's first word says: another way to do the same.
    fn usual_cell(&self, route: &Route) -> &'static str {
        match route.action().and_then(|action| action.split_once('_')) {
            Some(("get", _)) => self.row.get,
            Some(("create", _)) => self.row.create,
            Some(("update", _)) => self.row.update,
            Some(("delete", _)) => self.row.delete,
            _ => "-",
        }
    }

    async fn list(&mut self, route: &Route, place: &Place) {
        let object = self.object(place).await;
        let filters = self.resource.attribute(self.fixture.key).is_some_and(|key| key.filter != Filter::No);
        let path = self.url(route, &object);
        let path = if filters { format!("{path}?{}={}", self.fixture.key, object.id) } else { path };
        let cell = if self.row.list.is_empty() { self.row.get } else { self.row.list };
        for persona in Persona::ALL {
            let (status, answer) = self.world.ask(*persona, Verb::Get, &path, &Value::Null).await;
            let items = answer[self.resource.collection].as_array();
            let found =
                items.is_some_and(|items| items.iter().any(|item| item[self.fixture.key] == object.id));
            let right = match (*persona, holds(cell, Doing::Reading, *persona, place)) {
                (Persona::Nobody, _) => status == 401,
                (_, true) => status == 200 && found,
                // 404: what it lies under is hidden.
                (_, false) => matches!(status, 200 | 403 | 404) && !found,
            };
            self.note(right, route, *persona, place, "", status, &answer);
        }
    }

    async fn show(&mut self, route: &Route, place: &Place) {
        let object = self.object(place).await;
        let path = self.url(route, &object);
        for persona in Persona::ALL {
            let (status, answer) = self.world.ask(*persona, Verb::Get, &path, &Value::Null).await;
            let expected = self.expected(*persona, place, self.reads(*persona, place));
            self.judge(route, *persona, place, "", expected, NO_EXCUSES, status, &answer);
            if status == 200 {
                self.shown(route, *persona, place, &answer);
            }
        }
    }

    /// Attributes with a rule of their own are shown to those it names only.
    fn shown(&mut self, route: &Route, persona: Persona, place: &Place, answer: &Value) {
        for attribute in self.row.attributes.iter().filter(|attribute| !attribute.name.contains('.')) {
            let known = self.resource.attribute(attribute.name);
            if known.is_none_or(|known| known.show == Show::Never) {
                continue;
            }
            let wanted = attribute.get.is_empty() || holds(attribute.get, Doing::Reading, persona, place);
            let there = answer[self.resource.name].get(attribute.name).is_some();
            self.note(wanted == there, route, persona, place, attribute.name, 200, answer);
        }
    }

    async fn create(&mut self, route: &Route, place: &Place) {
        for persona in Persona::ALL {
            self.create_with(route, *persona, place, "").await;
            for name in self.attributes(|attribute| attribute.post) {
                self.create_with(route, *persona, place, &name).await;
            }
        }
    }

    async fn create_with(&mut self, route: &Route, persona: Persona, place: &Place, name: &str) {
        let mut body = self.body(place).await;
        // What the smallest body names already is asked with that.
        if !name.is_empty() && !body.contains_key(name) {
            let (key, value) = self.value(name, place);
            body.insert(key, value);
        }
        let names_other = body.contains_key("project_id")
            && place.owner != persona.project()
            && !persona.may_name_projects();
        let cells = [self.row.create, self.cell(name, |attribute| attribute.create)];
        let allowed = !names_other && cells.iter().all(|cell| self.grants(cell, persona, place));
        let expected = if allowed { Expected::Allowed } else { Expected::Forbidden };
        let excuses = Excuses {
            owner: names_other,
            parent: place.parent.owner() != "" && !self.sees_parent(persona, place),
        };
        let path = self.parameters(&self.collection, &self.parent(place).await);
        let body = json!({ self.resource.name: body });
        let (status, answer) = self.world.ask(persona, Verb::Post, &path, &body).await;
        self.judge(route, persona, place, name, expected, excuses, status, &answer);
    }

    async fn update(&mut self, route: &Route, place: &Place) {
        let mut object = self.object(place).await;
        for persona in Persona::ALL {
            for name in self.attributes(|attribute| attribute.put) {
                let (key, value) = self.value(&name, place);
                let cells = [self.row.update, self.cell(&name, |attribute| attribute.update)];
                let allowed = cells.iter().all(|cell| self.grants(cell, *persona, place));
                let expected = self.expected(*persona, place, allowed);
                let path = self.url(route, &object);
                let body = json!({ self.resource.name: { key: value } });
                let (status, answer) = self.world.ask(*persona, Verb::Put, &path, &body).await;
                self.judge(route, *persona, place, &name, expected, NO_EXCUSES, status, &answer);
                if status < 300 {
                    object = self.object(place).await;
                }
            }
        }
    }

    async fn delete(&mut self, route: &Route, place: &Place) {
        let mut object = self.object(place).await;
        for persona in Persona::ALL {
            let allowed = self.grants(self.row.delete, *persona, place);
            let expected = self.expected(*persona, place, allowed);
            let path = self.url(route, &object);
            let (status, answer) = self.world.ask(*persona, Verb::Delete, &path, &Value::Null).await;
            self.judge(route, *persona, place, "", expected, NO_EXCUSES, status, &answer);
            if status < 300 {
                object = self.object(place).await;
            }
        }
    }

    async fn action(&mut self, route: &Route, place: &Place, cell: &str) {
        let mut object = self.object(place).await;
        for persona in Persona::ALL {
            let expected = self.expected(*persona, place, self.grants(cell, *persona, place));
            let path = self.url(route, &object);
            let body = match route.verb {
                Verb::Get | Verb::Delete => Value::Null,
                Verb::Post | Verb::Put | Verb::Patch => {
                    (self.fixture.action)(&self.world, &object, route.action().unwrap_or_default())
                }
            };
            let (status, answer) = self.world.ask(*persona, route.verb, &path, &body).await;
            self.judge(route, *persona, place, "", expected, NO_EXCUSES, status, &answer);
            if status < 300 && route.verb != Verb::Get {
                object = self.object(place).await;
            }
        }
    }

    /// Tags belong to whom the resource belongs to (N24): reading them is reading it,
    /// anything else is changing it.
    async fn tags(&mut self, route: &Route, place: &Place) {
        let object = self.object(place).await;
        let path = self.url(route, &object);
        let before = path.split("/tags").next().unwrap_or_default();
        let all = format!("{before}/tags");
        let body = match route.verb {
            Verb::Put | Verb::Post if !route.path.ends_with("{tag}") => json!({"tags": ["blue"]}),
            _ => Value::Null,
        };
        for persona in Persona::ALL {
            self.world.put(&all, json!({"tags": ["blue"]})).await;
            let allowed = match route.verb {
                Verb::Get => self.reads(*persona, place),
                _ => self.grants(self.row.update, *persona, place),
            };
            let expected = self.expected(*persona, place, allowed);
            let (status, answer) = self.world.ask(*persona, route.verb, &path, &body).await;
            self.judge(route, *persona, place, "", expected, NO_EXCUSES, status, &answer);
        }
    }

    /// N26: an object is found under its own parent only, whoever asks.
    async fn wrong_parents(&mut self, route: &Route, place: &Place) {
        let Some(parent) = self.fixture.parent else { return };
        let object = self.object(place).await;
        let stranger = if place.parent == Parent::Ours { Parent::Foreign } else { Parent::Ours };
        for (owner, which) in [(place.parent, Which::Second), (stranger, Which::First)] {
            let wrong = parent(&self.world, owner, which).await;
            let path = self.url(route, &Object { id: object.id.clone(), parameters: vec![wrong] });
            let body = match route.verb {
                Verb::Put => self.change(place),
                _ => Value::Null,
            };
            for persona in Persona::ALL {
                let (status, answer) = self.world.ask(*persona, route.verb, &path, &body).await;
                // Who may not do it under that parent may hear so before the child is looked for.
                let looks = route.verb == Verb::Get || *persona == Persona::Admin;
                let expected = if looks { Expected::Hidden } else { Expected::Refused };
                let what = "under another parent";
                self.judge(route, *persona, place, what, expected, NO_EXCUSES, status, &answer);
            }
        }
    }

    /// A body that changes something, if anything can be changed.
    fn change(&self, place: &Place) -> Value {
        let Some(name) = self.attributes(|attribute| attribute.put).into_iter().next() else {
            return Value::Null;
        };
        let (key, value) = self.value(&name, place);
        json!({ self.resource.name: { key: value } })
    }

    /// The parameters of URLs of objects of a place.
    async fn parent(&self, place: &Place) -> Vec<(&'static str, String)> {
        match self.fixture.parent {
            None => Vec::new(),
            Some(parent) => vec![parent(&self.world, place.parent, Which::First).await],
        }
    }

    fn reads(&self, persona: Persona, place: &Place) -> bool {
        holds(self.row.get, Doing::Reading, persona, place)
    }

    fn grants(&self, cell: &str, persona: Persona, place: &Place) -> bool {
        holds(cell, Doing::Writing, persona, place)
    }

    fn sees_parent(&self, persona: Persona, place: &Place) -> bool {
        persona == Persona::Admin
            || place.parent.owner() == persona.project()
            || place.shared
            || place.external
    }

    fn expected(&self, persona: Persona, place: &Place, allowed: bool) -> Expected {
        match (allowed, self.fixture.exact, self.reads(persona, place)) {
            (true, ..) => Expected::Allowed,
            (false, false, _) => Expected::Refused,
            (false, true, true) => Expected::Forbidden,
            (false, true, false) => Expected::Hidden,
        }
    }

    /// The cell of an attribute, or of the one it is within; "everybody" without.
    fn cell(&self, name: &str, which: fn(&crate::reference::Attribute) -> &'static str) -> &'static str {
        let row = self.row.attributes.iter().find(|attribute| attribute.name == name);
        match row.map(which) {
            None | Some("") => "everybody",
            Some(cell) => cell,
        }
    }

    /// Attributes of the table, and the dotted ones of the reference.
    fn attributes(&self, writable: fn(&isospin_api_kit::attribute::Attribute) -> bool) -> Vec<String> {
        let named = |name: &str| self.resource.attribute(name).is_some_and(&writable);
        let own = self.resource.attributes().map(|attribute| attribute.name);
        let dotted = self.row.attributes.iter().map(|attribute| attribute.name);
        own.filter(|name| *name != "project_id" && named(name))
            .chain(dotted.filter(|name| name.split_once('.').is_some_and(|(base, _)| named(base))))
            .map(str::to_owned)
            .collect()
    }

    fn value(&self, name: &str, place: &Place) -> (String, Value) {
        let base = name.split('.').next().unwrap_or(name);
        let attribute = self.resource.attribute(base).expect("an attribute of the table");
        (base.to_owned(), value(&self.world, self.resource.name, name, attribute, place))
    }

    /// The smallest body, for the owner of the place.
    async fn body(&self, place: &Place) -> Map<String, Value> {
        let body = self.fixture.body.expect("a POST needs the body of one");
        let Value::Object(mut object) = body(&self.world, place).await else {
            panic!("a body is an object");
        };
        if self.resource.attribute("project_id").is_some_and(|attribute| attribute.post) {
            object.insert("project_id".to_owned(), json!(place.owner));
        }
        object
    }

    async fn object(&self, place: &Place) -> Object {
        if let Some(make) = self.fixture.object {
            return make(&self.world, place).await;
        }
        let body = Value::Object(self.body(place).await);
        let parameters = self.parent(place).await;
        let path = self.parameters(&self.collection, &parameters);
        let made = self.world.make(&path, self.resource.name, body).await;
        let id = text(&made[self.fixture.key]);
        if place.shared && !self.fixture.shared_as.is_empty() {
            let entry = json!({"object_type": self.fixture.shared_as, "object_id": id,
                "action": "access_as_shared", "target_tenant": "*"});
            self.world.make("/v2.0/rbac-policies", "rbac_policy", entry).await;
        }
        Object { id, parameters }
    }

    fn url(&self, route: &Route, object: &Object) -> String {
        // A parent may be called {id}, so that parameters come first.
        self.parameters(&route.path, &object.parameters).replace("{id}", &object.id).replace("{tag}", "blue")
    }

    fn parameters(&self, path: &str, parameters: &[(&'static str, String)]) -> String {
        parameters
            .iter()
            .fold(path.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value))
    }

    #[expect(clippy::too_many_arguments, reason = "what a case is made of")]
    fn judge(
        &mut self,
        route: &Route,
        persona: Persona,
        place: &Place,
        attribute: &str,
        expected: Expected,
        excuses: Excuses,
        status: u16,
        answer: &Value,
    ) {
        let fault = answer["NeutronError"]["type"].as_str().unwrap_or_default();
        let hidden = status == 404 && fault.ends_with("NotFound");
        let right = match (persona, expected) {
            (Persona::Nobody, _) => status == 401,
            (_, Expected::Allowed) => !hidden && !matches!(status, 401 | 403 | 405) && status < 500,
            (_, Expected::Forbidden) => {
                status == 403 || excuses.owner && status == 400 || excuses.parent && hidden
            }
            (_, Expected::Hidden) => hidden,
            (_, Expected::Refused) => status == 403 || hidden,
        };
        let what =
            if attribute.is_empty() { format!("{expected:?}") } else { format!("{attribute}: {expected:?}") };
        self.note(right, route, persona, place, &what, status, answer);
    }

    #[expect(clippy::too_many_arguments, reason = "what a message is made of")]
    fn note(
        &mut self,
        right: bool,
        route: &Route,
        persona: Persona,
        place: &Place,
        what: &str,
        status: u16,
        answer: &Value,
    ) {
        self.tally.cases += 1;
        if !right {
            let message = answer["NeutronError"]["message"].as_str().unwrap_or_default();
            self.tally.wrong.push(format!(
                "{} {} ({}) by {persona:?}, {what}: {status} {message}",
                route.verb, route.path, place.name
            ));
        }
    }
}

enum Kind {
    Standard,
    Tags,
    Action(&'static str),
}
