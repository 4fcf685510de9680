//! The sections of the configuration file and their defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use isospin_network::QuotaDefaults;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Where a service listens and how others reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen(pub std::net::SocketAddr);

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl std::str::FromStr for Listen {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!("'{text}' is not ADDRESS:PORT (an IP address and a port; port 0 takes a free one)")
        })
    }
}

/// Who says what tokens are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityMode {
    /// The Identity API of this program.
    BuiltIn,
    /// A Keystone elsewhere; no Identity API is served here.
    Keystone,
}

/// Where the keys of tokens are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyRepository {
    /// `fernet-keys` of the state directory.
    Folder,
    /// The database (PostgreSQL), for all servers on it.
    Database,
}

/// How limits of domains and of their projects go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitModel {
    /// Not at all.
    Flat,
    /// A project has no more than its domain.
    StrictTwoLevel,
}

/// `[identity]`: the Identity API.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    pub mode: IdentityMode,
    /// ADDRESS:PORT; port 0 takes a free one.
    pub listen: Listen,
    /// URL in the catalog; "" = made from the address it listens on.
    pub public_url: String,
    /// Seconds a token is valid.
    pub token_expiration: u32,
    /// Cost of bcrypt, 4-31.
    pub password_rounds: u32,
    pub key_repository: KeyRepository,
    /// Fernet keys kept, at least 3.
    pub max_active_keys: usize,
    /// Failed logins under one name in a minute, on each server; 0 = any number.
    pub failed_logins_per_minute: u32,
    /// Failed logins in a row that lock an account; 0 = never.
    pub lockout_failure_attempts: u32,
    /// Seconds an account stays locked.
    pub lockout_duration: u32,
    /// How limits of domains and of their projects go together.
    pub limit_model: LimitModel,
    /// Objects in a list when the client does not say how many; 0 = all.
    pub list_limit: u64,
    /// Earlier passcodes (totp) that are accepted, 0-10.
    pub totp_included_previous_windows: u32,
    /// Region of the catalog.
    pub region: String,
    pub security_compliance: SecurityCompliance,
    pub keystone: Keystone,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            mode: IdentityMode::BuiltIn,
            listen: Listen(([127, 0, 0, 1], 5000).into()),
            public_url: String::new(),
            token_expiration: 3600,
            password_rounds: 12,
            key_repository: KeyRepository::Folder,
            max_active_keys: 3,
            failed_logins_per_minute: 60,
            lockout_failure_attempts: 0,
            lockout_duration: 1800,
            limit_model: LimitModel::Flat,
            list_limit: 0,
            totp_included_previous_windows: 1,
            region: "RegionOne".to_owned(),
            security_compliance: SecurityCompliance::default(),
            keystone: Keystone::default(),
        }
    }
}

/// `[identity.security_compliance]`: rules about passwords and idle users. 0 and "" = off.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityCompliance {
    /// Days a password is good.
    pub password_expires_days: u32,
    /// Passwords a user may not choose again, the one in use among them.
    pub unique_last_password_count: u32,
    /// Days before a password somebody chose may be changed by them.
    pub minimum_password_age: u32,
    /// Regular expression a password has to match from its beginning.
    pub password_regex: String,
    /// The same in words, for users.
    pub password_regex_description: String,
    /// Days without a login after which a user is disabled.
    pub disable_user_account_days_inactive: u32,
    /// Whether a password an administrator gives has to be changed at once.
    pub change_password_upon_first_use: bool,
}

/// `[identity.keystone]`: the Keystone of `mode = "keystone"`.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keystone {
    /// `http://host:5000/v3`.
    pub auth_url: String,
    /// The user this server asks as; with the role `service` or `admin`.
    pub username: String,
    pub password: String,
    /// File that holds the password.
    pub password_file: Option<PathBuf>,
    pub user_domain_name: String,
    pub project_name: String,
    pub project_domain_name: String,
    /// Authorities of https, PEM.
    pub cafile: PathBuf,
    /// Seconds an answer is good: a token revoked there is refused here after that.
    pub cache_time: u32,
    /// Seconds known tokens go on while it cannot be reached.
    pub outage_time: u32,
}

impl Default for Keystone {
    fn default() -> Self {
        Self {
            auth_url: String::new(),
            username: "isospin".to_owned(),
            password: String::new(),
            password_file: None,
            user_domain_name: "Default".to_owned(),
            project_name: "service".to_owned(),
            project_domain_name: "Default".to_owned(),
            cafile: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
            cache_time: 60,
            outage_time: 900,
        }
    }
}

impl std::fmt::Debug for Keystone {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keystone")
            .field("auth_url", &self.auth_url)
            .field("username", &self.username)
            .field("password_file", &self.password_file)
            .field("user_domain_name", &self.user_domain_name)
            .field("project_name", &self.project_name)
            .field("project_domain_name", &self.project_domain_name)
            .field("cafile", &self.cafile)
            .field("cache_time", &self.cache_time)
            .field("outage_time", &self.outage_time)
            .finish_non_exhaustive()
    }
}

