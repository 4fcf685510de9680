//! Application credentials: a name and a secret of a user that stand for some of the
//! user's roles in one project, so that a program needs no password of a person.
//!
//! For logins with one: [`store::by_id`] or [`store::by_name`], then
//! [`ApplicationCredential::is_over`], the secret against `secret_hash`, and
//! [`ApplicationCredential::is_founded_on`] the roles of [`super::held`].

mod access_rules;
mod handlers;
pub mod store;

use isospin_api_kit::policy::Rule;

use crate::routes::Routes;
use crate::tokens::scope::Named;

pub const RULES: &[Rule] = &[
    Rule::new("identity:get_application_credential", "rule:reads_all or rule:owner"),
    Rule::new("identity:list_application_credentials", "rule:reads_all or rule:owner"),
    Rule::new("identity:create_application_credential", "rule:owner"),
    Rule::new("identity:delete_application_credential", "rule:admin_or_owner"),
    Rule::new("identity:get_access_rule", "rule:system_reader or user_id:%(target.user.id)s"),
    Rule::new("identity:list_access_rules", "rule:system_reader or user_id:%(target.user.id)s"),
    Rule::new(
        "identity:delete_access_rule",
        "(role:admin and system_scope:all) or user_id:%(target.user.id)s",
    ),
];

pub fn routes() -> Routes {
    const CREDENTIALS: &str = "/v3/users/{user_id}/application_credentials";
    const CREDENTIAL: &str = "/v3/users/{user_id}/application_credentials/{id}";
    const RULES: &str = "/v3/users/{user_id}/access_rules";
    const RULE: &str = "/v3/users/{user_id}/access_rules/{id}";
    Routes::new()
        .get(CREDENTIALS, "list_application_credentials", handlers::list)
        .post(CREDENTIALS, "create_application_credential", handlers::create)
        .get(CREDENTIAL, "get_application_credential", handlers::show)
        .delete(CREDENTIAL, "delete_application_credential", handlers::delete)
        .get(RULES, "list_access_rules", access_rules::list)
        .get(RULE, "get_access_rule", access_rules::show)
        .delete(RULE, "delete_access_rule", access_rules::delete)
}

/// An application credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationCredential {
    pub id: String,
    pub user_id: String,
    pub project_id: String,
    pub name: String,
    pub description: Option<String>,
    /// As passwords are hashed.
    pub secret_hash: String,
    /// Microseconds since 1970.
    pub expires_at: Option<i64>,
    /// May make further credentials and trusts.
    pub unrestricted: bool,
    /// What its tokens have, implied roles among them.
    pub roles: Vec<Named>,
    /// Requests its tokens may be used for; none = all.
    pub access_rules: Vec<AccessRule>,
}

/// A kind of request: `GET /v2.0/networks/*` of `network`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRule {
    pub id: String,
    pub user_id: String,
    /// Type of the service.
    pub service: String,
    /// With the wildcards `*`, `**` and `{name}`.
    pub path: String,
    pub method: String,
}

impl ApplicationCredential {
    /// Whether its time is over; `now` in seconds since 1970.
    #[must_use]
    pub fn is_over(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| end <= now.saturating_mul(1_000_000))
    }

    /// Whether it has roles and its user still holds all of them (K10, K14).
    #[must_use]
    pub fn is_founded_on(&self, held: &[Named]) -> bool {
        !self.roles.is_empty() && self.roles.iter().all(|role| held.iter().any(|own| own.id == role.id))
    }
}
