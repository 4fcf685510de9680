//! What may be trusted, and what may be handed on (K04).

use super::Trust;
use crate::fault::Fault;
use crate::input::Input;

/// Longest chain of trusts made from each other (reference/identity-api.md §14).
const MAX_REDELEGATION: i64 = 3;

/// `redelegation_count` of a trust made as `input` says.
///
/// # Errors
/// 400 or 403 for counts that contradict each other.
pub fn redelegation_count(input: &Input, parent: Option<&Trust>) -> Result<i64, Fault> {
    let asked = input.number("redelegation_count");
    if input.flag("allow_redelegation") != Some(true) || asked == Some(0) {
        return Ok(0);
    }
    if let Some(asked) = asked.filter(|asked| *asked > MAX_REDELEGATION) {
        return Err(Fault::refused(format!(
            "Requested redelegation depth of {asked} is greater than allowed {MAX_REDELEGATION}"
        )));
    }
    if input.number("remaining_uses").is_some() {
        return Err(Fault::bad_request("remaining_uses must not be set if redelegation is allowed"));
    }
    let Some(parent) = parent else { return Ok(asked.unwrap_or(MAX_REDELEGATION)) };
    let left = parent.redelegation_count - 1;
    if asked.is_some_and(|asked| asked != left) {
        return Err(Fault::refused(
            "Modifying \"redelegation_count\" upon redelegation is forbidden. Omitting this parameter is advised.",
        ));
    }
    Ok(left)
}

/// Refuses a trust that gives more than the one it is handed on from; takes over its end.
///
/// # Errors
/// 403 saying what is more.
pub fn hand_on(trust: &mut Trust, parent: &Trust) -> Result<(), Fault> {
    if parent.redelegation_count < 1 {
        return Err(Fault::refused(format!(
            "Remaining redelegation depth of {} out of allowed range of [0..{MAX_REDELEGATION}]",
            parent.redelegation_count
        )));
    }
    if let Some(uses) = trust.remaining_uses {
        return Err(Fault::refused(format!(
            "Field \"remaining_uses\" is set to {uses} while it must not be set in order to redelegate a trust"
        )));
    }
    match (trust.expires_at, parent.expires_at) {
        (Some(end), Some(last)) if end > last => {
            return Err(Fault::refused(
                "Requested expiration time is more than redelegated trust can provide",
            ));
        }
        (Some(_), _) => {}
        (None, last) => trust.expires_at = last,
    }
    if trust.project_id != parent.project_id || trust.roles.iter().any(|role| !parent.roles.contains(role)) {
        return Err(Fault::refused("Some of requested roles are not in redelegated trust"));
    }
    if trust.impersonation && !parent.impersonation {
        return Err(Fault::refused(format!(
            "Impersonation is not allowed because redelegated trust does not specify impersonation. Redelegated \
             trust id: {}",
            parent.id
        )));
    }
    trust.redelegated_trust_id = Some(parent.id.clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::super::handlers::SCHEMA;
    use super::*;
    use crate::tokens::scope::Named;

    fn input(more: Value) -> Input {
        let mut trust = json!({"trustor_user_id": "a", "trustee_user_id": "b", "impersonation": true});
        if let (Some(trust), Value::Object(more)) = (trust.as_object_mut(), more) {
            trust.extend(more);
        }
        SCHEMA.create(json!({"trust": trust}).to_string().as_bytes()).expect("a trust")
    }

    fn trust() -> Trust {
        Trust {
            id: "t".to_owned(),
            trustor_user_id: "a".to_owned(),
            trustee_user_id: "b".to_owned(),
            project_id: Some("p".to_owned()),
            impersonation: false,
            roles: vec![Named { id: "r".to_owned(), name: "reader".to_owned() }],
            expires_at: Some(1000),
            remaining_uses: None,
            redelegation_count: 2,
            redelegated_trust_id: None,
            extra: Map::new(),
        }
    }

    #[test]
    fn chains_have_an_end() {
        let cases = [
            (json!({}), Ok(0)),
            (json!({"allow_redelegation": true}), Ok(3)),
            (json!({"allow_redelegation": true, "redelegation_count": 2}), Ok(2)),
            (json!({"allow_redelegation": true, "redelegation_count": 0}), Ok(0)),
            (json!({"allow_redelegation": true, "redelegation_count": 4}), Err(403)),
            (json!({"allow_redelegation": true, "remaining_uses": 1}), Err(400)),
        ];
        for (more, expected) in cases {
            let count = redelegation_count(&input(more.clone()), None).map_err(|fault| fault.status.as_u16());
            assert_eq!(count, expected, "{more}");
        }
        let parent = trust();
        let on =
            |more| redelegation_count(&input(more), Some(&parent)).map_err(|fault| fault.status.as_u16());
        assert_eq!(on(json!({"allow_redelegation": true})), Ok(1));
        assert_eq!(on(json!({"allow_redelegation": true, "redelegation_count": 2})), Err(403));
    }

    #[test]
    fn k04_what_is_handed_on_is_no_more_than_what_was_trusted() {
        let parent = trust();
        let hand = |change: fn(&mut Trust), parent: &Trust| {
            let mut child = Trust { redelegation_count: 0, ..trust() };
            change(&mut child);
            hand_on(&mut child, parent).map(|()| child).map_err(|fault| fault.status.as_u16())
        };
        let child = hand(|child| child.expires_at = None, &parent).expect("a lesser trust");
        assert_eq!((child.expires_at, child.redelegated_trust_id.as_deref()), (Some(1000), Some("t")));
        assert_eq!(hand(|child| child.expires_at = Some(1001), &parent), Err(403));
        assert_eq!(hand(|child| child.impersonation = true, &parent), Err(403));
        assert_eq!(hand(|child| child.remaining_uses = Some(1), &parent), Err(403));
        assert_eq!(hand(|child| child.project_id = Some("q".to_owned()), &parent), Err(403));
        let more =
            |child: &mut Trust| child.roles.push(Named { id: "x".to_owned(), name: "admin".to_owned() });
        assert_eq!(hand(more, &parent), Err(403));
        assert_eq!(hand(|_| {}, &Trust { redelegation_count: 0, ..trust() }), Err(403));
    }
}
