//! What clients saw, and whether one correct service could have told them that.

use std::collections::{BTreeMap, BTreeSet};

/// Nanoseconds since the run began.
pub type Moment = u64;

/// What is made and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Network,
    Subnet,
    Port,
}

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// To make an object of this name, which no other has.
    Create(Kind, String),
    /// To remove the object of this name.
    Delete(Kind, String),
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Done; of a creation, what was given to the object alone: addresses, MAC, segment, prefix.
    Done(Vec<String>),
    /// Refused, with the fault's type: nothing was done.
    Refused(String),
    /// Nothing, or that something failed inside: done or not.
    Nothing,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub asked: Asked,
    pub began: Moment,
    pub ended: Moment,
    pub told: Told,
}

/// What is there after the last request: names by kind, and what quotas count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Final {
    pub names: BTreeMap<Kind, BTreeSet<String>>,
    pub used: BTreeMap<Kind, u64>,
}

/// When an object was certainly there: from the acknowledged creation to the first
/// request to remove it.
struct Life<'h> {
    kind: Kind,
    name: &'h str,
    claims: &'h [String],
    from: Moment,
    until: Moment,
}

/// Faults that may be: what is shared was used up.
const USED_UP: [&str; 4] =
    ["OverQuota", "IpAddressGenerationFailure", "NoNetworkAvailable", "SubnetAllocationError"];

/// Everything the history proves wrong, in words.
#[must_use]
pub fn check(events: &[Event], limits: &BTreeMap<Kind, u64>, last: &Final) -> Vec<String> {
    let lives = lives(events);
    let mut wrong = refusals(events);
    wrong.extend(given_twice(&lives));
    for (kind, limit) in limits {
        let most = most_at_once(&lives, *kind);
        if most > *limit {
            wrong.push(format!("quota: {most} of {kind:?} at once, the limit is {limit}"));
        }
    }
    wrong.extend(at_the_end(events, last));
    wrong
}

fn lives(events: &[Event]) -> Vec<Life<'_>> {
    let mut removal: BTreeMap<(Kind, &str), Moment> = BTreeMap::new();
    for event in events {
        if let Asked::Delete(kind, name) = &event.asked {
            let first = removal.entry((*kind, name)).or_insert(event.began);
            *first = event.began.min(*first);
        }
    }
    events
        .iter()
        .filter_map(|event| match (&event.asked, &event.told) {
            (Asked::Create(kind, name), Told::Done(claims)) => Some(Life {
                kind: *kind,
                name,
                claims,
                from: event.ended,
                until: removal.get(&(*kind, name.as_str())).copied().unwrap_or(Moment::MAX),
            }),
            _ => None,
        })
        .collect()
}

fn refusals(events: &[Event]) -> Vec<String> {
    let bad = |event: &&Event| match &event.told {
        Told::Refused(fault) => !USED_UP.contains(&fault.as_str()),
        Told::Done(_) | Told::Nothing => false,
    };
    events.iter().filter(bad).map(|event| format!("refused: {event:?}")).collect()
}

