//! `isospin keys`: the keys tokens are sealed with.

use anyhow::Result;
use isospin_identity::{Rotated, rotate_folder, rotate_stored};

use crate::cli::{Installation, Keys, KeysCommand, RotateKeys};
use crate::config::{Config, KeyRepository};
use crate::serve::{open_store, settings};
use crate::state_dir::StateDir;

pub async fn run(arguments: Keys) -> Result<()> {
    match arguments.command {
        KeysCommand::Rotate(rotation) => rotate(arguments.installation, &rotation).await,
    }
}

async fn rotate(installation: Installation, wanted: &RotateKeys) -> Result<()> {
    let config = Config::load(installation.config.as_deref(), std::env::vars())?;
    let state = StateDir::new(installation.state_dir)?;
    let rotation = settings::rotation(&config.identity, wanted.force);
    let rotated = match config.identity.key_repository {
        KeyRepository::Folder => rotate_folder(&state.keys(), &rotation)?,
        KeyRepository::Database => {
            let store = open_store(&config, &state).await?;
            rotate_stored(&store, &rotation).await?
        }
    };
    say(&rotated);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is the command's answer")]
fn say(rotated: &Rotated) {
    println!("Key {} seals tokens from now on.", rotated.primary);
    for number in &rotated.removed {
        println!("Key {number} is gone.");
    }
}
