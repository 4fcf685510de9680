//! What a token of an application credential may be used for, when its owner has
//! narrowed it: single requests of single services.
//!
//! Paths are patterns as keystonemiddleware reads them: `*` and `{anything}` stand for
//! one part of a path, `**` for any number of characters.

/// One request that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRule {
    pub id: String,
    /// Type of the service: `network`.
    pub service: String,
    /// In upper case.
    pub method: String,
    pub path: String,
}

/// Whether one of the rules allows this request of this service.
#[must_use]
pub fn permits(rules: &[AccessRule], service: &str, method: &str, path: &str) -> bool {
    rules.iter().any(|rule| rule.service == service && rule.method == method && matches(&rule.path, path))
}

/// A step of a pattern.
#[derive(Clone, Copy)]
enum Step {
    Is(char),
    /// One character within a part.
    Within,
    /// Any number of them.
    Part,
    /// Any number of any characters.
    Any,
}

impl Step {
    /// Whether it may stand for nothing.
    fn may_be_empty(self) -> bool {
        matches!(self, Self::Part | Self::Any)
    }

    fn takes(self, letter: char) -> bool {
        match self {
            Self::Is(wanted) => wanted == letter,
            Self::Within | Self::Part => letter != '/',
            Self::Any => true,
        }
    }
}

fn steps(mut pattern: &str) -> Vec<Step> {
    let mut steps = Vec::with_capacity(pattern.len());
    while let Some(first) = pattern.chars().next() {
        let named = pattern.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        if let Some(rest) = pattern.strip_prefix("**") {
            steps.push(Step::Any);
            pattern = rest;
        } else if let Some(rest) = pattern.strip_prefix('*').or(named.map(|(_, rest)| rest)) {
            steps.extend([Step::Within, Step::Part]);
            pattern = rest;
        } else {
            steps.push(Step::Is(first));
            pattern = &pattern[first.len_utf8()..];
        }
    }
    steps
}

/// Whether the pattern stands for the path. All ways to read it are followed at once:
/// the time is that of the one length times the other, whatever is in the pattern.
fn matches(pattern: &str, path: &str) -> bool {
    let steps = steps(pattern);
    // reached[i]: the path so far can be read as the steps before i.
    let mut reached = vec![false; steps.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    skip_empty(&steps, &mut reached);
    for letter in path.chars() {
        let mut next = vec![false; reached.len()];
        for (at, step) in steps.iter().enumerate().filter(|(at, step)| reached[*at] && step.takes(letter)) {
            next[if step.may_be_empty() { at } else { at + 1 }] = true;
        }
        skip_empty(&steps, &mut next);
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

fn skip_empty(steps: &[Step], reached: &mut [bool]) {
    for (at, step) in steps.iter().enumerate() {
        if reached[at] && step.may_be_empty() {
            reached[at + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_keystonemiddleware_reads_them() {
        let cases = [
            ("/v2.0/networks", "/v2.0/networks", true),
            ("/v2.0/networks", "/v2.0/networks/x", false),
            ("/v2.0/networks", "/v2X0/networks", false),
            ("/v2.0/networks/*", "/v2.0/networks/x", true),
            ("/v2.0/networks/*", "/v2.0/networks/", false),
            ("/v2.0/networks/*", "/v2.0/networks/x/tags", false),
            ("/v2.0/*/x", "/v2.0/ports/x", true),
            ("/v2.0/{kind}/{id}", "/v2.0/ports/x", true),
            ("/v2.0/{kind}/{id}", "/v2.0/ports/x/y", false),
            ("/v2.0/**", "/v2.0/ports/x/y", true),
            ("/v2.0/**", "/v2.0/", true),
            ("/v2.0/**/tags", "/v2.0/ports/x/tags", true),
            ("/v2.0/**/tags", "/v2.0/ports/x/tag", false),
            ("**", "", true),
            ("*", "", false),
            ("/é*", "/éa", true),
            ("/{open", "/{open", true),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn service_and_method_must_be_those_of_the_rule() {
        let rule = |service: &str, method: &str| AccessRule {
            id: String::new(),
            service: service.to_owned(),
            method: method.to_owned(),
            path: "/v2.0/networks".to_owned(),
        };
        let rules = [rule("network", "GET"), rule("compute", "POST")];
        assert!(permits(&rules, "network", "GET", "/v2.0/networks"));
        assert!(!permits(&rules, "network", "POST", "/v2.0/networks"));
        assert!(!permits(&rules, "compute", "GET", "/v2.0/networks"));
        assert!(!permits(&[], "network", "GET", "/v2.0/networks"));
    }
}