fn given_twice(lives: &[Life<'_>]) -> Vec<String> {
    let mut owners: BTreeMap<&str, Vec<&Life<'_>>> = BTreeMap::new();
    for life in lives {
        for claim in life.claims {
            owners.entry(claim).or_default().push(life);
        }
    }
    let mut wrong = Vec::new();
    for (claim, mut owners) in owners {
        owners.sort_by_key(|life| life.from);
        for pair in owners.windows(2) {
            if let [before, after] = pair
                && after.from < before.until
            {
                wrong.push(format!("{claim} was given to {} and to {}", before.name, after.name));
            }
        }
    }
    wrong
}

fn most_at_once(lives: &[Life<'_>], kind: Kind) -> u64 {
    let mut steps: Vec<(Moment, i64)> = lives
        .iter()
        .filter(|life| life.kind == kind && life.from < life.until)
        .flat_map(|life| [(life.from, 1), (life.until, -1)])
        .collect();
    // At one moment what ends goes first.
    steps.sort_unstable();
    let (mut now, mut most) = (0_i64, 0_i64);
    for (_, step) in steps {
        now += step;
        most = most.max(now);
    }
    most.unsigned_abs()
}

fn at_the_end(events: &[Event], last: &Final) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut may: BTreeSet<(Kind, &str)> = BTreeSet::new();
    let mut must: BTreeSet<(Kind, &str)> = BTreeSet::new();
    for event in events {
        if let Asked::Create(kind, name) = &event.asked {
            match event.told {
                Told::Done(_) => {
                    must.insert((*kind, name));
                    may.insert((*kind, name));
                }
                Told::Nothing => {
                    may.insert((*kind, name));
                }
                Told::Refused(_) => {}
            }
        }
    }
    for event in events {
        if let Asked::Delete(kind, name) = &event.asked {
            match event.told {
                Told::Done(_) => {
                    must.remove(&(*kind, name.as_str()));
                    may.remove(&(*kind, name.as_str()));
                }
                Told::Nothing => {
                    must.remove(&(*kind, name.as_str()));
                }
                Told::Refused(_) => {}
            }
        }
    }
    let there = |kind: Kind, name: &str| last.names.get(&kind).is_some_and(|names| names.contains(name));
    for (kind, name) in &must {
        if !there(*kind, name) {
            wrong.push(format!("lost: {kind:?} {name} was acknowledged and is not there"));
        }
    }
    for (kind, names) in &last.names {
        for name in names.iter().filter(|name| !may.contains(&(*kind, name.as_str()))) {
            wrong.push(format!("back: {kind:?} {name} is there and should not be"));
        }
        let used = last.used.get(kind).copied().unwrap_or_default();
        if used != names.len() as u64 {
            wrong.push(format!("quota: {used} of {kind:?} counted, {} are there", names.len()));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(name: &str, began: Moment, ended: Moment, claims: &[&str]) -> Event {
        let claims = claims.iter().map(|claim| (*claim).to_owned()).collect();
        let asked = Asked::Create(Kind::Port, name.to_owned());
        Event { asked, began, ended, told: Told::Done(claims) }
    }

    fn delete(name: &str, began: Moment, ended: Moment) -> Event {
        let asked = Asked::Delete(Kind::Port, name.to_owned());
        Event { asked, began, ended, told: Told::Done(Vec::new()) }
    }

    fn left(names: &[&str]) -> Final {
        let set: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Final { used: [(Kind::Port, set.len() as u64)].into(), names: [(Kind::Port, set)].into() }
    }

    fn limit(most: u64) -> BTreeMap<Kind, u64> {
        [(Kind::Port, most)].into()
    }

    #[test]
    fn a_history_that_can_be_is_accepted() {
        let events = [
            create("a", 0, 2, &["x"]),
            delete("a", 3, 6),
            create("b", 4, 5, &["x"]),
            create("c", 4, 9, &["y"]),
        ];
        assert_eq!(check(&events, &limit(2), &left(&["b", "c"])), Vec::<String>::new());
    }

    #[test]
    fn the_same_thing_given_to_two_is_found() {
        let events = [create("a", 0, 2, &["x"]), create("b", 1, 5, &["x"])];
        assert_eq!(check(&events, &limit(2), &left(&["a", "b"])), ["x was given to a and to b"]);
    }

    #[test]
    fn an_overrun_quota_is_found_and_so_is_a_wrong_count() {
        let events = [create("a", 0, 1, &[]), create("b", 0, 2, &[])];
        assert_eq!(check(&events, &limit(1), &left(&["a", "b"])).len(), 1);
        let counted = Final { used: [(Kind::Port, 3)].into(), ..left(&["a", "b"]) };
        assert_eq!(check(&events, &limit(2), &counted), ["quota: 3 of Port counted, 2 are there"]);
    }

    #[test]
    fn what_was_acknowledged_must_stay_and_what_was_removed_must_not() {
        let events = [create("a", 0, 1, &[]), create("b", 0, 1, &[]), delete("b", 2, 3)];
        let wrong = check(&events, &limit(2), &left(&["b"]));
        assert_eq!(wrong.len(), 2, "{wrong:?}");
    }

    #[test]
    fn a_request_without_an_answer_may_have_been_done_or_not() {
        let mut unanswered = create("a", 0, 1, &[]);
        unanswered.told = Told::Nothing;
        for names in [&["a"][..], &[]] {
            assert!(check(std::slice::from_ref(&unanswered), &limit(1), &left(names)).is_empty());
        }
    }

    #[test]
    fn only_what_is_used_up_may_be_refused() {
        let refused = |fault: &str| Event { told: Told::Refused(fault.to_owned()), ..create("a", 0, 1, &[]) };
        assert!(check(&[refused("OverQuota")], &limit(1), &left(&[])).is_empty());
        assert_eq!(check(&[refused("PolicyNotAuthorized")], &limit(1), &left(&[])).len(), 1);
    }
}
