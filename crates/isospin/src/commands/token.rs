//! `isospin token`: a one-time token for the agent of another host.

use anyhow::{Context, Result};
use isospin_network::feed::create_join_token;

use crate::cli::Token;
use crate::state_dir::{StateDir, authority};

#[expect(clippy::print_stdout, reason = "this is the command's answer")]
pub fn run(arguments: Token) -> Result<()> {
    let state = StateDir::new(arguments.place.state_dir)?;
    state.create()?;
    let authority = authority(&state)?;
    let token = create_join_token(&state.join_tokens(), &authority, &arguments.host)
        .with_context(|| format!("cannot write into {}", state.join_tokens().display()))?;
    println!("{token}");
    Ok(())
}
