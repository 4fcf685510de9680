//! A compiled expression and its evaluation.

use std::collections::BTreeMap;
use std::fmt;

use regex::Regex;

use super::Target;
use crate::Caller;

/// Rules may refer to rules; deeper than this is a cycle, and denies.
const DEPTH: u8 = 32;

/// One node of a compiled expression.
#[derive(Debug, Clone)]
pub enum Check {
    Always,
    Never,
    Not(Box<Check>),
    All(Vec<Check>),
    Any(Vec<Check>),
    /// `role:NAME`
    Role(String),
    /// `service_roles:NAME`
    ServiceRole(String),
    /// `rule:NAME`
    Rule(String),
    /// `LEFT:RIGHT`, compared as texts.
    Compare(Term, Term),
    /// `field:COLLECTION:ATTRIBUTE=VALUE`
    Field {
        collection: String,
        attribute: String,
        value: String,
    },
    /// `field:COLLECTION:ATTRIBUTE=~REGEX`
    FieldMatches {
        collection: String,
        attribute: String,
        pattern: Regex,
    },
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// A literal text.
    Literal(String),
    /// `%(name)s`: a fact of the target.
    Target(String),
    /// A bare name on the left: something the token says.
    Credential(String),
}

impl Check {
    /// Names of the rules this one refers to.
    #[must_use]
    pub fn references(&self) -> Vec<&str> {
        match self {
            Self::Rule(name) => vec![name],
            Self::Not(inner) => inner.references(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::references).collect(),
            _ => Vec::new(),
        }
    }

    /// Facts of the object the check asks for.
    #[must_use]
    pub fn facts(&self) -> Vec<&str> {
        match self {
            Self::Not(inner) => inner.facts(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::facts).collect(),
            Self::Compare(_, Term::Target(name)) => vec![name],
            Self::Field { attribute, .. } | Self::FieldMatches { attribute, .. } => vec![attribute],
            _ => Vec::new(),
        }
    }

    /// Whether the check holds for this caller and target.
    #[must_use]
    pub fn holds(
        &self,
        rules: &BTreeMap<String, Check>,
        caller: &Caller,
        target: &Target<'_>,
        depth: u8,
    ) -> bool {
        if depth > DEPTH {
            return false;
        }
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Not(inner) => !inner.holds(rules, caller, target, depth + 1),
            Self::All(parts) => parts.iter().all(|part| part.holds(rules, caller, target, depth + 1)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(rules, caller, target, depth + 1)),
            Self::Role(role) => caller.has_role(role),
            Self::ServiceRole(role) => caller.service_roles.contains(role),
            Self::Rule(name) => {
                rules.get(name).is_some_and(|check| check.holds(rules, caller, target, depth + 1))
            }
            Self::Compare(left, right_is) => {
                match (left.value(caller, target), right_is.value(caller, target)) {
                    (Some(value), Some(right)) => value == right,
                    // `domain_id:None`: a token without a domain.
                    (None, Some(right)) => {
                        matches!((left, right_is), (Term::Credential(_), Term::Literal(_))) && right == "None"
                    }
                    _ => false,
                }
            }
            Self::Field { attribute, value, .. } => target.get(attribute) == Some(value),
            Self::FieldMatches { attribute, pattern, .. } => {
                target.get(attribute).is_some_and(|value| pattern.is_match(value))
            }
        }
    }
}

/// What a token says, by the names rules use on the left side.
pub const CREDENTIALS: &[&str] = &[
    "project_id",
    "tenant_id",
    "tenant",
    "user_id",
    "user",
    "domain_id",
    "user_domain_id",
    "project_domain_id",
    "system_scope",
    "is_admin",
    // As Keystone's own rules spell them.
    "token.domain.id",
    "token.project.domain.id",
];

impl Term {
    fn value<'a>(&'a self, caller: &'a Caller, target: &'a Target<'_>) -> Option<&'a str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Target(name) => target.get(name),
            Self::Credential(name) => match name.as_str() {
                "project_id" | "tenant_id" | "tenant" => owned(&caller.project_id),
                "user_id" | "user" => owned(&caller.user_id),
                "domain_id" | "token.domain.id" => owned(&caller.domain_id),
                "user_domain_id" => owned(&caller.user_domain_id),
                "project_domain_id" | "token.project.domain.id" => owned(&caller.project_domain_id),
                "system_scope" => caller.system_scope.then_some("all"),
                "is_admin" => Some(if caller.is_admin() { "True" } else { "False" }),
                _ => None,
            },
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("@"),
            Self::Never => f.write_str("!"),
            Self::Not(inner) => write!(f, "not {inner}"),
            Self::All(parts) => joined(f, parts, " and "),
            Self::Any(parts) => joined(f, parts, " or "),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::ServiceRole(role) => write!(f, "service_roles:{role}"),
            Self::Rule(name) => write!(f, "rule:{name}"),
            Self::Compare(left, right) => write!(f, "{left}:{right}"),
            Self::Field { collection, attribute, value } => {
                write!(f, "field:{collection}:{attribute}={value}")
            }
            Self::FieldMatches { collection, attribute, pattern } => {
                write!(f, "field:{collection}:{attribute}=~{pattern}")
            }
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Check], word: &str) -> fmt::Result {
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    write!(f, "({})", parts.join(word))
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => write!(f, "'{text}'"),
            Self::Target(name) => write!(f, "%({name})s"),
            Self::Credential(name) => f.write_str(name),
        }
    }
}

/// An absent credential equals nothing: objects without a project are nobody's.
fn owned(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
