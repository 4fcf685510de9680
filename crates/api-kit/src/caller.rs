//! Who is asking.

use std::collections::BTreeSet;

use crate::AccessRule;

/// The identity behind a request, as a valid token states it. Never built from
/// request headers other than the token (K16).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    pub user_id: String,
    pub user_name: String,
    pub user_domain_id: String,
    /// "" for tokens without a project.
    pub project_id: String,
    pub project_name: String,
    pub project_domain_id: String,
    /// "" unless the token is scoped to a domain.
    pub domain_id: String,
    /// Lower-case names, implied roles included.
    pub roles: BTreeSet<String>,
    /// Roles of the service token sent along, if any.
    pub service_roles: BTreeSet<String>,
    /// Whether the token is scoped to the whole system.
    pub system_scope: bool,
    /// The only requests an application credential allows; none = all.
    pub access_rules: Vec<AccessRule>,
    /// What a policy that redefines `context_is_admin` says; `None` = the role decides.
    pub admin: Option<bool>,
}

impl Caller {
    /// Whether the caller has the role; names are compared without case.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.contains(role) || self.roles.contains(&role.to_lowercase())
    }

    /// Whether the caller is an administrator: ownership filters do not apply.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.admin.unwrap_or_else(|| self.roles.contains("admin"))
    }

    /// The caller the system itself acts as (background jobs, reports of agents).
    #[must_use]
    pub fn system() -> Self {
        Self {
            user_id: "isospin".to_owned(),
            roles: ["admin", "manager", "member", "reader", "service"].map(str::to_owned).into(),
            system_scope: true,
            ..Self::default()
        }
    }
}
