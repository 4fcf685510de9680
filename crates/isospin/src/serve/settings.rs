//! The configuration as the services take it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use isospin_api_kit::policy::{Overrides, Policy};
use isospin_api_kit::service_user::ServiceUser;
use isospin_identity::Rotation;
use isospin_identity::config::{IdentityConfig, KeyPlace, LimitModel, Lockout, SecurityCompliance};
use isospin_identity::keystone::KeystoneConfig;
use isospin_network::background::nova::NovaConfig;
use isospin_network::{SegmentRange, Settings};

use crate::config;
use crate::state_dir::StateDir;

/// The password of a section: what its file holds, if one is named.
fn password(section: &str, file: Option<&Path>, given: &str) -> Result<String> {
    let Some(path) = file else { return Ok(given.to_owned()) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{section} password_file: cannot read {}", path.display()))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

/// The user of a section that asks another service.
macro_rules! service_user {
    ($section:literal, $config:expr) => {
        ServiceUser {
            auth_url: $config.auth_url.clone(),
            username: $config.username.clone(),
            password: password($section, $config.password_file.as_deref(), &$config.password)?,
            user_domain_name: $config.user_domain_name.clone(),
            project_name: $config.project_name.clone(),
            project_domain_name: $config.project_domain_name.clone(),
            cafile: $config.cafile.clone(),
        }
    };
}

/// The Nova that is told what becomes of instances' ports, if any is.
pub fn nova(config: &config::Nova) -> Result<Option<NovaConfig>> {
    if config.auth_url.is_empty() {
        return Ok(None);
    }
    if !["public", "internal", "admin"].contains(&config.endpoint_type.as_str()) {
        bail!("[nova] endpoint_type: '{}' is not public, internal or admin", config.endpoint_type);
    }
    Ok(Some(NovaConfig {
        user: service_user!("[nova]", config),
        region_name: config.region_name.clone(),
        endpoint_type: config.endpoint_type.clone(),
        endpoint_override: config.endpoint_override.clone(),
    }))
}

/// The Keystone that checks tokens.
pub fn keystone(config: &config::Keystone) -> Result<KeystoneConfig> {
    if config.auth_url.is_empty() {
        bail!("[identity.keystone] auth_url: mode = \"keystone\" needs the URL of a Keystone");
    }
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    Ok(KeystoneConfig {
        user: service_user!("[identity.keystone]", config),
        cache_time: seconds(config.cache_time),
        outage_time: seconds(config.outage_time),
        cache_entries: 16_384,
        timeout: Duration::from_secs(5),
    })
}

/// How `isospin keys rotate` rotates.
pub fn rotation(config: &config::Identity, force: bool) -> Rotation {
    let lifetime = Duration::from_secs(u64::from(config.token_expiration));
    Rotation { max_active: config.max_active_keys, lifetime, force }
}

/// Settings of the Identity API.
pub fn identity(config: &config::Identity, state: &StateDir, url: &str) -> IdentityConfig {
    let mut settings = IdentityConfig::new(url, state.keys());
    settings.tokens.lifetime = Duration::from_secs(u64::from(config.token_expiration));
    settings.tokens.max_active_keys = config.max_active_keys;
    settings.tokens.keys_in = match config.key_repository {
        config::KeyRepository::Folder => KeyPlace::Folder,
        config::KeyRepository::Database => KeyPlace::Database,
    };
    let failures = config.failed_logins_per_minute;
    settings.passwords.failures_per_minute = (failures > 0).then_some(failures);
    settings.passwords.rounds = config.password_rounds;
    settings.passwords.lockout = (config.lockout_failure_attempts > 0).then(|| Lockout {
        attempts: config.lockout_failure_attempts,
        duration: Duration::from_secs(u64::from(config.lockout_duration)),
    });
    settings.passwords.compliance = compliance(&config.security_compliance);
    settings.passwords.previous_passcodes = config.totp_included_previous_windows;
    settings.list_limit = (config.list_limit > 0).then_some(config.list_limit);
    settings.credential_key_folder = state.credential_keys();
    settings.limit_model = match config.limit_model {
        config::LimitModel::Flat => LimitModel::Flat,
        config::LimitModel::StrictTwoLevel => LimitModel::StrictTwoLevel,
    };
    settings
}

fn compliance(config: &config::SecurityCompliance) -> SecurityCompliance {
    let number = |number: u32| (number > 0).then_some(number);
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    SecurityCompliance {
        password_expires_days: number(config.password_expires_days),
        unique_last_password_count: config.unique_last_password_count,
        minimum_password_age: config.minimum_password_age,
        password_regex: text(&config.password_regex),
        password_regex_description: text(&config.password_regex_description),
        disable_user_account_days_inactive: number(config.disable_user_account_days_inactive),
        change_password_upon_first_use: config.change_password_upon_first_use,
    }
}

/// The policies of both services.
pub struct Policies {
    pub identity: Policy,
    pub network: Policy,
}

/// What the actions of the Identity API begin with.
pub const IDENTITY: &str = "identity:";

/// The policies: built in, under the file of the configuration, which has the rules of
/// both services.
pub fn policies(config: &config::Network, state: &StateDir) -> Result<Policies> {
    let usual = state.policy();
    let file = match &config.policy_file {
        Some(path) => Some(path.clone()),
        None => usual.exists().then_some(usual),
    };
    let mut network = file.as_deref().map(Overrides::read).transpose()?;
    let own = |name: &str| isospin_network::resources::policy_rules().any(|rule| rule.name == name);
    let identity = network.as_mut().map(|overrides| overrides.take(IDENTITY, own));
    Ok(Policies {
        identity: isospin_identity::policy::policy(identity)?,
        network: isospin_network::resources::policy(network)?,
    })
}

/// Settings of the Network API.
pub fn network(config: &config::Network, agent: &config::Agent) -> Result<Settings> {
    for network_type in &config.tenant_network_types {
        if !["local", "vlan", "vxlan", "gre", "geneve"].contains(&network_type.as_str()) {
            bail!(
                "[network] tenant_network_types: '{network_type}' is not local, vlan, vxlan, gre or geneve"
            );
        }
    }
    let mut vlan_ranges: BTreeMap<String, Vec<SegmentRange>> = BTreeMap::new();
    for (physical_network, texts) in &config.vlan_ranges {
        vlan_ranges.insert(physical_network.clone(), ranges("vlan_ranges", texts, 4094)?);
    }
    Ok(Settings {
        tenant_network_types: config.tenant_network_types.clone(),
        vxlan_ranges: ranges("vxlan_ranges", &config.vxlan_ranges, 16_777_215)?,
        gre_ranges: ranges("gre_ranges", &config.gre_ranges, u32::MAX)?,
        geneve_ranges: ranges("geneve_ranges", &config.geneve_ranges, 16_777_215)?,
        vlan_ranges,
        flat_networks: config.flat_networks.iter().cloned().collect(),
        global_physnet_mtu: config.global_physnet_mtu,
        path_mtu: config.path_mtu,
        dns_domain: config.dns_domain.trim_end_matches('.').to_owned(),
        quotas: config.quotas.0.clone(),
        pagination_max_limit: config.pagination_max_limit,
        default_availability_zone: agent.availability_zone.clone(),
        ..Settings::default()
    })
}

/// `FIRST:LAST` texts as ranges of ids up to `most`.
fn ranges(key: &str, texts: &[String], most: u32) -> Result<Vec<SegmentRange>> {
    texts
        .iter()
        .map(|text| {
            let wrong = || format!("[network] {key}: '{text}' is not FIRST:LAST within 1:{most}");
            let (first, last) = text.split_once(':').with_context(wrong)?;
            let first: u32 = first.trim().parse().ok().with_context(wrong)?;
            let last: u32 = last.trim().parse().ok().with_context(wrong)?;
            if first == 0 || first > last || last > most {
                bail!(wrong());
            }
            Ok(SegmentRange { first, last })
        })
        .collect()
}
