use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("isospin.toml");
    std::fs::write(&path, text).expect("a file");
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(&path), variables)
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let config = load("", &[]).expect("defaults");
    assert_eq!(config.network.listen.0.port(), 9696);
    assert_eq!(config.agent.physical_networks["external"].bridge, "br-ex");
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_name() {
    let error = load("[network]\nglobal_physnet_mut = 9000\n", &[]).expect_err("unknown key").to_string();
    assert!(error.contains("line 2"), "{error}");
    assert!(error.contains("did you mean `global_physnet_mtu`?"), "{error}");
}

#[test]
fn variables_win_over_the_file() {
    let config = load(
        "[network]\ndns_domain = \"a\"\n",
        &[
            ("ISOSPIN_NETWORK_DNS_DOMAIN", "b.example"),
            ("ISOSPIN_AGENT_VXLAN_PORT", "8472"),
            ("ISOSPIN_TEST_X", "1"),
        ],
    )
    .expect("a configuration");
    assert_eq!(config.network.dns_domain, "b.example");
    assert_eq!(config.agent.vxlan_port, 8472);
    let error = load("", &[("ISOSPIN_FEED_LISTENS", "x")]).expect_err("unknown").to_string();
    assert!(error.contains("ISOSPIN_FEED_LISTENS") && error.contains("did you mean `listen`?"), "{error}");
}

#[test]
fn a_quota_in_the_file_stands_beside_the_other_defaults() {
    let config = load("[network.quotas]\nsubnetpool = 3\n", &[]).expect("a configuration");
    let limits = &config.network.quotas.0.by_resource;
    assert_eq!((limits["subnetpool"], limits["port"], limits["trunk"]), (3, 500, -1));
    let error = load("[network.quotas]\nprot = 1\n", &[]).expect_err("unknown key").to_string();
    assert!(error.contains("did you mean `port`?"), "{error}");
}

/// The example of the operator guide: the block of its configuration section.
fn example() -> String {
    block("Configuration")
}

/// What is indented in a section of the operator guide.
fn block(title: &str) -> String {
    let page = include_str!("../../../../docs/operator-guide.md");
    let section = page.split("\n## ").find(|section| section.starts_with(title)).expect("a section");
    let lines = section.lines().filter(|line| line.is_empty() || line.starts_with("    "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_rules_about_passwords_of_the_operator_guide_can_be_set() {
    let rules =
        load(&block("Rules about passwords"), &[]).expect("a configuration").identity.security_compliance;
    assert_eq!((rules.password_expires_days, rules.minimum_password_age), (90, 1));
    assert_eq!(rules.password_regex, r"^(?=.*\d)(?=.*[a-zA-Z]).{7,}$");
}

#[test]
fn the_example_of_the_operator_guide_shows_the_defaults() {
    let example = example();
    let shown = load(&example, &[]).expect("the example is a configuration");
    assert_eq!(format!("{shown:#?}"), format!("{:#?}", Config::default()));
}

#[test]
fn the_example_of_the_operator_guide_has_every_key() {
    let example = example();
    let mut section = String::new();
    let mut known = BTreeMap::<String, BTreeSet<String>>::new();
    for line in example.lines().map(|line| line.trim().trim_start_matches("# ")) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            known.entry(section.clone()).or_default().insert(key.to_owned());
        }
    }
    for (section, keys) in known {
        // An unknown key is answered with all known ones.
        let error = load(&format!("[{section}]\nnothing = 1\n"), &[]).expect_err("unknown").to_string();
        let all = error.split_once("expected").expect("the known keys").1;
        let all: BTreeSet<String> =
            all.lines().next().unwrap_or_default().split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let shown: BTreeSet<String> = keys;
        let missing: Vec<&String> = all
            .difference(&shown)
            .filter(|key| {
                !["quotas", "physical_networks", "keystone", "openvswitch", "security_compliance"]
                    .contains(&key.as_str())
            })
            .collect();
        assert!(missing.is_empty(), "[{section}] of the guide says nothing of {missing:?}");
    }
}
