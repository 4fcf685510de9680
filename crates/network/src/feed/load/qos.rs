//! What policies ask of hosts: limits and marks. Guarantees are for placement.

use std::collections::BTreeMap;

use isospin_feed::proto::{Qos, Rate};
use isospin_store_kit::{Columns, Row, StoreError};

use super::each;
use crate::resources::qos_rule::kind::Kind;
use crate::resources::qos_rule::model::Direction;

/// What [`asked`] reads of a rule `q`, after the id of who is under it.
pub(super) const RULE: &str = "q.kind, q.direction, q.amount, q.burst";

/// What is asked for each that is under a rule.
pub(super) fn asked(rows: Vec<Row>) -> BTreeMap<String, Qos> {
    let mut asked: BTreeMap<String, Qos> = BTreeMap::new();
    for (id, rule) in each("rule of a policy", rows, rule) {
        add(asked.entry(id).or_default(), rule);
    }
    asked
}

/// A rule as far as hosts are told of it.
enum HostRule {
    Bandwidth(Direction, Rate),
    Packets(Direction, Rate),
    Mark(u32),
    Guarantee,
}

fn rule(columns: &mut Columns) -> Result<(String, HostRule), StoreError> {
    let id = columns.text()?;
    let (kind, direction): (Kind, Direction) = (columns.parse()?, columns.parse()?);
    let amount: u32 = columns.number()?;
    let rate = Rate { rate: amount, burst: columns.number()? };
    let rule = match kind {
        Kind::BandwidthLimit => HostRule::Bandwidth(direction, rate),
        Kind::PacketRateLimit => HostRule::Packets(direction, rate),
        Kind::DscpMarking => HostRule::Mark(amount),
        Kind::MinimumBandwidth | Kind::MinimumPacketRate => HostRule::Guarantee,
    };
    Ok((id, rule))
}

fn add(qos: &mut Qos, rule: HostRule) {
    match rule {
        HostRule::Bandwidth(Direction::Ingress, rate) => qos.ingress_kbps = Some(rate),
        HostRule::Bandwidth(_, rate) => qos.egress_kbps = Some(rate),
        HostRule::Packets(Direction::Ingress, rate) => qos.ingress_kpps = Some(rate),
        HostRule::Packets(_, rate) => qos.egress_kpps = Some(rate),
        HostRule::Mark(mark) => qos.dscp = Some(mark),
        HostRule::Guarantee => {}
    }
}
