//! Credentials of users other than passwords: EC2 keys, seeds of one-time passwords,
//! certificates. What is secret in them is sealed in the database ([`store`]).
//!
//! Only users in person touch them: a token made from a trust or an application
//! credential can neither see nor make any (K04, K09, K15).

mod ec2;
mod ec2_tokens;
mod handlers;
mod s3;
mod signature;
pub mod store;

use isospin_api_kit::policy::{Rule, Target};
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::request::Context;
use crate::routes::Routes;
use crate::tokens::methods::Method;

pub const RULES: &[Rule] = &[
    Rule::new("credential_owner", "user_id:%(target.credential.user_id)s"),
    Rule::new("identity:get_credential", "rule:reads_all or rule:credential_owner"),
    Rule::new("identity:list_credentials", "rule:reads_all or rule:credential_owner"),
    Rule::new("identity:create_credential", "rule:admin_required or rule:credential_owner"),
    Rule::new("identity:update_credential", "rule:admin_required or rule:credential_owner"),
    Rule::new("identity:delete_credential", "rule:admin_required or rule:credential_owner"),
    Rule::new("identity:ec2_get_credential", "rule:reads_all or rule:credential_owner"),
    Rule::new("identity:ec2_list_credentials", "rule:reads_all or rule:owner"),
    Rule::new(
        "identity:ec2_create_credential",
        "rule:admin_required or (role:member and rule:credential_owner)",
    ),
    Rule::new(
        "identity:ec2_delete_credential",
        "rule:admin_required or (role:member and rule:credential_owner)",
    ),
    Rule::new("identity:ec2tokens_validate", "rule:service_or_admin"),
    Rule::new("identity:s3tokens_validate", "rule:service_or_admin"),
];

/// A credential, opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    pub id: String,
    pub user_id: String,
    pub project_id: Option<String>,
    /// "ec2", "totp", "cert" …
    pub kind: String,
    /// The secret; JSON for EC2.
    pub blob: String,
    pub extra: Map<String, Value>,
}

impl Credential {
    /// What rules ask about it.
    pub fn target(&self) -> Target<'_> {
        Target::new().with("user_id", &self.user_id).with("target.credential.user_id", &self.user_id)
    }
}

/// Refuses whoever is not here in person.
fn refuse_delegated(context: &Context) -> Result<(), Fault> {
    if is_delegated(context) {
        return Err(Fault::forbidden("Delegated tokens cannot access credentials directly"));
    }
    Ok(())
}

fn is_delegated(context: &Context) -> bool {
    context.token.delegation.is_some() || context.token.methods.contains(&Method::Ec2Credential)
}

pub fn routes() -> Routes {
    const EC2: &str = "/v3/users/{user_id}/credentials/OS-EC2";
    const ONE_EC2: &str = "/v3/users/{user_id}/credentials/OS-EC2/{access}";
    Routes::new()
        .get("/v3/credentials", "list_credentials", handlers::list)
        .post("/v3/credentials", "create_credential", handlers::create)
        .get("/v3/credentials/{id}", "get_credential", handlers::show)
        .patch("/v3/credentials/{id}", "update_credential", handlers::patch)
        .delete("/v3/credentials/{id}", "delete_credential", handlers::delete)
        .get(EC2, "ec2_list_credentials", ec2::list)
        .post(EC2, "ec2_create_credential", ec2::create)
        .get(ONE_EC2, "ec2_get_credential", ec2::show)
        .delete(ONE_EC2, "ec2_delete_credential", ec2::delete)
        .post("/v3/ec2tokens", "ec2tokens_validate", ec2_tokens::ec2)
        .post("/v3/s3tokens", "s3tokens_validate", ec2_tokens::s3)
}
