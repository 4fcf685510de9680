//! What the route tables of all services share: verbs, and the check that every route has
//! the rules it names (N25).

use std::fmt;

use axum::routing::MethodFilter;

use crate::policy::Policy;

/// The verbs of an API. HEAD goes wherever GET does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// As in a request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// As a router takes it.
    #[must_use]
    pub const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A route whose rule is not there.
#[derive(Debug, thiserror::Error)]
#[error("{verb} {path} asks for the rule \"{action}\", which is not declared")]
pub struct Unruled {
    verb: Verb,
    path: String,
    action: String,
}

/// Whether each of these actions, with the route that asks for it, is a declared rule.
///
/// # Errors
/// The first one that is not.
pub fn check<'r>(
    asked: impl IntoIterator<Item = (Verb, &'r str, &'r str)>,
    policy: &Policy,
) -> Result<(), Unruled> {
    match asked.into_iter().find(|(_, _, action)| !policy.declares(action)) {
        None => Ok(()),
        Some((verb, path, action)) => Err(Unruled { verb, path: path.to_owned(), action: action.to_owned() }),
    }
}
