//! The notation of reference/policy.md, and what it says of a persona and a place.
//! Knows nothing of the policy engine.

use crate::place::{Persona, Place};

/// What is done; sharing lets readers read and members write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Reading,
    Writing,
}

/// Whether a cell like `admin, service, N member, sh` names the persona.
pub fn holds(cell: &str, doing: Doing, persona: Persona, place: &Place) -> bool {
    cell.split(',').any(|term| term_holds(term.trim(), doing, persona, place))
}

fn term_holds(term: &str, doing: Doing, persona: Persona, place: &Place) -> bool {
    let has = |role: &str| persona.roles().contains(&role);
    let owns = |project: &str| !project.is_empty() && persona.project() == project;
    match term.split_once(' ') {
        // Of the project of the parent: a network, or what the object lies under.
        Some(("N" | "P", role)) => has(role) && owns(place.parent.owner()),
        Some(("any", role)) => has(role),
        _ => match term {
            "-" | "" => false,
            "everybody" => persona != Persona::Nobody,
            "admin" | "service" => has(term),
            "manager" | "member" | "reader" => has(term) && owns(place.owner),
            "all" => has("reader"),
            "sh" => {
                place.shared
                    && if doing == Doing::Reading { persona != Persona::Nobody } else { has("member") }
            }
            "ext" => place.external && persona != Persona::Nobody,
            "own project" => owns(place.owner),
            other => panic!("the table says \"{other}\", which is no notation of the reference"),
        },
    }
}
