//! Generated passwords, and the files clients read them from.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::state_dir::{StateDir, read_json, write_json, write_private};

/// Passwords of the users bootstrap makes.
#[derive(Clone, Serialize, Deserialize)]
pub struct Passwords {
    pub admin: String,
    pub demo: String,
}

impl Passwords {
    /// Those of this installation; made when there are none yet.
    pub fn load_or_generate(state: &StateDir) -> Result<Self> {
        if let Some(known) = read_json(&state.credentials())? {
            return Ok(known);
        }
        let fresh = Self { admin: generate(), demo: generate() };
        write_json(&state.credentials(), &fresh)?;
        Ok(fresh)
    }

    /// Those of an installation that has been started before.
    pub fn load(state: &StateDir) -> Result<Self> {
        read_json(&state.credentials())?.with_context(|| {
            format!("nothing is set up in {}: run `isospin up` first", state.root().display())
        })
    }
}

/// 24 letters and digits: 142 bits.
fn generate() -> String {
    use rand::RngExt as _;
    let letters = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let mut random = rand::rng();
    (0..24).map(|_| char::from(letters[random.random_range(0..letters.len())])).collect()
}

/// Writes `clouds.yaml` and `admin-openrc`.
pub fn write_client_files(
    state: &StateDir,
    passwords: &Passwords,
    identity_url: &str,
    region: &str,
) -> Result<()> {
    let auth_url = format!("{identity_url}/v3");
    let cloud = |name: &str, user: &str, project: &str, password: &str| {
        format!(
            "  {name}:\n    auth:\n      auth_url: {auth_url}\n      username: {user}\n      password: {password}\n      \
             project_name: {project}\n      user_domain_id: default\n      project_domain_id: default\n    \
             region_name: {region}\n    identity_api_version: 3\n"
        )
    };
    let clouds = format!(
        "clouds:\n{}{}",
        cloud("isospin", "admin", "admin", &passwords.admin),
        cloud("isospin-demo", "demo", "demo", &passwords.demo)
    );
    write_private(&state.clouds_yaml(), clouds.as_bytes())?;
    let openrc = format!(
        "export OS_AUTH_URL={auth_url}\nexport OS_USERNAME=admin\nexport OS_PASSWORD={}\n\
         export OS_PROJECT_NAME=admin\nexport OS_USER_DOMAIN_ID=default\nexport OS_PROJECT_DOMAIN_ID=default\n\
         export OS_REGION_NAME={region}\nexport OS_IDENTITY_API_VERSION=3\n",
        passwords.admin
    );
    write_private(&state.openrc(), openrc.as_bytes())
}
