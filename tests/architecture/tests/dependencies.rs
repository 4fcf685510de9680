//! Dependencies between our crates run one way (design: "agent and host-io never on
//! store-kit, api-kit, network; types on nothing of ours; only the binary on everything").

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each crate with the crates of ours it may use in shipped code.
const ALLOWED: &[(&str, &[&str])] = &[
    ("isospin-types", &[]),
    ("isospin-store-kit", &["isospin-types"]),
    ("isospin-api-kit", &["isospin-types", "isospin-store-kit"]),
    ("isospin-feed", &["isospin-types"]),
    ("isospin-host-io", &["isospin-types"]),
    ("isospin-agent", &["isospin-types", "isospin-feed", "isospin-host-io"]),
    ("isospin-identity", &["isospin-types", "isospin-api-kit", "isospin-store-kit"]),
    ("isospin-network", &["isospin-types", "isospin-api-kit", "isospin-store-kit", "isospin-feed"]),
    ("isospin-client", &["isospin-types"]),
];

/// Crates that may use anything: the binary and what only tests and measures.
const FREE: &[&str] = &[
    "isospin",
    "isospin-testkit",
    "isospin-bench",
    "isospin-architecture",
    "isospin-conformance",
    "isospin-consistency",
    "isospin-system",
    "xtask",
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .expect("cargo metadata runs");
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// Our crates and what each depends on of ours, outside of tests.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    packages
        .iter()
        .map(|package| {
            let used = package["dependencies"]
                .as_array()
                .expect("dependencies")
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(name)
                .filter(|dependency| ours.contains(dependency))
                .collect();
            (name(package), used)
        })
        .collect()
}

#[test]
fn dependencies_run_one_way() {
    let mut wrong = Vec::new();
    for (package, used) in graph() {
        if FREE.contains(&package.as_str()) {
            continue;
        }
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package) else {
            wrong.push(format!("{package} is in no list of tests/architecture"));
            continue;
        };
        for dependency in used.iter().filter(|dependency| !allowed.contains(&dependency.as_str())) {
            wrong.push(format!("{package} must not use {dependency}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_shipped_uses_what_is_for_tests() {
    let for_tests = ["isospin-testkit", "isospin-bench"];
    for (package, used) in graph() {
        let shipped = package == "isospin" || ALLOWED.iter().any(|(name, _)| *name == package);
        assert!(
            !shipped || !used.iter().any(|dependency| for_tests.contains(&dependency.as_str())),
            "{package} uses a crate that is for tests"
        );
    }
}
