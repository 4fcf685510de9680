//! Policy: who may do what, in the expression language of oslo.policy.
//!
//! Rules are compiled once to a tree. An action nobody declared is denied; an
//! attribute rule nobody declared allows (reference/policy.md §4).

mod check;
mod explain;
mod file;
mod overrides;
mod parse;
mod target;

use std::collections::BTreeMap;

use serde_json::Value;

pub use check::Check;
pub use explain::{Decision, Step};
pub use file::{Entry, FileError, Overrides, Problem};
pub use parse::ParseError;
pub use target::Target;

use crate::attribute::{Absent, ResourceType};
use crate::{Body, Caller, Fault};

/// A rule as declared: name and expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub name: &'static str,
    pub expression: &'static str,
}

impl Rule {
    #[must_use]
    pub const fn new(name: &'static str, expression: &'static str) -> Self {
        Self { name, expression }
    }
}

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("rule \"{rule}\": {source}")]
    Syntax {
        rule: String,
        #[source]
        source: ParseError,
    },
    #[error("rule \"{rule}\" refers to \"{unknown}\", which is not declared")]
    UnknownReference { rule: String, unknown: String },
    #[error("rule \"{rule}\" is declared twice")]
    Duplicate { rule: String },
    #[error("rules refer to each other: {0}")]
    Cycle(String),
    #[error("the policy file cannot be used:\n{0}")]
    File(FileError),
}

impl From<FileError> for PolicyError {
    fn from(error: FileError) -> Self {
        // Part of the message, not a cause beside it.
        Self::File(error)
    }
}

/// Where a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As it was written.
    pub expression: String,
    /// Line of the policy file; `None` = built in.
    pub line: Option<usize>,
    /// What the file replaces.
    pub default: Option<String>,
}

/// The effective rules of a server.
#[derive(Debug)]
pub struct Policy {
    rules: BTreeMap<String, Check>,
    sources: BTreeMap<String, Source>,
    /// The policy file, if there is one.
    origin: Option<String>,
    /// Attributes by resource whose rule on being seen only the file has.
    views: BTreeMap<String, Vec<String>>,
}

