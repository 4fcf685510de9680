//! A mechanism driver and a firewall are folders and a registration: nothing else in
//! shipped code knows their names (ARCHITECTURE.md, "A way to wire ports").

use std::path::{Path, PathBuf};

/// Crates that are shipped and could know; `host-io` speaks to tools by their names.
const SHIPPED: [&str; 4] = ["agent", "feed", "network", "isospin"];
/// Where drivers are registered.
const DRIVERS: [&str; 4] = [
    "crates/agent/src/l2/mod.rs",
    "crates/network/src/drivers/mod.rs",
    "crates/network/src/drivers/mechanism.rs",
    "crates/isospin/src/config/agent.rs",
];
/// Hints of ports name back ends whether they are loaded or not (reference/network-extensions).
const HINTS: [&str; 2] =
    ["crates/network/src/resources/port/forms.rs", "crates/network/src/resources/port/rules/checks.rs"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// The folders in a folder, but those with tests.
fn folders(path: &str) -> Vec<String> {
    let entries =
        std::fs::read_dir(root().join(path)).expect("a folder").map(|entry| entry.expect("an entry"));
    let names = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name != "tests").collect()
}

/// Sources of a folder with their paths from the root; not those that are tests as a whole.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.trim_end_matches(".rs").ends_with("tests") || name == "testing.rs" {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            let from_root =
                path.strip_prefix(root()).expect("in the workspace").to_string_lossy().into_owned();
            found.push((from_root, text));
        }
    }
}

/// Lines of shipped code, without comments and unit tests, that fit.
fn lines(fits: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in SHIPPED {
        sources(&root().join("crates").join(name).join("src"), &mut found);
    }
    let code = |text: &str| text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
    let of_file = |(path, text): (String, String)| {
        let lines: Vec<String> = code(&text).lines().map(|line| line.trim().to_owned()).collect();
        lines.into_iter().filter(|line| !line.starts_with("//")).map(move |line| (path.clone(), line))
    };
    found.into_iter().flat_map(of_file).filter(|(_, line)| fits(line)).collect()
}

#[test]
fn a_mechanism_driver_is_known_where_it_is_registered_only() {
    let drivers = folders("crates/agent/src/l2");
    assert!(drivers.len() >= 2, "{drivers:?}");
    for driver in drivers {
        let own =
            [format!("crates/agent/src/l2/{driver}/"), format!("crates/network/src/drivers/mech_{driver}/")];
        for folder in &own {
            assert!(root().join(folder).is_dir(), "{folder}");
        }
        let names = |line: &str| line.to_lowercase().replace('_', "").contains(&driver);
        let elsewhere: Vec<_> = lines(names)
            .into_iter()
            .filter(|(path, _)| !own.iter().any(|folder| path.starts_with(folder.as_str())))
            .filter(|(path, _)| !DRIVERS.contains(&path.as_str()) && !HINTS.contains(&path.as_str()))
            .collect();
        assert!(elsewhere.is_empty(), "{driver}: {elsewhere:#?}");
    }
}

#[test]
fn a_firewall_is_known_to_what_wires_ports_only() {
    let firewalls: Vec<String> = folders("crates/agent/src/firewall")
        .into_iter()
        .filter(|name| !["evaluator", "policy"].contains(&name.as_str()))
        .collect();
    assert!(firewalls.len() >= 2, "{firewalls:?}");
    for firewall in firewalls {
        let own = format!("crates/agent/src/firewall/{firewall}/");
        let names = |line: &str| {
            line.contains(&format!("firewall::{firewall}")) || line.contains(&format!("mod {firewall};"))
        };
        let elsewhere: Vec<_> = lines(names)
            .into_iter()
            .filter(|(path, _)| !path.starts_with(&own) && !path.starts_with("crates/agent/src/l2/"))
            .filter(|(path, _)| path != "crates/agent/src/firewall/mod.rs")
            .collect();
        assert!(elsewhere.is_empty(), "{firewall}: {elsewhere:#?}");
    }
}
