//! Generated passwords, and the files clients read them from.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::state_dir::{StateDir, read_json, write_json, write_private};

/// Id of the domain every identity service begins with.
const DEFAULT_DOMAIN: &str = "default";

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

/// Where a user works.
pub enum Place {
    Project { name: String, domain: String },
    System,
}

/// All a client needs to log in.
pub struct Access {
    /// Root of the Identity API, with or without `/v3`.
    pub identity_url: String,
    pub user: String,
    pub user_domain: String,
    pub password: String,
    pub place: Place,
    pub region: String,
}

impl Access {
    fn auth_url(&self) -> String {
        let root = self.identity_url.trim_end_matches('/');
        format!("{}/v3", root.strip_suffix("/v3").unwrap_or(root))
    }

    /// Names of clouds.yaml and OS_* variables with their values.
    fn place(&self) -> Vec<(&'static str, &str)> {
        match &self.place {
            Place::Project { name, domain } => {
                let domain_key = by_id(domain, "project_domain_id", "project_domain_name");
                vec![("project_name", name), (domain_key, domain)]
            }
            Place::System => vec![("system_scope", "all")],
        }
    }
}

/// The first domain goes by its id, which stays when its name is changed.
fn by_id<'n>(domain: &str, id: &'n str, name: &'n str) -> &'n str {
    if domain == DEFAULT_DOMAIN { id } else { name }
}

/// A `clouds.yaml` with these clouds, by their names.
pub fn clouds_yaml(clouds: &[(&str, &Access)]) -> String {
    let mut text = "clouds:\n".to_owned();
    for (name, access) in clouds {
        let auth_url = access.auth_url();
        let mut auth = vec![
            ("auth_url", auth_url.as_str()),
            ("username", &access.user),
            ("password", &access.password),
            (by_id(&access.user_domain, "user_domain_id", "user_domain_name"), &access.user_domain),
        ];
        auth.extend(access.place());
        text.push_str(&format!("  {}:\n    auth:\n", in_yaml(name)));
        for (key, value) in auth {
            text.push_str(&format!("      {key}: {}\n", in_yaml(value)));
        }
        text.push_str(&format!(
            "    region_name: {}\n    identity_api_version: 3\n",
            in_yaml(&access.region)
        ));
    }
    text
}

/// A file of `OS_*` variables to be read by a shell.
pub fn openrc(access: &Access) -> String {
    let auth_url = access.auth_url();
    let mut variables = vec![
        ("auth_url", auth_url.as_str()),
        ("username", &access.user),
        ("password", &access.password),
        (by_id(&access.user_domain, "user_domain_id", "user_domain_name"), &access.user_domain),
    ];
    variables.extend(access.place());
    variables.extend([("region_name", access.region.as_str()), ("identity_api_version", "3")]);
    variables
        .into_iter()
        .map(|(name, value)| format!("export OS_{}={}\n", name.to_uppercase(), in_shell(value)))
        .collect()
}

/// Whether a text means itself, unquoted, in YAML and in a shell.
fn is_plain(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte))
        && !text.ends_with(':')
        && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str())
}

/// JSON's texts are YAML's.
fn in_yaml(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

fn in_shell(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Writes `clouds.yaml` and `admin-openrc` of the users bootstrap makes.
pub fn write_client_files(
    state: &StateDir,
    passwords: &Passwords,
    identity_url: &str,
    region: &str,
) -> Result<()> {
    let access = |user: &str, password: &str| Access {
        identity_url: identity_url.to_owned(),
        user: user.to_owned(),
        user_domain: DEFAULT_DOMAIN.to_owned(),
        password: password.to_owned(),
        place: Place::Project { name: user.to_owned(), domain: DEFAULT_DOMAIN.to_owned() },
        region: region.to_owned(),
    };
    let (admin, demo) = (access("admin", &passwords.admin), access("demo", &passwords.demo));
    let clouds = clouds_yaml(&[("isospin", &admin), ("isospin-demo", &demo)]);
    write_private(&state.clouds_yaml(), clouds.as_bytes())?;
    write_private(&state.openrc(), openrc(&admin).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_password_is_made_of_comes_out_the_same() {
        let password = "it's \"$HOME\" \\ `x`: #1";
        let access = Access {
            identity_url: "http://h:5000/v3/".to_owned(),
            user: "u".to_owned(),
            user_domain: "Default".to_owned(),
            password: password.to_owned(),
            place: Place::System,
            region: "RegionOne".to_owned(),
        };
        let shell = format!("{}printf %s \"$OS_PASSWORD|$OS_AUTH_URL|$OS_SYSTEM_SCOPE\"", openrc(&access));
        let output = std::process::Command::new("sh").args(["-c", &shell]).output().expect("a shell");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{password}|http://h:5000/v3|all"));
        let clouds = clouds_yaml(&[("c", &access)]);
        let line =
            clouds.lines().find_map(|line| line.trim().strip_prefix("password: ")).expect("a password");
        assert_eq!(serde_json::from_str::<String>(line).expect("quoted"), password);
        for odd in ["no", "12345", "", "a b", "x: y", "x:"] {
            assert!(!is_plain(odd), "{odd}");
        }
    }
}