impl Policy {
    /// Compiles the declared rules.
    ///
    /// # Errors
    /// Names the rule that does not parse, refers to nothing, or is declared twice.
    pub fn new<'r>(declared: impl IntoIterator<Item = &'r Rule>) -> Result<Self, PolicyError> {
        let mut rules = BTreeMap::new();
        let mut sources = BTreeMap::new();
        for rule in declared {
            let check = parse::parse(rule.expression)
                .map_err(|source| PolicyError::Syntax { rule: rule.name.to_owned(), source })?;
            if rules.insert(rule.name.to_owned(), check).is_some() {
                return Err(PolicyError::Duplicate { rule: rule.name.to_owned() });
            }
            let source = Source { expression: rule.expression.to_owned(), line: None, default: None };
            sources.insert(rule.name.to_owned(), source);
        }
        for name in rules.keys() {
            if let Some(unknown) = overrides::unknown_references(&rules, name).first() {
                return Err(PolicyError::UnknownReference {
                    rule: name.clone(),
                    unknown: (*unknown).to_owned(),
                });
            }
        }
        if let Some(cycle) = overrides::cycle(&rules) {
            return Err(PolicyError::Cycle(cycle.join(" -> ")));
        }
        Ok(Self { rules, sources, origin: None, views: BTreeMap::new() })
    }

    /// Every rule with where it comes from, by name.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.sources.iter().map(|(name, source)| (name.as_str(), source))
    }

    fn source(&self, name: &str) -> Option<&Source> {
        self.sources.get(name)
    }

    /// Where a rule stands, for people: `policy.yaml:7`, or that it is built in.
    #[must_use]
    pub fn place(&self, name: &str) -> String {
        match (self.source(name).and_then(|source| source.line), &self.origin) {
            (Some(line), Some(origin)) => format!("{origin}:{line}"),
            _ => "built in".to_owned(),
        }
    }

    /// Whether the policy file replaces the rule, or one it is made of.
    #[must_use]
    pub fn overrides(&self, name: &str) -> bool {
        let own = self.source(name).is_some_and(|source| source.line.is_some());
        own || self
            .check_of(name)
            .is_some_and(|check| check.references().into_iter().any(|other| self.overrides(other)))
    }

    /// Attributes of a resource whose rule on being seen only the policy file has.
    #[must_use]
    pub fn further_views(&self, resource: &str) -> &[String] {
        self.views.get(resource).map(Vec::as_slice).unwrap_or_default()
    }

    fn check_of(&self, name: &str) -> Option<&Check> {
        self.rules.get(name)
    }

    fn holds(&self, check: &Check, caller: &Caller, target: &Target<'_>) -> bool {
        check.holds(&self.rules, caller, target, 0)
    }

    /// Whether a rule of this name is declared.
    #[must_use]
    pub fn declares(&self, action: &str) -> bool {
        self.rules.contains_key(action)
    }

    /// Whether the caller may do `action` to `target`; an unknown action denies (N25).
    #[must_use]
    pub fn allows(&self, action: &str, caller: &Caller, target: &Target<'_>) -> bool {
        self.rules.get(action).is_some_and(|check| check.holds(&self.rules, caller, target, 0))
    }

    /// Whether the caller may use one attribute; `action` is `get_port:binding:host_id`.
    /// Undeclared attribute rules allow.
    #[must_use]
    pub fn allows_attribute(&self, action: &str, caller: &Caller, target: &Target<'_>) -> bool {
        self.rules.get(action).is_none_or(|check| check.holds(&self.rules, caller, target, 0))
    }

    /// Checks a POST: the action and a rule for each attribute set to something
    /// other than its default.
    ///
    /// # Errors
    /// 403 naming the rules.
    pub fn check_create(
        &self,
        resource: &ResourceType,
        caller: &Caller,
        target: &Target<'_>,
        body: &Body,
    ) -> Result<(), Fault> {
        let action = format!("create_{}", resource.name);
        let set = body.given().filter(|name| {
            let absent = resource.attribute(name).map(|attribute| attribute.absent);
            match (absent, body.get(name)) {
                (Some(Absent::Is(default)), Some(value)) => *value != default(),
                _ => true,
            }
        });
        self.check_with_attributes(&action, caller, target, body, set)
    }

    /// Checks a PUT: the action and a rule for each attribute present, whatever
    /// its value (N08).
    ///
    /// # Errors
    /// 403 naming the rules.
    pub fn check_update(
        &self,
        resource: &ResourceType,
        caller: &Caller,
        target: &Target<'_>,
        body: &Body,
    ) -> Result<(), Fault> {
        let action = format!("update_{}", resource.name);
        self.check_with_attributes(&action, caller, target, body, body.given())
    }

    fn check_with_attributes<'b>(
        &self,
        action: &str,
        caller: &Caller,
        target: &Target<'_>,
        body: &'b Body,
        names: impl Iterator<Item = &'b str>,
    ) -> Result<(), Fault> {
        let mut wanted = vec![action.to_owned()];
        for name in names {
            let rule = format!("{action}:{name}");
            for key in sub_keys(body.get(name)) {
                let nested = format!("{rule}:{key}");
                if self.declares(&nested) {
                    wanted.push(nested);
                }
            }
            if self.declares(&rule) {
                wanted.push(rule);
            }
        }
        if wanted.iter().all(|rule| self.allows(rule, caller, target)) {
            return Ok(());
        }
        let named: Vec<String> = wanted.iter().map(|rule| format!("rule:{rule}")).collect();
        Err(Fault::policy(match named.as_slice() {
            [one] => one.clone(),
            several => format!("({})", several.join(" and ")),
        }))
    }

    /// Checks an action without a body.
    ///
    /// # Errors
    /// 403 naming the rule.
    pub fn check(&self, action: &str, caller: &Caller, target: &Target<'_>) -> Result<(), Fault> {
        if self.allows(action, caller, target) {
            return Ok(());
        }
        Err(Fault::policy(format!("rule:{action}")))
    }

    /// Checks an update or a delete of an object that exists: 403 when the caller
    /// may at least see it, else `hidden` (404), as reference §1.4 says.
    ///
    /// # Errors
    /// As above.
    pub fn check_or_hide(
        &self,
        action: &str,
        resource: &ResourceType,
        caller: &Caller,
        target: &Target<'_>,
        hidden: impl FnOnce() -> Fault,
    ) -> Result<(), Fault> {
        if self.allows(action, caller, target) {
            return Ok(());
        }
        if self.allows(&format!("get_{}", resource.name), caller, target) {
            return Err(Fault::policy(format!("rule:{action}")));
        }
        Err(hidden())
    }
}

/// Keys of a dictionary, or of the dictionaries in a list: what rules like
/// `create_port:fixed_ips:ip_address` speak of.
fn sub_keys(value: Option<&Value>) -> Vec<&str> {
    let mut keys: Vec<&str> = match value {
        Some(Value::Object(object)) => object.keys().map(String::as_str).collect(),
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(Value::as_object)
            .flat_map(|object| object.keys())
            .map(String::as_str)
            .collect(),
        _ => Vec::new(),
    };
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests;
