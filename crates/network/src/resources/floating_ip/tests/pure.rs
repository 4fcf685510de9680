//! Rules as functions.

use isospin_types::SubnetId;

use crate::resources::floating_ip::rules::{Source, source};

#[test]
fn the_source_is_the_first_that_can_give() {
    let make =
        |dedicated, reserved, has_free| Source { id: SubnetId::random(), dedicated, reserved, has_free };
    let (open, full) = (make(false, false, true), make(false, false, false));
    let (own, own_full) = (make(true, false, true), make(true, false, false));
    let foreign = make(false, true, true);
    let check = |sources: &[&Source], expected: Option<&Source>| {
        let sources: Vec<Source> = sources.iter().map(|source| (*source).clone()).collect();
        assert_eq!(source(&sources), expected.map(|source| source.id));
    };
    check(&[], None);
    check(&[&foreign], None);
    check(&[&full, &open], Some(&open));
    check(&[&full], Some(&full));
    check(&[&foreign, &open], Some(&open));
    check(&[&open, &own], Some(&own));
    check(&[&open, &own_full], Some(&own_full));
}
