//! `policy.yaml`: the file in which operators replace rules (oslo.policy's format).
//!
//! A mapping of names to expressions. An expression is a text, or in the old form a
//! list of lists: the outer list means "or", an inner one "and". JSON is YAML.

use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

/// A rule as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub expression: String,
    /// Counted from 1.
    pub line: usize,
}

/// What is wrong with one line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// 0 = the file as a whole.
    pub line: usize,
    pub reason: String,
}

/// A policy file that cannot be used, with everything that is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(origin, problems))]
pub struct FileError {
    pub origin: String,
    pub problems: Vec<Problem>,
}

fn lines(origin: &str, problems: &[Problem]) -> String {
    let line = |problem: &Problem| match problem.line {
        0 => format!("{origin}: {}", problem.reason),
        line => format!("{origin}:{line}: {}", problem.reason),
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The rules of a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overrides {
    /// The file, as messages name it.
    pub origin: String,
    pub entries: Vec<Entry>,
}

impl Overrides {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or as [`Overrides::parse`].
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let origin = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&origin, &text),
            Err(error) => Err(FileError {
                origin,
                problems: vec![Problem { line: 0, reason: format!("cannot be read: {error}") }],
            }),
        }
    }

    /// Reads the text of a file. An empty one overrides nothing.
    ///
    /// # Errors
    /// No YAML, or something else than a mapping of names to expressions; names the line.
    pub fn parse(origin: &str, text: &str) -> Result<Self, FileError> {
        match entries(text) {
            Ok(entries) => Ok(Self { origin: origin.to_owned(), entries }),
            Err(problem) => Err(FileError { origin: origin.to_owned(), problems: vec![problem] }),
        }
    }
}

impl Overrides {
    /// Takes out the rules of another service, whose actions begin with `prefix`, with the
    /// further rules of the file they are made of. Of those, what `own` names or what is
    /// left refers to stays here too.
    #[must_use]
    pub fn take(&mut self, prefix: &str, own: impl Fn(&str) -> bool) -> Self {
        let (mut theirs, mut ours): (Vec<Entry>, Vec<Entry>) =
            self.entries.drain(..).partition(|entry| entry.name.starts_with(prefix));
        let mut next = 0;
        while let Some(entry) = theirs.get(next) {
            let wanted = references(entry);
            let known = |name: &str| theirs.iter().any(|entry| entry.name == name);
            let further: Vec<Entry> = ours
                .iter()
                .filter(|entry| wanted.contains(&entry.name) && !known(&entry.name))
                .cloned()
                .collect();
            theirs.extend(further);
            next += 1;
        }
        let taken = |name: &str| theirs.iter().any(|entry| entry.name == name);
        while let Some(index) = ours.iter().position(|entry| {
            let used = ours.iter().any(|other| references(other).contains(&entry.name));
            taken(&entry.name) && !own(&entry.name) && !used
        }) {
            ours.remove(index);
        }
        self.entries = ours;
        theirs.sort_by_key(|entry| entry.line);
        Self { origin: self.origin.clone(), entries: theirs }
    }
}

/// Names of the rules an entry refers to; none when it does not parse, which is told later.
fn references(entry: &Entry) -> Vec<String> {
    let check = super::parse::parse(&entry.expression).ok();
    check.iter().flat_map(super::Check::references).map(str::to_owned).collect()
}

fn entries(text: &str) -> Result<Vec<Entry>, Problem> {
    let mut reader = Reader { parser: Parser::new_from_str(text) };
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_), _) => {}
            (Event::MappingStart(..), _) => break,
            (Event::StreamEnd, _) => return Ok(entries),
            // A document of nothing but comments.
            (Event::Scalar(text, ScalarStyle::Plain, _, None), _) if matches!(&*text, "" | "~" | "null") => {}
            (Event::DocumentEnd, _) => {}
            (_, line) => return Err(wrong(line, "expected a mapping of rule names to expressions")),
        }
    }
    loop {
        let (name, line) = match reader.next()? {
            (Event::Scalar(name, ..), line) => (name.into_owned(), line),
            (Event::MappingEnd, _) => break,
            (_, line) => return Err(wrong(line, "expected the name of a rule")),
        };
        if let Some(first) = entries.iter().find(|entry| entry.name == name) {
            return Err(wrong(
                line,
                format!("\"{name}\" is here for the second time, first on line {}", first.line),
            ));
        }
        let expression = reader.expression(&name)?;
        entries.push(Entry { name, expression, line });
    }
    match reader.rest()? {
        None => Ok(entries),
        Some(line) => Err(wrong(line, "expected one document only")),
    }
}

