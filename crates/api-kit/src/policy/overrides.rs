//! Declared rules and those of a policy file, put together and checked as one.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{FileError, Overrides, Problem};
use super::{Check, Policy, PolicyError, Rule, Source, parse};

/// Facts every object has.
const ALWAYS_KNOWN: &[&str] = &["project_id", "tenant_id"];

impl Policy {
    /// The declared rules, replaced and supplemented by those of a file. `known` tells
    /// of names nobody declared which nevertheless mean something: rules of attributes.
    ///
    /// # Errors
    /// The declared rules are broken; or everything that is wrong with the file: a text
    /// that does not parse, a name that is no rule here and that no rule refers to, a
    /// reference to nothing, a cycle, a fact no object has.
    pub fn with_overrides<'r>(
        declared: impl IntoIterator<Item = &'r Rule>,
        overrides: Overrides,
        known: impl Fn(&str) -> bool,
    ) -> Result<Self, PolicyError> {
        let mut policy = Self::new(declared)?;
        let declared: BTreeSet<String> = policy.rules.keys().cloned().collect();
        let facts = facts(&policy.rules);
        let mut problems = Vec::new();
        for entry in &overrides.entries {
            let mut note = |reason| problems.push(Problem { line: entry.line, reason });
            let check = match parse::parse(&entry.expression) {
                Ok(check) => check,
                Err(error) => {
                    note(format!("\"{}\": {error}", entry.name));
                    continue;
                }
            };
            for fact in check.facts().into_iter().filter(|fact| !facts.contains(*fact)) {
                note(format!(
                    "\"{}\" asks for '{fact}', which objects do not tell; they tell {}",
                    entry.name,
                    facts.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
                ));
            }
            policy.rules.insert(entry.name.clone(), check);
            let default = policy.sources.get(&entry.name).map(|source| source.expression.clone());
            let source = Source { expression: entry.expression.clone(), line: Some(entry.line), default };
            policy.sources.insert(entry.name.clone(), source);
        }
        let refers = references(&policy.rules);
        for entry in &overrides.entries {
            let mut note = |reason| problems.push(Problem { line: entry.line, reason });
            let name = entry.name.as_str();
            if !declared.contains(name) && !known(name) && !refers.contains(name) {
                note(format!("\"{name}\" is no action of this server, and no rule refers to it"));
            }
            for unknown in unknown_references(&policy.rules, name) {
                note(format!("\"{name}\" refers to \"{unknown}\", which is not declared"));
            }
        }
        if let Some(cycle) = cycle(&policy.rules) {
            let line = cycle.iter().filter_map(|name| policy.sources.get(name)?.line).max().unwrap_or(0);
            problems
                .push(Problem { line, reason: format!("rules refer to each other: {}", cycle.join(" -> ")) });
        }
        if !problems.is_empty() {
            problems.sort_by_key(|problem| problem.line);
            return Err(FileError { origin: overrides.origin, problems }.into());
        }
        policy.note_views();
        policy.origin = Some(overrides.origin);
        Ok(policy)
    }

    /// Keeps apart which attributes of a resource have rules on being seen that the
    /// attribute tables know nothing of.
    fn note_views(&mut self) {
        let added =
            self.sources.iter().filter(|(_, source)| source.line.is_some() && source.default.is_none());
        for (name, _) in added {
            if let Some((resource, attribute)) =
                name.strip_prefix("get_").and_then(|name| name.split_once(':'))
            {
                self.views.entry(resource.to_owned()).or_default().push(attribute.to_owned());
            }
        }
    }
}

/// What the declared rules ask of objects: exactly what objects tell.
fn facts(rules: &BTreeMap<String, Check>) -> BTreeSet<String> {
    let mut facts: BTreeSet<String> = ALWAYS_KNOWN.iter().map(|fact| (*fact).to_owned()).collect();
    for fact in rules.values().flat_map(Check::facts) {
        facts.insert(fact.to_owned());
        // The older spelling means the same.
        if let Some(parent) = fact.strip_suffix("project_id") {
            facts.insert(format!("{parent}tenant_id"));
        }
    }
    facts
}

fn references(rules: &BTreeMap<String, Check>) -> BTreeSet<&str> {
    rules.values().flat_map(Check::references).collect()
}

/// Rules the named one refers to that are not there.
pub(super) fn unknown_references<'r>(rules: &'r BTreeMap<String, Check>, name: &str) -> Vec<&'r str> {
    let references = rules.get(name).map(Check::references).unwrap_or_default();
    references.into_iter().filter(|other| !rules.contains_key(*other)).collect()
}

/// A chain of rules that leads back to its start, if there is one.
pub(super) fn cycle(rules: &BTreeMap<String, Check>) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    rules.keys().find_map(|name| walk(rules, name, &mut Vec::new(), &mut done))
}

