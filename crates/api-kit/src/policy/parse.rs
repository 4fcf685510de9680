//! The text form: `role:admin or (role:member and project_id:%(project_id)s)`.

use regex::Regex;

use super::check::{CREDENTIALS, Check, Term};

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("unexpected end of the expression")]
    End,
    #[error("unexpected '{0}'")]
    Unexpected(String),
    #[error("'{0}' is not a check of the form kind:match")]
    NotACheck(String),
    #[error("bad regular expression '{0}'")]
    Pattern(String),
    #[error("'{0}' asks another server, which is not supported")]
    Remote(String),
    #[error("'{0}' is nothing a token says; it says {known}, roles and service_roles", known = CREDENTIALS.join(", "))]
    Credential(String),
    #[error("'{0}': the right side is a text or one %(name)s")]
    Template(String),
}

/// Parses an expression; the empty one always holds.
pub fn parse(text: &str) -> Result<Check, ParseError> {
    let tokens = tokens(text);
    if tokens.is_empty() {
        return Ok(Check::Always);
    }
    let mut parser = Parser { tokens, next: 0 };
    let check = parser.any()?;
    match parser.peek() {
        None => Ok(check),
        Some(token) => Err(ParseError::Unexpected(token.to_owned())),
    }
}

/// Splits at white space and parentheses that are not part of `%(name)s` or a quoted text.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut inside = false;
    for character in text.chars() {
        match character {
            '\'' => {
                quoted = !quoted;
                word.push(character);
            }
            _ if quoted => word.push(character),
            '(' if word.ends_with('%') => {
                inside = true;
                word.push(character);
            }
            ')' if inside => {
                inside = false;
                word.push(character);
            }
            '(' | ')' => {
                push(&mut tokens, &mut word);
                tokens.push(character.to_string());
            }
            _ if character.is_whitespace() => push(&mut tokens, &mut word),
            _ => word.push(character),
        }
    }
    push(&mut tokens, &mut word);
    tokens
}

fn push(tokens: &mut Vec<String>, word: &mut String) {
    if !word.is_empty() {
        tokens.push(std::mem::take(word));
    }
}

struct Parser {
    tokens: Vec<String>,
    next: usize,
}

impl Parser {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.next).map(String::as_str)
    }

    fn accept(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.eq_ignore_ascii_case(word));
        if found {
            self.next += 1;
        }
        found
    }

    fn any(&mut self) -> Result<Check, ParseError> {
        let mut parts = vec![self.all()?];
        while self.accept("or") {
            parts.push(self.all()?);
        }
        Ok(single(parts, Check::Any))
    }

    fn all(&mut self) -> Result<Check, ParseError> {
        let mut parts = vec![self.one()?];
        while self.accept("and") {
            parts.push(self.one()?);
        }
        Ok(single(parts, Check::All))
    }

    fn one(&mut self) -> Result<Check, ParseError> {
        if self.accept("not") {
            return Ok(Check::Not(Box::new(self.one()?)));
        }
        if self.accept("(") {
            let inner = self.any()?;
            return if self.accept(")") { Ok(inner) } else { Err(ParseError::End) };
        }
        let token = self.peek().ok_or(ParseError::End)?.to_owned();
        self.next += 1;
        check(&token)
    }
}

fn single(mut parts: Vec<Check>, join: fn(Vec<Check>) -> Check) -> Check {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}

fn check(token: &str) -> Result<Check, ParseError> {
    match token {
        "@" => return Ok(Check::Always),
        "!" => return Ok(Check::Never),
        ")" => return Err(ParseError::Unexpected(token.to_owned())),
        _ => {}
    }
    let not_a_check = || ParseError::NotACheck(token.to_owned());
    let (kind, rest) = split(token).ok_or_else(not_a_check)?;
    if rest.is_empty() {
        return Err(not_a_check());
    }
    match kind {
        "role" | "roles" | "service_roles" if rest.contains("%(") => {
            Err(ParseError::Template(token.to_owned()))
        }
        "role" | "roles" => Ok(Check::Role(rest.to_lowercase())),
        "service_roles" => Ok(Check::ServiceRole(rest.to_lowercase())),
        "rule" => Ok(Check::Rule(rest.to_owned())),
        "field" => field(rest).ok_or_else(not_a_check)?,
        "http" | "https" => Err(ParseError::Remote(token.to_owned())),
        _ => Ok(Check::Compare(left(kind)?, right(rest)?)),
    }
}

/// Splits at the first colon outside quotes.
fn split(token: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    for (index, character) in token.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            ':' if !quoted => return Some((&token[..index], &token[index + 1..])),
            _ => {}
        }
    }
    None
}

/// `COLLECTION:ATTRIBUTE=VALUE`; the attribute may hold colons itself.
fn field(rest: &str) -> Option<Result<Check, ParseError>> {
    let (collection, rest) = rest.split_once(':')?;
    let (attribute, value) = rest.split_once('=')?;
    let (collection, attribute) = (collection.to_owned(), attribute.to_owned());
    Some(match value.strip_prefix('~') {
        None => Ok(Check::Field { collection, attribute, value: value.to_owned() }),
        Some(pattern) => Regex::new(pattern)
            .map(|pattern| Check::FieldMatches { collection, attribute, pattern })
            .map_err(|_| ParseError::Pattern(pattern.to_owned())),
    })
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''))
}

fn left(text: &str) -> Result<Term, ParseError> {
    match (text, quoted(text)) {
        ("True" | "False" | "None", _) => Ok(Term::Literal(text.to_owned())),
        (_, Some(text)) => Ok(Term::Literal(text.to_owned())),
        _ if CREDENTIALS.contains(&text) => Ok(Term::Credential(text.to_owned())),
        _ if text.parse::<f64>().is_ok() => Ok(Term::Literal(text.to_owned())),
        _ => Err(ParseError::Credential(text.to_owned())),
    }
}

fn right(text: &str) -> Result<Term, ParseError> {
    let target = text.strip_prefix("%(").and_then(|text| text.strip_suffix(")s"));
    match (target, quoted(text)) {
        (Some(name), _) if !name.contains("%(") => Ok(Term::Target(name.to_owned())),
        (None, Some(text)) => Ok(Term::Literal(text.to_owned())),
        (None, None) if !text.contains("%(") => Ok(Term::Literal(text.to_owned())),
        _ => Err(ParseError::Template(text.to_owned())),
    }
}
