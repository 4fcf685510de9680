//! A PUT said again changes nothing: neither what is shown, nor `revision_number`,
//! nor `updated_at`. Tools that apply a plan twice rely on it.

use isospin_network::routes::{Route, Shape, Verb};
use serde_json::{Map, Value, json};

use super::{Cases, Kind, Tally};
use crate::place::{Persona, Place};

impl Cases<'_> {
    /// Says every attribute as it is, and every change twice, on each route that
    /// changes objects or their tags.
    pub async fn repeat(mut self, routes: &[Route]) -> Tally {
        let Some(place) = self.fixture.places.first() else { return self.tally };
        for route in routes.iter().filter(|route| route.verb == Verb::Put) {
            match (self.kind(route), route.shape) {
                (Kind::Tags, _) => self.repeat_tags(route, place).await,
                (Kind::Standard, Shape::Update) => {
                    self.repeat_attributes(route, place).await;
                }
                _ => {}
            }
        }
        self.tally
    }

    async fn repeat_attributes(&mut self, route: &Route, place: &Place) {
        for name in self.attributes(|attribute| attribute.put) {
            let object = self.object(place).await;
            let path = self.url(route, &object);
            let before = self.seen(&path).await;
            if let Some(value) = before.get(&name).cloned() {
                let (status, answer) = self.say(&path, &name, &value).await;
                let same = self.seen(&path).await == before;
                self.note(status == 200 && same, route, Persona::Admin, place, &name, status, &answer);
            }
            let (key, value) = self.value(&name, place);
            // What cannot be said of such an object is asked elsewhere.
            if self.say(&path, &key, &value).await.0 != 200 {
                continue;
            }
            let changed = self.seen(&path).await;
            let (status, answer) = self.say(&path, &key, &value).await;
            let same = self.seen(&path).await == changed;
            self.note(status == 200 && same, route, Persona::Admin, place, &name, status, &answer);
        }
    }

    async fn repeat_tags(&mut self, route: &Route, place: &Place) {
        let object = self.object(place).await;
        let path = self.url(route, &object);
        let parent = format!("{}/{}", self.parameters(&self.collection, &object.parameters), object.id);
        let body = if route.path.ends_with("{tag}") { Value::Null } else { json!({"tags": ["blue"]}) };
        self.world.ask(Persona::Admin, Verb::Put, &path, &body).await;
        let before = self.seen(&parent).await;
        let (status, answer) = self.world.ask(Persona::Admin, Verb::Put, &path, &body).await;
        let same = self.seen(&parent).await == before;
        self.note(status < 300 && same, route, Persona::Admin, place, "tags", status, &answer);
    }

    /// The object as an administrator sees it.
    async fn seen(&self, path: &str) -> Map<String, Value> {
        let (status, answer) = self.world.ask(Persona::Admin, Verb::Get, path, &Value::Null).await;
        assert_eq!(status, 200, "GET {path}: {answer}");
        match answer {
            Value::Object(keys) => match keys.into_iter().next() {
                Some((_, Value::Object(object))) => object,
                other => panic!("GET {path}: no object: {other:?}"),
            },
            other => panic!("GET {path}: no object: {other}"),
        }
    }

    /// As an administrator, or as the service where only those may.
    async fn say(&self, path: &str, key: &str, value: &Value) -> (u16, Value) {
        let body = json!({ self.resource.name: { key: value } });
        match self.world.ask(Persona::Admin, Verb::Put, path, &body).await {
            (403, _) => self.world.ask(Persona::Service, Verb::Put, path, &body).await,
            answer => answer,
        }
    }
}
