//! `ISOSPIN_<SECTION>_<KEY>` variables.

use toml::{Table, Value};

/// Sections a variable may speak of; other `ISOSPIN_*` variables are not configuration.
const SECTIONS: &[&str] = &["identity", "network", "feed", "store", "agent", "log", "metrics", "nova"];

/// Puts the variables into the table; the names of those that were used.
pub fn apply(table: &mut Table, variables: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut used = Vec::new();
    for (name, text) in variables {
        let Some((section, key)) = place(&name) else { continue };
        let entry = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = entry {
            section.insert(key, value(&text));
            used.push(name);
        }
    }
    used.sort();
    used
}

fn place(name: &str) -> Option<(String, String)> {
    let rest = name.strip_prefix("ISOSPIN_")?.to_ascii_lowercase();
    let (section, key) = rest.split_once('_')?;
    SECTIONS.contains(&section).then(|| (section.to_owned(), key.to_owned()))
}

/// A number, flag or list where the text reads as one; else the text itself.
fn value(text: &str) -> Value {
    let wrapped: Result<Table, _> = format!("value = {text}").parse();
    match wrapped.ok().and_then(|mut table| table.remove("value")) {
        Some(value @ (Value::Integer(_) | Value::Boolean(_) | Value::Array(_) | Value::Table(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}
