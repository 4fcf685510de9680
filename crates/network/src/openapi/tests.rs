//! The document is what the tables say, and what is checked in.

use std::collections::BTreeSet;
use std::path::Path;

use isospin_api_kit::attribute::Check;

use super::*;
use crate::resources::route_table;
use crate::routes::Verb;

/// The text as it is checked in.
fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document(&route_table())).expect("JSON");
    text.push('\n');
    text
}

/// `docs/openapi.json` says what the server does. To write it anew:
/// `ISOSPIN_WRITE_OPENAPI=1 cargo nextest run -p isospin-network openapi`.
#[test]
fn the_document_that_is_checked_in_is_the_present_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let text = text();
    if std::env::var_os("ISOSPIN_WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &text).expect("a writable folder");
    }
    let kept = std::fs::read_to_string(&path).expect("docs/openapi.json");
    let differs = kept.lines().zip(text.lines()).position(|(kept, made)| kept != made);
    assert!(
        kept == text,
        "docs/openapi.json is not what the tables say (first at line {}); write it anew with \
         `ISOSPIN_WRITE_OPENAPI=1 cargo nextest run -p isospin-network openapi` or `isospin openapi > \
         docs/openapi.json`",
        differs.map_or_else(|| "of the end".to_owned(), |line| (line + 1).to_string())
    );
}

/// Every `$ref` leads to something, every operation has a name of its own.
#[test]
fn references_lead_somewhere_and_names_are_unique() {
    let document = document(&route_table());
    let mut references = Vec::new();
    collect(&document, "$ref", &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let path = reference.as_str().and_then(|text| text.strip_prefix('#')).expect("a local reference");
        assert!(document.pointer(path).is_some(), "{path}");
    }
    let mut names = Vec::new();
    collect(&document["paths"], "operationId", &mut names);
    assert_eq!(names.len(), route_table().len());
    let distinct: BTreeSet<String> = names.iter().map(|name| name.to_string()).collect();
    assert_eq!(distinct.len(), names.len());
}

/// Nothing is "any value": where the check is code, the table says how values look.
#[test]
fn every_attribute_says_how_its_values_look() {
    let silent: Vec<String> = resources(&route_table())
        .values()
        .flat_map(|resource| resource.attributes().map(move |attribute| (resource.name, attribute)))
        .filter(|(_, attribute)| matches!(attribute.check, Check::Own(_) | Check::Object))
        .filter(|(_, attribute)| attribute.form == Form::Plain)
        .map(|(resource, attribute)| format!("{resource}.{}", attribute.name))
        .collect();
    assert!(silent.is_empty(), "without .form(…): {silent:?}");
}

/// Whoever reads the document knows what to send and what comes back.
#[test]
fn every_operation_says_what_it_takes_and_gives() {
    for route in route_table() {
        let (verb, path) = (route.verb, &route.path);
        let operation = operation::operation(&route);
        let takes = !operation["requestBody"].is_null();
        // These say everything in their URL.
        let urls = path.ends_with("/activate") || path.ends_with("/tags/{tag}") || path == "/v2.0/quotas";
        let wants = matches!(verb, Verb::Post | Verb::Put) && !urls;
        assert_eq!(takes, wants, "body of {verb} {path}");
        let gives = !operation["responses"][route.status().to_string()]["content"].is_null();
        assert_eq!(gives, route.status() != 204, "answer of {verb} {path}");
    }
}

fn collect<'d>(value: &'d Value, key: &str, into: &mut Vec<&'d Value>) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                if name == key {
                    into.push(inner);
                }
                collect(inner, key, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, into)),
        _ => {}
    }
}
