//! Why a policy decides as it does, for operators.

use std::fmt;

use super::{Check, Policy, Target};
use crate::Caller;

/// A rule on the way to a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How deep below the action: 0 is the action itself.
    pub depth: usize,
    /// The rule's name and expression, or the check that decided.
    pub text: String,
    pub holds: bool,
}

/// A decision and the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    pub steps: Vec<Step>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.holds { "holds" } else { "fails" };
        write!(f, "{:indent$}{sign}: {}", "", self.text, indent = 2 * self.depth)
    }
}

impl Policy {
    /// As [`Policy::allows`], and which checks decided: of alternatives the one that
    /// held, of conditions the one that failed.
    #[must_use]
    pub fn explain(&self, action: &str, caller: &Caller, target: &Target<'_>) -> Decision {
        let mut way = Way { policy: self, caller, target, steps: Vec::new() };
        let allowed = match self.check_of(action) {
            Some(check) => way.rule(action, check, 0),
            None => {
                let text = format!("\"{action}\" is no action this server knows; unknown actions are denied");
                way.steps.push(Step { depth: 0, text, holds: false });
                false
            }
        };
        Decision { allowed, steps: way.steps }
    }
}

struct Way<'w> {
    policy: &'w Policy,
    caller: &'w Caller,
    target: &'w Target<'w>,
    steps: Vec<Step>,
}

impl Way<'_> {
    fn rule(&mut self, name: &str, check: &Check, depth: usize) -> bool {
        let holds = self.holds(check);
        let text = match self.policy.source(name) {
            Some(source) => format!("{name} = {} ({})", source.expression, self.policy.place(name)),
            None => name.to_owned(),
        };
        self.steps.push(Step { depth, text, holds });
        self.inside(check, depth + 1);
        holds
    }

    fn holds(&self, check: &Check) -> bool {
        self.policy.holds(check, self.caller, self.target)
    }

    /// The parts that decided whether the check holds.
    fn inside(&mut self, check: &Check, depth: usize) {
        match check {
            Check::Any(parts) => match parts.iter().find(|part| self.holds(part)) {
                Some(part) => self.part(part, depth),
                None => parts.iter().for_each(|part| self.part(part, depth)),
            },
            Check::All(parts) => match parts.iter().find(|part| !self.holds(part)) {
                Some(part) => self.part(part, depth),
                None => parts.iter().for_each(|part| self.part(part, depth)),
            },
            Check::Not(inner) => self.part(inner, depth),
            Check::Rule(name) => {
                if let Some(check) = self.policy.check_of(name) {
                    self.rule(name, check, depth);
                }
            }
            _ => {}
        }
    }

    fn part(&mut self, check: &Check, depth: usize) {
        match check {
            Check::Rule(_) | Check::Any(_) | Check::All(_) => self.inside(check, depth),
            _ => {
                let holds = self.holds(check);
                self.steps.push(Step { depth, text: check.to_string(), holds });
                self.inside(check, depth + 1);
            }
        }
    }
}