fn wrong(line: usize, reason: impl Into<String>) -> Problem {
    Problem { line, reason: reason.into() }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, usize), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, line(&span))),
            Some(Err(error)) => Err(scan(&error)),
            None => Err(wrong(0, "ends in the middle")),
        }
    }

    /// The expression of the rule `name`, as one text.
    fn expression(&mut self, name: &str) -> Result<String, Problem> {
        match self.next()? {
            (Event::Scalar(text, ScalarStyle::Plain, _, None), line)
                if matches!(&*text, "" | "~" | "null" | "Null" | "NULL") =>
            {
                Err(wrong(
                    line,
                    format!("\"{name}\" has no expression: write \"@\" for everybody, \"!\" for nobody"),
                ))
            }
            (Event::Scalar(text, _, _, None), _) => Ok(text.into_owned()),
            (Event::Scalar(_, _, _, Some(_)), line) => {
                Err(wrong(line, format!("\"{name}\": put the expression in quotes")))
            }
            (Event::SequenceStart(..), _) => self.any(name),
            (_, line) => {
                Err(wrong(line, format!("\"{name}\": expected an expression, or a list of lists of checks")))
            }
        }
    }

    /// The outer list of the old form; an empty one always holds.
    fn any(&mut self, name: &str) -> Result<String, Problem> {
        let mut parts = Vec::new();
        let mut items = 0;
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => break,
                (Event::Scalar(text, _, _, None), _) => parts.push(text.into_owned()),
                (Event::SequenceStart(..), _) => parts.extend(self.all(name)?),
                (_, line) => {
                    return Err(wrong(line, format!("\"{name}\": expected a check or a list of them")));
                }
            }
            items += 1;
        }
        Ok(match (items, parts.is_empty()) {
            (0, _) => "@".to_owned(),
            (_, true) => "!".to_owned(),
            _ => parts.join(" or "),
        })
    }

    /// An inner list; an empty one says nothing.
    fn all(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut parts = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => break,
                (Event::Scalar(text, _, _, None), _) => parts.push(text.into_owned()),
                (_, line) => return Err(wrong(line, format!("\"{name}\": expected a check"))),
            }
        }
        Ok(match parts.len() {
            0 => None,
            1 => parts.pop(),
            _ => Some(format!("({})", parts.join(" and "))),
        })
    }

    /// Where something follows the mapping, if it does.
    fn rest(&mut self) -> Result<Option<usize>, Problem> {
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(None),
                (_, line) => return Ok(Some(line)),
            }
        }
    }
}

fn line(span: &Span) -> usize {
    span.start.line()
}

fn scan(error: &ScanError) -> Problem {
    wrong(error.marker().line(), format!("not YAML: {}", error.info()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<(String, String, usize)>, String> {
        Overrides::parse("policy.yaml", text)
            .map(|overrides| {
                overrides
                    .entries
                    .into_iter()
                    .map(|entry| (entry.name, entry.expression, entry.line))
                    .collect()
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn all_forms_people_have_are_read() {
        let cases = [
            ("\"a\": \"role:x\"", "role:x"),
            ("a: role:x or role:y", "role:x or role:y"),
            ("{\"a\": \"@\"}", "@"),
            ("a: \"\"", ""),
            ("a: []", "@"),
            ("a: [[]]", "!"),
            ("a: [\"role:x\", \"role:y\"]", "role:x or role:y"),
            (
                "a:\n  - [\"role:x\", \"tenant_id:%(tenant_id)s\"]\n  - [\"role:y\"]",
                "(role:x and tenant_id:%(tenant_id)s) or role:y",
            ),
            ("a: >-\n  role:x\n  or role:y\n", "role:x or role:y"),
        ];
        for (text, expression) in cases {
            let found = parsed(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("a", expression), "{text}");
        }
        assert_eq!(
            parsed("# mine\n\na: role:x\n\n# more\nb: '!'\n"),
            Ok(vec![("a".to_owned(), "role:x".to_owned(), 3), ("b".to_owned(), "!".to_owned(), 6)])
        );
    }

    #[test]
    fn rules_of_two_services_in_one_file_are_told_apart() {
        let text = "owner: '@'\nops: role:ops\nboth: role:both\nleft: rule:ops\nid:a: rule:left\nb: rule:both\n\
                    id:c: rule:both or rule:owner\n";
        let mut overrides = Overrides::parse("policy.yaml", text).expect("a file");
        let theirs = overrides.take("id:", |name| name == "owner");
        let names = |overrides: &Overrides| -> Vec<String> {
            overrides.entries.iter().map(|entry| entry.name.clone()).collect()
        };
        assert_eq!(names(&theirs), ["owner", "ops", "both", "left", "id:a", "id:c"]);
        assert_eq!(names(&overrides), ["owner", "both", "b"]);
    }

    #[test]
    fn files_without_rules_override_nothing() {
        for text in ["", "# nothing\n", "---\n", "{}", "---\n# nothing\n...\n"] {
            assert_eq!(parsed(text), Ok(Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_line() {
        let cases = [
            ("a: @", "policy.yaml:1: not YAML"),
            ("a: role:x\nb:\n", "policy.yaml:2: \"b\" has no expression"),
            ("a: !\n", "policy.yaml:1: \"a\": put the expression in quotes"),
            ("a: '@'\nb: '@'\na: '!'\n", "policy.yaml:3: \"a\" is here for the second time, first on line 1"),
            ("- a\n- b\n", "policy.yaml:1: expected a mapping"),
            ("a:\n  b: c\n", "policy.yaml:2: \"a\": expected an expression"),
            ("a: '@'\n---\nb: '@'\n", "policy.yaml:2: expected one document only"),
            ("a: \"role:x\n", "not YAML"),
            ("a: [[[\"role:x\"]]]", "policy.yaml:1: \"a\": expected a check"),
        ];
        for (text, message) in cases {
            let found = parsed(text).expect_err(text);
            assert!(found.contains(message), "{text:?}: {found}");
        }
    }
}
