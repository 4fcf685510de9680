//! `isospin openapi`: the Network API as a document.

use anyhow::Result;
use isospin_network::{openapi, resources};

#[expect(clippy::print_stdout, reason = "this is the command's answer")]
pub fn run() -> Result<()> {
    println!("{}", serde_json::to_string_pretty(&openapi::document(&resources::route_table()))?);
    Ok(())
}
