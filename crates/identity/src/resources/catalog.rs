//! The catalog: which services there are and where, for one caller.

use std::collections::BTreeMap;
use std::sync::Arc;

use isospin_api_kit::Caller;
use isospin_store_kit::{Row, Store, StoreError, values};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::endpoint_filter::visible::{Given, by_project};
use crate::generation::Generation;

/// An enabled endpoint of an enabled service.
struct Entry {
    service_id: String,
    service_type: String,
    service_name: String,
    endpoint_id: String,
    interface: String,
    region_id: Option<String>,
    url: String,
}

/// All endpoints, and which projects see but some of them.
struct Known {
    entries: Vec<Entry>,
    given: BTreeMap<String, Given>,
}

/// What was read, under this generation.
type Remembered = (u64, Arc<Known>);

/// Reads the catalog, once for each state of identity.
pub struct Catalog {
    generation: Arc<Generation>,
    remembered: Mutex<Option<Remembered>>,
}

impl Catalog {
    pub fn new(generation: Arc<Generation>) -> Self {
        Self { generation, remembered: Mutex::new(None) }
    }

    /// The catalog this caller sees: a list of services with their endpoints.
    pub async fn of(&self, store: &Store, caller: &Caller) -> Result<Value, StoreError> {
        let known = self.known(store).await?;
        let given = known.given.get(&caller.project_id);
        let mut services: Vec<Value> = Vec::new();
        for entries in known.entries.chunk_by(|a, b| a.service_id == b.service_id) {
            let seen = entries.iter().filter(|entry| given.is_none_or(|given| entry.is_given(given)));
            let endpoints: Vec<Value> = seen.filter_map(|entry| entry.view(caller)).collect();
            if endpoints.is_empty() && given.is_some() {
                continue;
            }
            let Some(service) = entries.first() else { continue };
            services.push(json!({
                "endpoints": endpoints,
                "id": service.service_id,
                "type": service.service_type,
                "name": service.service_name,
            }));
        }
        Ok(Value::Array(services))
    }

    async fn known(&self, store: &Store) -> Result<Arc<Known>, StoreError> {
        let known = self.remembered.lock().clone();
        if let Some((generation, known)) = known
            && self.generation.holds(generation)
        {
            return Ok(known);
        }
        let generation = self.generation.current();
        let sql = "SELECT s.id, s.type, COALESCE(s.name, ''), e.id, e.interface, e.region_id, e.url \
                   FROM services s JOIN endpoints e ON e.service_id = s.id \
                   WHERE s.enabled = true AND e.enabled = true ORDER BY s.id, e.id";
        let mut reader = store.reader().await?;
        let rows = reader.rows(sql, values![]).await?;
        let entries = rows.into_iter().map(Entry::read).collect::<Result<Vec<_>, _>>()?;
        let known = Arc::new(Known { entries, given: by_project(&mut reader).await? });
        *self.remembered.lock() = Some((generation, Arc::clone(&known)));
        Ok(known)
    }
}

impl Entry {
    fn read(row: Row) -> Result<Self, StoreError> {
        let mut columns = row.columns();
        Ok(Self {
            service_id: columns.text()?,
            service_type: columns.text()?,
            service_name: columns.text()?,
            endpoint_id: columns.text()?,
            interface: columns.text()?,
            region_id: columns.opt_text()?,
            url: columns.text()?,
        })
    }

    fn is_given(&self, given: &Given) -> bool {
        given.has(&self.endpoint_id, &self.interface, &self.service_id, self.region_id.as_deref())
    }

    /// The endpoint for this caller; `None` when its URL needs what the caller has not.
    fn view(&self, caller: &Caller) -> Option<Value> {
        Some(json!({
            "id": self.endpoint_id,
            "interface": self.interface,
            "region_id": self.region_id,
            "url": expand(&self.url, caller)?,
            "region": self.region_id,
        }))
    }
}

/// Whether a template can be expanded for a caller with a project.
pub fn expands(template: &str) -> bool {
    let caller = Caller { user_id: "u".to_owned(), project_id: "p".to_owned(), ..Caller::default() };
    expand(template, &caller).is_some()
}

/// Fills in `%(name)s` and `$(name)s`. Only the ids of the caller can be named, no
/// setting of this server (K07); anything else gives nothing.
fn expand(template: &str, caller: &Caller) -> Option<String> {
    let mut url = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find(['%', '$']) {
        url.push_str(&rest[..start]);
        let (name, after) = rest[start + 1..].strip_prefix('(')?.split_once(")s")?;
        let value = match name {
            "project_id" | "tenant_id" => &caller.project_id,
            "user_id" => &caller.user_id,
            _ => return None,
        };
        if value.is_empty() {
            return None;
        }
        url.push_str(value);
        rest = after;
    }
    url.push_str(rest);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k07_templates_name_the_callers_ids_and_nothing_else() {
        let caller = Caller { user_id: "u".to_owned(), project_id: "p".to_owned(), ..Caller::default() };
        let unscoped = Caller { user_id: "u".to_owned(), ..Caller::default() };
        let cases = [
            ("http://h/v1", Some("http://h/v1"), Some("http://h/v1")),
            ("http://h/%(tenant_id)s/x", Some("http://h/p/x"), None),
            ("http://h/$(project_id)s", Some("http://h/p"), None),
            ("http://h/%(user_id)s", Some("http://h/u"), Some("http://h/u")),
            ("http://h/%(admin_token)s", None, None),
            ("http://h/%(database.connection)s", None, None),
            ("http://h/%20x", None, None),
        ];
        for (template, scoped, without) in cases {
            assert_eq!(expand(template, &caller).as_deref(), scoped, "{template}");
            assert_eq!(expand(template, &unscoped).as_deref(), without, "{template}");
        }
    }
}
