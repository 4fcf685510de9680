//! What every command has in common.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::process::Command;

fn said(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_isospin")).args(arguments).output().expect("it runs");
    assert!(output.status.success(), "isospin {}: {output:?}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_command_takes_a_state_directory() {
    let help = said(&["--help"]);
    let commands: Vec<&str> = help
        .split("Commands:")
        .nth(1)
        .expect("a list of commands")
        .lines()
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    let all = [
        "up", "down", "status", "server", "agent", "attach", "detach", "demo", "policy", "identity", "keys",
        "openapi", "token",
    ];
    assert_eq!(commands, all, "{help}");
    // The document is the same for every installation.
    for command in commands.into_iter().filter(|command| *command != "openapi") {
        let help = said(&[command, "--help"]);
        assert!(help.contains("--state-dir <DIR>"), "isospin {command}: {help}");
    }
}

#[test]
fn an_unknown_flag_is_refused_with_the_nearest_one() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isospin"));
    let output = command.args(["up", "--network-lisen", "127.0.0.1:0"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("'--network-listen'"), "{said}");
}

#[test]
fn an_address_that_is_none_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isospin"));
    let output = command.args(["up", "--identity-listen", "nowhere"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("'nowhere' is not ADDRESS:PORT"), "{said}");
}
