//! The object a rule is asked about.

/// Facts about the object, by the names rules use: `project_id`,
/// `network:project_id`, `security_group:project_id`, `shared` ("True"/"False"),
/// `router:external`, `device_owner` …
#[derive(Debug, Clone, Default)]
pub struct Target<'a> {
    facts: Vec<(&'a str, &'a str)>,
}

impl<'a> Target<'a> {
    /// Nothing known.
    #[must_use]
    pub const fn new() -> Self {
        Self { facts: Vec::new() }
    }

    /// An object of a project.
    #[must_use]
    pub fn owned_by(project_id: &'a str) -> Self {
        Self { facts: vec![("project_id", project_id)] }
    }

    /// With one more fact.
    #[must_use]
    pub fn with(mut self, name: &'a str, value: &'a str) -> Self {
        self.facts.push((name, value));
        self
    }

    /// With one more flag.
    #[must_use]
    pub fn flag(self, name: &'a str, value: bool) -> Self {
        self.with(name, if value { "True" } else { "False" })
    }

    /// The value of a fact. `tenant_id` is another spelling of `project_id`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let find = |wanted: &str| self.facts.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
        find(name).or_else(|| match name.strip_suffix("tenant_id") {
            Some("") => find("project_id"),
            Some(parent) => find(&format!("{parent}project_id")),
            None => None,
        })
    }
}
