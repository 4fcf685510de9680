//! Trusts: a user, the trustor, lets another, the trustee, act with some of the
//! trustor's roles in one project.
//!
//! For tokens scoped to one: [`store::find`], [`Trust::is_over`], the roles that
//! [`store::grantor`] holds ([`super::held`]) against [`Trust::is_founded_on`], then
//! [`store::use_once`] in the unit of work that issues.

mod handlers;
mod roles;
mod rules;
pub mod store;

use isospin_api_kit::policy::{Rule, Target};
use serde_json::{Map, Value};

use crate::routes::Routes;
use crate::tokens::scope::Named;

pub const RULES: &[Rule] = &[
    Rule::new("trustor", "user_id:%(target.trust.trustor_user_id)s"),
    Rule::new("trustee", "user_id:%(target.trust.trustee_user_id)s"),
    Rule::new("identity:create_trust", "rule:trustor"),
    Rule::new("identity:list_trusts", "rule:reads_all"),
    Rule::new("identity:list_trusts_for_trustor", "rule:reads_all or rule:trustor"),
    Rule::new("identity:list_trusts_for_trustee", "rule:reads_all or rule:trustee"),
    Rule::new("identity:get_trust", "rule:reads_all or rule:trustor or rule:trustee"),
    Rule::new("identity:list_roles_for_trust", "rule:reads_all or rule:trustor or rule:trustee"),
    Rule::new("identity:get_role_for_trust", "rule:reads_all or rule:trustor or rule:trustee"),
    Rule::new("identity:delete_trust", "rule:admin_required or rule:trustor"),
];

pub fn routes() -> Routes {
    const TRUSTS: &str = "/v3/OS-TRUST/trusts";
    const TRUST: &str = "/v3/OS-TRUST/trusts/{id}";
    Routes::new()
        .get(TRUSTS, "list_trusts list_trusts_for_trustor list_trusts_for_trustee", handlers::list)
        .post(TRUSTS, "create_trust", handlers::create)
        .get(TRUST, "get_trust", handlers::show)
        .delete(TRUST, "delete_trust", handlers::delete)
        .get("/v3/OS-TRUST/trusts/{id}/roles", "list_roles_for_trust", roles::list)
        .get("/v3/OS-TRUST/trusts/{id}/roles/{role_id}", "get_role_for_trust", roles::show)
}

/// A trust.
#[derive(Debug, Clone, PartialEq)]
pub struct Trust {
    pub id: String,
    pub trustor_user_id: String,
    pub trustee_user_id: String,
    pub project_id: Option<String>,
    /// Whether tokens name the trustor as their user.
    pub impersonation: bool,
    /// Implied roles are added where it is used.
    pub roles: Vec<Named>,
    /// Microseconds since 1970.
    pub expires_at: Option<i64>,
    /// Tokens that may still be made; `None` = any number.
    pub remaining_uses: Option<i64>,
    /// How often what is trusted may be handed on.
    pub redelegation_count: i64,
    /// The trust this one was handed on from.
    pub redelegated_trust_id: Option<String>,
    pub extra: Map<String, Value>,
}

impl Trust {
    /// Whether its time is over; `now` in seconds since 1970. Tokens made before it was
    /// used up hold on.
    #[must_use]
    pub fn is_over(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| end <= now.saturating_mul(1_000_000))
    }

    /// Whether who gave them still holds all its roles (K10).
    #[must_use]
    pub fn is_founded_on(&self, held: &[Named]) -> bool {
        self.roles.iter().all(|role| held.iter().any(|own| own.id == role.id))
    }

    /// What rules ask about it.
    pub fn target(&self) -> Target<'_> {
        Target::new()
            .with("target.trust.trustor_user_id", &self.trustor_user_id)
            .with("target.trust.trustee_user_id", &self.trustee_user_id)
    }
}
