//! The nearest known name, for a key that is not known.

/// Adds "did you mean" to an error that names an unknown field and the known ones.
pub fn with_suggestion(message: &str) -> String {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let Some((unknown, known)) = names.split_first() else { return message.to_owned() };
    if !message.contains("unknown field") {
        return message.to_owned();
    }
    match known.iter().min_by_key(|name| distance(unknown, name)) {
        Some(nearest) if distance(unknown, nearest) <= unknown.len() / 2 => {
            format!("{}\ndid you mean `{nearest}`?", message.trim_end())
        }
        _ => message.to_owned(),
    }
}

/// Edits that turn one text into the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