/// `[network]`: the Network API.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    pub listen: Listen,
    pub public_url: String,
    /// Types tried in order for networks of projects: local, vlan, vxlan, gre, geneve.
    pub tenant_network_types: Vec<String>,
    /// "FIRST:LAST".
    pub vxlan_ranges: Vec<String>,
    pub gre_ranges: Vec<String>,
    pub geneve_ranges: Vec<String>,
    /// Physical network -> ["FIRST:LAST"].
    pub vlan_ranges: BTreeMap<String, Vec<String>>,
    /// Physical networks usable for flat networks; "*" = any.
    pub flat_networks: Vec<String>,
    pub global_physnet_mtu: u32,
    pub path_mtu: u32,
    pub dns_domain: String,
    /// Objects on a page at most; 0 = as many as asked for.
    pub pagination_max_limit: u64,
    /// Rules over the built-in ones; none = `policy.yaml` of the state directory, when
    /// it is there.
    pub policy_file: Option<PathBuf>,
    pub quotas: Quotas,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            listen: Listen(([127, 0, 0, 1], 9696).into()),
            public_url: String::new(),
            tenant_network_types: vec!["vxlan".to_owned()],
            vxlan_ranges: vec!["1:16777215".to_owned()],
            gre_ranges: Vec::new(),
            geneve_ranges: Vec::new(),
            vlan_ranges: BTreeMap::new(),
            flat_networks: vec!["*".to_owned()],
            global_physnet_mtu: 1500,
            path_mtu: 0,
            dns_domain: "openstacklocal".to_owned(),
            pagination_max_limit: 0,
            policy_file: None,
            quotas: Quotas::default(),
        }
    }
}

/// `[network.quotas]`: limits for projects without their own; -1 = unlimited. Its keys are
/// the kinds the Network API counts.
#[derive(Debug, Clone, Default)]
pub struct Quotas(pub QuotaDefaults);

impl<'de> Deserialize<'de> for Quotas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        static KNOWN: LazyLock<Vec<&'static str>> =
            LazyLock::new(|| QuotaDefaults::default().by_resource.into_keys().collect());
        let mut quotas = QuotaDefaults::default();
        for (name, limit) in BTreeMap::<String, i64>::deserialize(deserializer)? {
            let known = KNOWN.iter().find(|known| **known == name);
            let known = known.ok_or_else(|| D::Error::unknown_field(&name, &KNOWN))?;
            quotas.by_resource.insert(known, limit);
        }
        Ok(Self(quotas))
    }
}

/// `[feed]`: the agents' side of the server.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Feed {
    pub listen: Listen,
    /// Names and addresses agents reach the server by, beside the one it listens on.
    pub names: Vec<String>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { listen: Listen(([127, 0, 0, 1], 9697).into()), names: Vec::new() }
    }
}

/// `[store]`: the database.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `postgresql://…`; "" = SQLite in the state directory.
    pub url: String,
    /// File that holds the URL, when it has a password in it.
    pub url_file: Option<PathBuf>,
    /// Connections to PostgreSQL at most; 3 or more.
    pub connections: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self { url: String::new(), url_file: None, connections: 16 }
    }
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// error, warn, info, debug, trace, or directives as `info,isospin_agent=debug`.
    pub level: String,
    /// "text" or "json".
    pub format: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: "text".to_owned() }
    }
}

/// `[metrics]`: where each process answers `GET /metrics` in Prometheus' text form; absent
/// = nowhere. Whoever reaches the address may read them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    pub server_listen: Option<Listen>,
    pub agent_listen: Option<Listen>,
}

/// `[nova]`: the Nova that is told what becomes of instances' ports; no `auth_url` = none is.
/// The same on all servers.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nova {
    /// `http://host:5000/v3`.
    pub auth_url: String,
    /// The user events are sent as; with the role `service` or `admin`.
    pub username: String,
    pub password: String,
    /// File that holds the password.
    pub password_file: Option<PathBuf>,
    pub user_domain_name: String,
    pub project_name: String,
    pub project_domain_name: String,
    /// Authorities of https, PEM.
    pub cafile: PathBuf,
    /// Region of the catalog; "" = any.
    pub region_name: String,
    /// Interface of the catalog: public, internal or admin.
    pub endpoint_type: String,
    /// URL of Nova's API; "" = as the catalog says.
    pub endpoint_override: String,
}

impl Default for Nova {
    fn default() -> Self {
        Self {
            auth_url: String::new(),
            username: "neutron".to_owned(),
            password: String::new(),
            password_file: None,
            user_domain_name: "Default".to_owned(),
            project_name: "service".to_owned(),
            project_domain_name: "Default".to_owned(),
            cafile: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
            region_name: String::new(),
            endpoint_type: "public".to_owned(),
            endpoint_override: String::new(),
        }
    }
}

impl std::fmt::Debug for Nova {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nova")
            .field("auth_url", &self.auth_url)
            .field("username", &self.username)
            .field("password_file", &self.password_file)
            .field("region_name", &self.region_name)
            .field("endpoint_type", &self.endpoint_type)
            .field("endpoint_override", &self.endpoint_override)
            .finish_non_exhaustive()
    }
}
