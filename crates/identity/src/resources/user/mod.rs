//! Users: who can log in.

mod handlers;
mod inactivity;
mod model;
mod password;

use isospin_api_kit::policy::Rule;

use crate::routes::{Routes, Verb};

pub use inactivity::{Watch, disable, is_idle, watch};
pub use model::{User, expiry, find, require, select, select_all};
pub use password::{NewPassword, store as store_password};

pub const RULES: &[Rule] = &[
    Rule::new("user_domain_reader", "role:reader and domain_id:%(target.user.domain_id)s"),
    Rule::new("user_domain_manager", "role:manager and domain_id:%(target.user.domain_id)s"),
    Rule::new("identity:list_users", "rule:reads_all or (role:reader and domain_id:%(target.domain_id)s)"),
    Rule::new("identity:get_user", "rule:reads_all or rule:user_domain_reader or user_id:%(target.user.id)s"),
    Rule::new("identity:create_user", "rule:admin_required or rule:user_domain_manager"),
    Rule::new("identity:update_user", "rule:admin_required or rule:user_domain_manager"),
    Rule::new("identity:delete_user", "rule:admin_required or rule:user_domain_manager"),
    Rule::new(
        "identity:list_groups_for_user",
        "rule:reads_all or rule:user_domain_reader or user_id:%(target.user.id)s",
    ),
    Rule::new(
        "identity:list_user_projects",
        "rule:reads_all or rule:user_domain_reader or user_id:%(target.user.id)s",
    ),
    Rule::new("identity:revoke_tokens_for_user", "rule:admin_or_owner"),
];

/// Changing one's password needs the old one, not a token.
pub fn routes() -> Routes {
    Routes::new()
        .get("/v3/users", "list_users", handlers::list)
        .post("/v3/users", "create_user", handlers::create)
        .get("/v3/users/{id}", "get_user", handlers::show)
        .patch("/v3/users/{id}", "update_user", handlers::patch)
        .delete("/v3/users/{id}", "delete_user", handlers::delete)
        .open(Verb::Post, "/v3/users/{id}/password", password::change)
        .get("/v3/users/{id}/groups", "list_groups_for_user", handlers::groups)
        .get("/v3/users/{id}/projects", "list_user_projects", handlers::projects)
        .delete("/v3/users/{id}/tokens", "revoke_tokens_for_user", handlers::revoke_tokens)
}