fn walk<'r>(
    rules: &'r BTreeMap<String, Check>,
    name: &'r str,
    way: &mut Vec<&'r str>,
    done: &mut BTreeSet<&'r str>,
) -> Option<Vec<String>> {
    if let Some(start) = way.iter().position(|passed| *passed == name) {
        let round = way.iter().skip(start).copied().chain([name]);
        return Some(round.map(str::to_owned).collect());
    }
    if !done.insert(name) {
        return None;
    }
    way.push(name);
    let found = rules
        .get(name)
        .map(Check::references)
        .unwrap_or_default()
        .into_iter()
        .find_map(|other| walk(rules, other, way, done));
    way.pop();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Caller;
    use crate::policy::Target;

    const DECLARED: &[Rule] = &[
        Rule::new("admin_only", "role:admin"),
        Rule::new("owner", "project_id:%(project_id)s"),
        Rule::new("shared", "field:networks:shared=True"),
        Rule::new("get_thing", "rule:admin_only or rule:owner"),
        Rule::new("update_thing", "rule:admin_only"),
        Rule::new("get_thing:secret", "rule:admin_only"),
    ];

    fn policy(text: &str) -> Result<Policy, String> {
        let overrides = Overrides::parse("policy.yaml", text).expect("a file");
        Policy::with_overrides(DECLARED, overrides, |name| name == "get_thing:size")
            .map_err(|error| error.to_string())
    }

    fn member() -> Caller {
        Caller {
            project_id: "p".to_owned(),
            roles: ["member", "netops"].map(str::to_owned).into(),
            ..Caller::default()
        }
    }

    #[test]
    fn a_named_rule_replaces_the_default_completely() {
        let own = Target::owned_by("p");
        let before = policy("").expect("the defaults");
        assert!(before.allows("get_thing", &member(), &own));
        assert!(!before.allows("update_thing", &member(), &own));
        let after =
            policy("get_thing: '!'\nnetops: role:netops\nupdate_thing: rule:admin_only or rule:netops\n")
                .expect("overrides");
        assert!(!after.allows("get_thing", &member(), &own));
        assert!(after.allows("update_thing", &member(), &own));
        assert!(after.overrides("get_thing") && !after.overrides("get_thing:secret"));
    }

    #[test]
    fn attributes_without_a_rule_can_get_one() {
        let after = policy("get_thing:size: rule:admin_only\n").expect("overrides");
        assert!(!after.allows_attribute("get_thing:size", &member(), &Target::owned_by("p")));
        assert_eq!(after.further_views("thing"), ["size"]);
        assert!(policy("").expect("the defaults").further_views("thing").is_empty());
    }

    #[test]
    fn everything_wrong_is_told_at_once_with_its_line() {
        let cases: &[(&str, &[&str])] = &[
            ("get_things: '@'\n", &["policy.yaml:1: \"get_things\" is no action of this server"]),
            ("get_thing: rule:nobody\n", &["policy.yaml:1: \"get_thing\" refers to \"nobody\""]),
            ("\nget_thing: role:a role:b\n", &["policy.yaml:2: \"get_thing\": unexpected 'role:b'"]),
            ("get_thing: http://host/check\n", &["policy.yaml:1: \"get_thing\": 'http://host/check'"]),
            ("get_thing: colour:%(project_id)s\n", &["'colour' is nothing a token says"]),
            ("get_thing: \"'x':%(colour)s\"\n", &["asks for 'colour', which objects do not tell"]),
            (
                "a: rule:b\nb: not rule:a\nget_thing: rule:a\n",
                &["policy.yaml:2: rules refer to each other: a -> b -> a"],
            ),
            (
                "get_thing: rule:get_thing\n",
                &["policy.yaml:1: rules refer to each other: get_thing -> get_thing"],
            ),
            (
                "get_thing: '('\nupdate_thing: rule:x\nnothing: '@'\n",
                &["policy.yaml:1: ", "policy.yaml:2: ", "policy.yaml:3: "],
            ),
        ];
        for (text, messages) in cases {
            let found = policy(text).map(|_| ()).expect_err(text);
            for message in *messages {
                assert!(found.contains(message), "{text:?}: {found}");
            }
        }
    }

    #[test]
    fn a_decision_shows_its_way() {
        let after =
            policy("netops: role:netops\nupdate_thing: rule:admin_only or rule:netops\n").expect("overrides");
        let decision = after.explain("update_thing", &member(), &Target::new());
        assert!(decision.allowed);
        let steps: Vec<String> = decision.steps.iter().map(ToString::to_string).collect();
        assert_eq!(
            steps,
            [
                "holds: update_thing = rule:admin_only or rule:netops (policy.yaml:2)",
                "  holds: netops = role:netops (policy.yaml:1)",
            ]
        );
        let decision = after.explain("get_thing", &Caller::default(), &Target::owned_by("p"));
        assert!(!decision.allowed);
        assert_eq!(decision.steps.len(), 3, "{:?}", decision.steps);
        assert!(!after.explain("get_things", &member(), &Target::new()).allowed);
    }
}
