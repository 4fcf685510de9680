//! Configuration: one TOML file, every key with a default, unknown keys refused.
//!
//! Order of precedence: flags, then `ISOSPIN_<SECTION>_<KEY>` variables, then the
//! file, then the defaults written here.

mod agent;
mod environment;
mod sections;
mod suggest;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Table;

pub use agent::Agent;
pub use sections::{
    Feed, Identity, IdentityMode, KeyRepository, Keystone, LimitModel, Listen, Log, Metrics, Network, Nova,
    SecurityCompliance, Store,
};

/// The whole configuration of a process.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub identity: Identity,
    pub network: Network,
    pub feed: Feed,
    pub store: Store,
    pub agent: Agent,
    pub log: Log,
    pub metrics: Metrics,
    pub nova: Nova,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration file {path}: {source}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{origin}: {reason}")]
    Invalid { origin: String, reason: String },
}

impl Config {
    /// Reads the file, if one is named, and the variables.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, has an unknown key or a value of
    /// another type; the message names the place and the nearest known key.
    pub fn load(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let (mut table, mut origin) = (Table::new(), "configuration".to_owned());
        if let Some(path) = file {
            origin = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
            // Deserialised from the text first, so that errors name the line.
            toml::from_str::<Self>(&text).map_err(|error| invalid(&origin, &error))?;
            table = text.parse().map_err(|error| invalid(&origin, &error))?;
        }
        let overridden = environment::apply(&mut table, variables);
        if !overridden.is_empty() {
            origin = format!("{origin} with {}", overridden.join(", "));
        }
        table.try_into().map_err(|error| invalid(&origin, &error))
    }
}

fn invalid(origin: &str, error: &toml::de::Error) -> ConfigError {
    ConfigError::Invalid { origin: origin.to_owned(), reason: suggest::with_suggestion(&error.to_string()) }
}

#[cfg(test)]
mod tests;
