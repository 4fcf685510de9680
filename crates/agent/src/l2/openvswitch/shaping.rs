//! Limits and marks of single ports, as meters of the integration bridge. Pure.
//!
//! ```text
//! 58, 59  what the port sends, before anything else is done with it: packets, bytes, mark
//! 95, 96  what the port receives, after its rules: packets, bytes
//! ```
//!
//! Of several copies of a frame the switch drops all that come after one that a meter
//! drops, so a copy of an IP packet goes through the tracker first and starts anew behind
//! it. Other copies (ARP) are not counted.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use isospin_feed::facts::{Direction, Facts, Qos};
use isospin_host_io::openflow::{Action, Field, FlowTable, Meter, MeterChange, Unit, ethertype};
use isospin_types::PortId;

use super::intent::Intent;
use crate::firewall::openflow::register::{COPY, NET, PORT, SENDER};
use crate::firewall::openflow::{add, table};
use crate::firewall::policy::numbering;
use crate::limits;

/// Numbers of our meters: those outside are others'.
pub const METERS: RangeInclusive<u32> = 16_384..=65_535;

/// The meters of a host, and what its ports do with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shaping {
    pub meters: BTreeMap<u32, Meter>,
    ports: BTreeMap<PortId, Shaped>,
}

/// What one port is under.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shaped {
    meters: BTreeMap<(Direction, Unit), u32>,
    mark: Option<u8>,
}

impl Shaping {
    /// Of the ports that are wanted here. A meter's number is made from its name, so one
    /// more changes no other.
    #[must_use]
    pub fn of(facts: &Facts, intent: &Intent) -> Self {
        let mut shaping = Self::default();
        let mut taken = Default::default();
        let ports = intent.taps.keys().filter_map(|id| facts.ports.get(id));
        for port in ports.filter(|port| port.qos != Qos::default()) {
            let mut shaped = Shaped { mark: port.qos.dscp, ..Shaped::default() };
            for (direction, unit, meter) in meters(&port.qos) {
                let name = format!("{direction:?} {unit:?} {}", port.id);
                if let Some(number) = numbering::free(&name, &METERS, &mut taken) {
                    shaping.meters.insert(number, meter);
                    shaped.meters.insert((direction, unit), number);
                }
            }
            shaping.ports.insert(port.id, shaped);
        }
        shaping
    }

    /// Goes on without the meters a switch refused; gives the ports that miss one.
    pub fn without(&mut self, refused: &BTreeMap<u32, String>) -> BTreeMap<PortId, String> {
        let mut missing = BTreeMap::new();
        for (id, shaped) in &mut self.ports {
            shaped.meters.retain(|_, number| {
                let reason = refused.get(number);
                if let Some(reason) = reason {
                    missing.insert(*id, format!("the switch cannot limit the port: {reason}"));
                }
                reason.is_none()
            });
        }
        missing
    }

    /// What this port is under.
    #[must_use]
    pub fn of_port(&self, id: PortId) -> Option<&Shaped> {
        self.ports.get(&id)
    }
}

impl Shaped {
    /// Adds the flows of a port that registers call `number` and that frames leave by
    /// these actions.
    pub fn add(&self, flows: &mut FlowTable, number: u32, out: &[Action]) {
        let meter = |direction, unit| self.meters.get(&(direction, unit)).map(|id| Action::Meter(*id));
        let then = |meter: Option<Action>, rest: &[Action]| meter.into_iter().chain(rest.to_vec());
        let from = Field::Register(SENDER, number);
        if let Some(packets) = meter(Direction::Egress, Unit::Packets) {
            let next = [packets, Action::Resubmit(table::BANDWIDTH_RATE_LIMIT)];
            add(flows, table::PACKET_RATE_LIMIT, 10, [from], next);
        }
        let bytes = meter(Direction::Egress, Unit::Kilobits);
        let next = Action::Resubmit(table::TRANSIENT);
        if bytes.is_some() {
            add(
                flows,
                table::BANDWIDTH_RATE_LIMIT,
                10,
                [from],
                then(bytes.clone(), std::slice::from_ref(&next)),
            );
        }
        if let Some(mark) = self.mark {
            for family in [ethertype::IPV4, ethertype::IPV6] {
                let marked = then(bytes.clone(), &[Action::SetDscp(mark), next.clone()]);
                add(flows, table::BANDWIDTH_RATE_LIMIT, 20, [from, Field::EthType(family)], marked);
            }
        }
        let to = Field::Register(PORT, number);
        let packets = meter(Direction::Ingress, Unit::Packets);
        let bytes = meter(Direction::Ingress, Unit::Kilobits);
        if packets.is_none() && bytes.is_none() {
            return;
        }
        let rest = [Action::Resubmit(table::DELIVER_BANDWIDTH)];
        add(flows, table::DELIVER, 10, [to, Field::Untagged], then(packets, &rest));
        add(flows, table::DELIVER_BANDWIDTH, 10, [to], then(bytes, out));
        let copy = [to, Field::Register(COPY, 1), Field::Untagged];
        add(flows, table::DELIVER, 15, copy, out.to_vec());
        for family in [ethertype::IPV4, ethertype::IPV6] {
            let anew = Action::Track { zone_register: NET, commit: false, table: Some(table::DELIVER) };
            let fields = copy.into_iter().chain([Field::EthType(family)]);
            add(flows, table::DELIVER, 20, fields, [Action::Load(COPY, 0), anew]);
        }
    }
}

/// The meters a port needs.
fn meters(qos: &Qos) -> Vec<(Direction, Unit, Meter)> {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let mut meters = Vec::new();
    for direction in [Direction::Egress, Direction::Ingress] {
        if let Some(limit) = limits::packets(qos, direction) {
            let (rate, burst) = (number(limit.rate), number(limit.burst));
            meters.push((direction, Unit::Packets, Meter { unit: Unit::Packets, rate, burst }));
        }
        if let Some(limit) = limits::bytes(qos, direction) {
            // Kilobits: 125 bytes each; what is begun is a whole one.
            let (rate, burst) = (number(limit.rate.div_ceil(125)), number(limit.burst.div_ceil(125)));
            meters.push((direction, Unit::Kilobits, Meter { unit: Unit::Kilobits, rate, burst }));
        }
    }
    meters
}

/// What makes meters of a switch those wanted: what must be there before flows name it,
/// and what may go once no flow does. Others' meters are left alone.
#[must_use]
pub fn changes(
    held: &BTreeMap<u32, Option<Meter>>,
    wanted: &BTreeMap<u32, Meter>,
) -> (Vec<MeterChange>, Vec<MeterChange>) {
    let change = |(id, meter): (&u32, &Meter)| match held.get(id) {
        Some(Some(present)) if present == meter => None,
        Some(_) => Some(MeterChange::Modify(*id, *meter)),
        None => Some(MeterChange::Add(*id, *meter)),
    };
    let gone = held.keys().filter(|id| METERS.contains(id) && !wanted.contains_key(id));
    (wanted.iter().filter_map(change).collect(), gone.map(|id| MeterChange::Delete(*id)).collect())
}
