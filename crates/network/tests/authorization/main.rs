//! Who may do what: every route and every writable attribute, asked by everybody
//! about everything, against a table transcribed from the reference.
//!
//! The routes and attributes come from the API's own tables; what is expected does
//! not: [`grants`] reads the reference's notation and knows no policy engine. A route
//! without a row in [`reference`] and a fixture in [`fixtures`] fails.

#![expect(clippy::expect_used, reason = "a panic is a failed test")]

mod cases;
mod fixtures;
mod grants;
mod place;
mod reference;
mod values;
mod world;

use std::collections::BTreeMap;

use isospin_network::resources::route_table;
use isospin_network::routes::{Access, Route, Shape, Verb};
use serde_json::Value;

use cases::{Cases, Tally};
use fixtures::{Fixture, fixtures};
use place::Persona;
use reference::{Row, rows};
use world::World;

/// The row that speaks of a rule: `update_network`, `add_extraroutes`,
/// `get_floatingip_port_forwarding`, `delete_port:tags`.
fn row_of(action: &str) -> Option<&'static Row> {
    let action = action.strip_suffix(":tags").unwrap_or(action);
    let named = action.split_once('_').map(|(_, name)| name);
    rows()
        .find(|row| row.actions.iter().any(|(known, _)| *known == action))
        .or_else(|| rows().find(|row| named == Some(row.resource)))
}

/// Routes of each row, by name of its resource.
fn routes_by_row(table: &[Route]) -> (BTreeMap<&'static str, Vec<Route>>, Vec<String>) {
    let mut routes: BTreeMap<&str, Vec<Route>> = BTreeMap::new();
    let mut without = Vec::new();
    for route in table {
        let Some(action) = route.action() else { continue };
        match row_of(action) {
            Some(row) => routes.entry(row.resource).or_default().push(route.clone()),
            None => without.push(format!("{} {}: no row for the rule {action}", route.verb, route.path)),
        }
    }
    (routes, without)
}

/// What is asked of each resource.
#[derive(Debug, Clone, Copy)]
enum Question {
    /// Who may do what.
    Permission,
    /// Whether the same said twice changes anything.
    Repetition,
}

async fn run(question: Question, row: &'static Row, fixture: &'static Fixture, routes: Vec<Route>) -> Tally {
    let about = |route: &&Route| {
        matches!(route.shape, Shape::List | Shape::Show)
            && route.resource.is_some_and(|resource| {
                let action = route.action().unwrap_or_default();
                action.split_once('_').map(|(_, name)| name) == Some(row.resource)
                    && row.resource.ends_with(resource.name)
            })
    };
    let listed = routes.iter().find(about).expect("a route that shows the resource");
    let collection = listed.path.trim_end_matches("/{id}").to_owned();
    let resource = listed.resource.expect("a resource");
    let cases = Cases::new(row, fixture, resource, collection).await;
    match question {
        Question::Permission => cases.run(&routes).await,
        Question::Repetition => cases.repeat(&routes).await,
    }
}

/// Asks it of every resource: how many cases there are, and what is wrong.
#[expect(clippy::print_stdout, reason = "where the cases are, for who reads what a test prints")]
async fn run_all(question: Question) -> (usize, Vec<String>) {
    let (routes, mut wrong) = routes_by_row(&route_table());
    let unused = rows().filter(|row| !routes.contains_key(row.resource));
    wrong.extend(unused.map(|row| format!("{}: a row without a route", row.resource)));
    let mut running = Vec::new();
    for (resource, routes) in routes {
        let row = rows().find(|row| row.resource == resource).expect("a row");
        match fixtures().find(|fixture| fixture.resource == resource) {
            Some(fixture) => running.push((resource, tokio::spawn(run(question, row, fixture, routes)))),
            None => wrong.push(format!("{resource}: no fixture")),
        }
    }
    let mut cases = 0;
    for (resource, task) in running {
        match task.await {
            Ok(tally) => {
                println!("{resource}: {} cases", tally.cases);
                cases += tally.cases;
                wrong.extend(tally.wrong);
            }
            Err(error) => wrong.push(format!("{resource}: {error}")),
        }
    }
    println!("{cases} cases");
    (cases, wrong)
}

/// N24, N25, N27: who is not named by the reference gets nowhere, who is named does,
/// for each route, attribute, persona and owner.
#[tokio::test(flavor = "multi_thread")]
async fn n27_everybody_may_do_what_the_reference_says_and_nothing_else() {
    let (cases, wrong) = run_all(Question::Permission).await;
    assert!(wrong.is_empty(), "{} of {cases} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 5_000, "only {cases} cases: routes or attributes are missing from the tables");
}

/// Every PUT of the route table, for each attribute it takes.
#[tokio::test(flavor = "multi_thread")]
async fn every_put_said_again_changes_nothing() {
    let (cases, wrong) = run_all(Question::Repetition).await;
    assert!(wrong.is_empty(), "{} of {cases} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 200, "only {cases} cases: routes or attributes are missing from the tables");
}

/// What is no project's secret is for everybody with a token; what is for nobody's
/// eyes alone needs none.
#[tokio::test]
async fn routes_without_a_rule_show_nothing_of_projects() {
    let world = World::new().await;
    let secret = [place::OURS, place::OTHER];
    for route in route_table() {
        let path = route.path.replace("{alias}", "agent");
        let reading = route.verb == Verb::Get;
        match route.access {
            Access::Rule(_) => {}
            Access::Open => {
                assert!(reading, "{} {path} changes things for everybody", route.verb);
                let (status, _) = world.ask(Persona::Nobody, route.verb, &path, &Value::Null).await;
                assert_eq!(status, 200, "{path}");
            }
            Access::Token => {
                let (status, _) = world.ask(Persona::Nobody, route.verb, &path, &Value::Null).await;
                assert_eq!(status, 401, "{path}");
                let (status, answer) = world.ask(Persona::Service, route.verb, &path, &Value::Null).await;
                assert!(status == if reading { 200 } else { 501 }, "{} {path}: {status}", route.verb);
                let answer = answer.to_string();
                assert!(!secret.iter().any(|project| answer.contains(project)), "{path}: {answer}");
            }
        }
    }
}
