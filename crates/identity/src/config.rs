//! What an operator can set.

use std::path::PathBuf;
use std::time::Duration;

pub use crate::resources::limit::model::LimitModel;

/// Settings of the identity service.
#[derive(Debug, Clone)]
pub struct IdentityConfig {
    /// Root clients reach this service under, without `/v3`: `http://host:5000`.
    pub public_url: String,
    pub tokens: TokenConfig,
    pub passwords: PasswordConfig,
    /// Levels of projects below a domain.
    pub max_project_depth: u32,
    /// How limits of domains and projects go together.
    pub limit_model: LimitModel,
    /// Objects in a list, when the client does not say how many.
    pub list_limit: Option<u64>,
    /// Folder of the keys credentials are sealed with; servers of one region share its content.
    pub credential_key_folder: PathBuf,
}

/// Settings of tokens.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// Where the Fernet keys are; servers of one region share them.
    pub keys_in: KeyPlace,
    /// Their folder. A database without keys takes over those of it.
    pub key_folder: PathBuf,
    /// Keys kept by a rotation, the staged one included; at least 2.
    pub max_active_keys: usize,
    pub lifetime: Duration,
    /// How long after its end a service may still have a token checked (`allow_expired`).
    pub expired_window: Duration,
    /// Whether a scoped token may be exchanged for another.
    pub allow_rescope: bool,
    /// How long part of a login stays good while the rest is fetched (`Openstack-Auth-Receipt`).
    pub receipt_lifetime: Duration,
    /// Checked tokens remembered.
    pub cache_entries: u64,
}

/// Where keys are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// In a folder, in the form of Keystone.
    Folder,
    /// In the database all servers share.
    Database,
}

/// Settings of passwords.
#[derive(Debug, Clone)]
pub struct PasswordConfig {
    /// bcrypt cost: 2^rounds; 4 to 31.
    pub rounds: u32,
    /// Hashes computed at the same time.
    pub threads: usize,
    /// Logins that may wait for a hash; more are told to come back.
    pub queue: usize,
    /// Failed logins under one name in a minute, on each server; more are refused unread.
    pub failures_per_minute: Option<u32>,
    /// Refuse a user after failed logins in a row.
    pub lockout: Option<Lockout>,
    pub compliance: SecurityCompliance,
    /// Passcodes (totp) of so many periods before this one are accepted too; 0 to 10.
    pub previous_passcodes: u32,
}

/// Rules about passwords and idle users, under the names Keystone has for them. The default
/// asks for nothing.
#[derive(Debug, Clone, Default)]
pub struct SecurityCompliance {
    /// Days a password is good.
    pub password_expires_days: Option<u32>,
    /// Passwords a user may not choose again, the one in use among them.
    pub unique_last_password_count: u32,
    /// Days before a password somebody chose may be changed by them.
    pub minimum_password_age: u32,
    /// What a password has to match from its beginning.
    pub password_regex: Option<String>,
    /// The same in words, for users.
    pub password_regex_description: Option<String>,
    /// Days without a login after which a user is disabled.
    pub disable_user_account_days_inactive: Option<u32>,
    /// Whether a password given by an administrator is only good for choosing another.
    pub change_password_upon_first_use: bool,
}

/// When a user is locked out.
#[derive(Debug, Clone, Copy)]
pub struct Lockout {
    /// Failed logins in a row that lock.
    pub attempts: u32,
    /// How long after the last of them.
    pub duration: Duration,
}

impl IdentityConfig {
    /// The defaults of the Identity API (reference/identity-api.md §14).
    #[must_use]
    pub fn new(public_url: impl Into<String>, key_folder: impl Into<PathBuf>) -> Self {
        let key_folder = key_folder.into();
        let credential_key_folder = key_folder.join("credential-keys");
        Self {
            public_url: public_url.into(),
            tokens: TokenConfig {
                keys_in: KeyPlace::Folder,
                key_folder,
                max_active_keys: 3,
                lifetime: Duration::from_secs(3600),
                expired_window: Duration::from_secs(172_800),
                allow_rescope: true,
                receipt_lifetime: Duration::from_secs(300),
                cache_entries: 8192,
            },
            passwords: PasswordConfig {
                rounds: 12,
                threads: 2,
                queue: 256,
                failures_per_minute: Some(60),
                lockout: None,
                compliance: SecurityCompliance::default(),
                previous_passcodes: 1,
            },
            list_limit: None,
            max_project_depth: 5,
            limit_model: LimitModel::default(),
            credential_key_folder,
        }
    }
}
