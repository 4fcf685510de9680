//! `isospin policy`: the rules in force, and what they say.

use std::process::ExitCode;

use anyhow::Result;
use isospin_api_kit::Caller;
use isospin_api_kit::policy::{Policy, Source, Target};
use isospin_identity::bootstrap::with_implied;

use crate::cli::{self, PolicyCheck, PolicyCommand};
use crate::config::Config;
use crate::serve::settings;
use crate::state_dir::StateDir;

#[expect(clippy::print_stdout, reason = "this is the command's answer")]
pub fn run(arguments: cli::Policy) -> Result<ExitCode> {
    let config = Config::load(arguments.config.as_deref(), std::env::vars())?;
    let state = StateDir::new(arguments.state_dir)?;
    let policies = settings::policies(&config.network, &state)?;
    match arguments.command {
        PolicyCommand::Show { overridden, service } => {
            let policy = match service {
                cli::Service::Identity => &policies.identity,
                cli::Service::Network => &policies.network,
            };
            print!("{}", shown(policy, overridden));
            Ok(ExitCode::SUCCESS)
        }
        PolicyCommand::Check(question) => {
            let identity = question.action.starts_with(settings::IDENTITY);
            let policy = if identity { &policies.identity } else { &policies.network };
            let (allowed, text) = answer(policy, &question);
            print!("{text}");
            Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// The rules as a policy file; those of the operator's file say what they replace.
fn shown(policy: &Policy, overridden: bool) -> String {
    let rules = policy.sources().filter(|(_, source)| source.line.is_some() || !overridden);
    rules.map(|(name, source)| rule(policy, name, source)).collect()
}

fn rule(policy: &Policy, name: &str, source: &Source) -> String {
    let note = match (source.line, &source.default) {
        (None, _) => String::new(),
        (Some(_), None) => format!("# {}, added\n", policy.place(name)),
        (Some(_), Some(default)) => format!("# {}, instead of {}\n", policy.place(name), quoted(default)),
    };
    format!("{note}{}: {}\n", quoted(name), quoted(&source.expression))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Yes or no, and the way to it.
fn answer(policy: &Policy, question: &PolicyCheck) -> (bool, String) {
    let caller = Caller {
        user_id: question.user.clone(),
        project_id: question.project.clone(),
        domain_id: question.domain.clone(),
        system_scope: question.system,
        roles: question.roles.iter().flat_map(|role| with_implied(role)).collect(),
        ..Caller::default()
    };
    let mut target = Target::new();
    if !question.target.iter().any(|(name, _)| name == "project_id" || name == "tenant_id") {
        target = target.with("project_id", &question.project);
    }
    for (name, value) in &question.target {
        target = target.with(name, value);
    }
    let decision = policy.explain(&question.action, &caller, &target);
    let steps: String = decision.steps.iter().map(|step| format!("  {step}\n")).collect();
    (decision.allowed, format!("{}\n{steps}", if decision.allowed { "yes" } else { "no" }))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use isospin_api_kit::policy::Overrides;

    use super::*;

    fn policy(text: &str) -> Policy {
        let overrides = Overrides::parse("policy.yaml", text).expect("a file");
        isospin_network::resources::policy(Some(overrides)).expect("a policy")
    }

    fn asked(policy: &Policy, words: &str) -> (bool, String) {
        let words = ["isospin", "policy", "check"].into_iter().chain(words.split(' '));
        match cli::Cli::parse_from(words).command {
            cli::Command::Policy(cli::Policy { command: PolicyCommand::Check(question), .. }) => {
                answer(policy, &question)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn answers_name_the_rule_that_decides() {
        let policy = policy("update_network: rule:admin_only\nget_network:mtu: role:admin\n");
        let (allowed, text) = asked(&policy, "create_network --role manager --project p");
        assert!(allowed, "{text}");
        assert!(text.starts_with("yes\n  holds: create_network = "), "{text}");
        let (allowed, text) = asked(&policy, "update_network --role member --project p");
        assert!(!allowed && text.contains("= rule:admin_only (policy.yaml:1)"), "{text}");
        let (allowed, text) = asked(&policy, "get_network --role reader --project p --target project_id=q");
        assert!(!allowed, "{text}");
        let words = "get_network --role reader --project p --target project_id=q --target shared=True";
        assert!(asked(&policy, words).0);
        let (allowed, text) = asked(&policy, "fly_network --role admin");
        assert!(!allowed && text.contains("no action this server knows"), "{text}");
    }

    #[test]
    fn the_rules_of_identity_are_asked_alike() {
        let overrides =
            Overrides::parse("policy.yaml", "identity:create_domain: role:founder\n").expect("a file");
        let policy = isospin_identity::policy::policy(Some(overrides)).expect("a policy");
        assert!(asked(&policy, "identity:create_domain --role founder").0);
        assert!(!asked(&policy, "identity:create_domain --role admin").0);
        let words = "identity:create_user --role manager --domain d --target target.user.domain_id=";
        assert!(asked(&policy, &format!("{words}d")).0);
        assert!(!asked(&policy, &format!("{words}e")).0);
        assert!(asked(&policy, "identity:list_services --role reader --system").0);
        assert!(!asked(&policy, "identity:list_services --role reader --project p").0);
        let unknown = Overrides::parse("policy.yaml", "identity:fly: '@'\n").expect("a file");
        assert!(isospin_identity::policy::policy(Some(unknown)).is_err());
    }

    #[test]
    fn what_is_shown_is_a_policy_file_again() {
        let policy = policy("update_network: rule:admin_only\nget_network:mtu: role:admin\n");
        let all = shown(&policy, false);
        assert!(all.contains("# policy.yaml:1, instead of \"rule:admin_or_owner_member\"\n\"update_network\": \"rule:admin_only\"\n"), "{all}");
        assert!(all.contains("# policy.yaml:2, added\n"), "{all}");
        let own = Overrides::parse("shown", &shown(&policy, true)).expect("a file");
        let names: Vec<&str> = own.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["get_network:mtu", "update_network"]);
        let again =
            isospin_network::resources::policy(Some(Overrides::parse("shown", &all).expect("a file")));
        assert!(again.is_ok());
    }
}
