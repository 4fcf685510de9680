//! Who may do what: every route, asked by everybody, about what is theirs, their
//! domain's and strangers', against a table transcribed from Keystone's defaults.
//!
//! The routes come from the server's own table; what is expected does not: [`reference`]
//! is read by [`place`], which knows no policy engine. A route without a row fails.

mod place;
mod reference;
mod world;

use isospin_identity::route_table;
use isospin_identity::routes::{Access, Route, Verb};

use place::{Persona, Place};
use world::World;

/// What one request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Passed,
    Refused,
    NoToken,
    Failed,
}

/// Refusals of policy name the action; others are about the object.
fn door(answer: &crate::service::Answer, persona: Persona) -> Door {
    match answer.status.as_u16() {
        500.. => Door::Failed,
        401 if persona == Persona::Nobody => Door::NoToken,
        403 if answer.message().contains("requested action: identity:") => Door::Refused,
        _ => Door::Passed,
    }
}

/// The places worth asking about on this route.
fn places(route: &Route, row: &reference::Row) -> Vec<Place> {
    let whole = !row.who.iter().any(|who| who.needs_place()) || !world::is_about_something(route);
    if whole { vec![Place::Own] } else { Place::ALL.to_vec() }
}

/// N25, and the persona matrix: nobody gets in who is not named, everybody who is.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_do_what_the_reference_says_and_nothing_else() {
    let world = World::new().await;
    let (mut wrong, mut cases) = (Vec::new(), 0);
    for route in route_table() {
        let Access::Rules(_) = &route.access else { continue };
        let action = route.actions().next().expect("a rule").trim_start_matches("identity:").to_owned();
        let Some(row) = reference::row(&action) else {
            wrong.push(format!("{} {}: no row for {action}", route.verb, route.path));
            continue;
        };
        for place in places(&route, row) {
            for persona in Persona::ALL {
                let Some(answer) = world.ask(&route, *persona, place).await else { continue };
                let found = door(&answer, *persona);
                let allowed = row.who.iter().any(|who| who.names(*persona, place));
                let expected = match (persona, allowed) {
                    (Persona::Nobody, _) => Door::NoToken,
                    (_, true) => Door::Passed,
                    (_, false) => Door::Refused,
                };
                cases += 1;
                if found != expected {
                    let (status, said) = (answer.status.as_u16(), answer.message());
                    wrong.push(format!(
                        "{} {} ({action}) as {persona:?} about {place:?}: {found:?}, not {expected:?}: {status} {said}",
                        route.verb, route.path
                    ));
                }
            }
        }
    }
    println!("{cases} cases");
    assert!(wrong.is_empty(), "{} of {cases} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases > 2_000, "only {cases} cases: routes are missing from the table");
}

/// What is for nobody's eyes alone needs no token; nothing is for every token.
#[tokio::test]
async fn routes_without_a_rule_are_few() {
    let open: Vec<String> = route_table()
        .into_iter()
        .filter(|route| !matches!(route.access, Access::Rules(_)))
        .map(|route| format!("{} {}", route.verb, route.path))
        .collect();
    assert_eq!(open, ["POST /v3/auth/tokens", "POST /v3/users/{id}/password", "GET /", "GET /v3"]);
    assert!(route_table().iter().all(|route| route.verb != Verb::Put || route.actions().next().is_some()));
}
