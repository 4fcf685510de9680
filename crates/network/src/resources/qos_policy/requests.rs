//! What the guarantees of a port's policy ask of placement: `resource_request`.

use isospin_store_kit::{Columns, StoreError};
use isospin_types::{PortId, QosRuleId};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::resources::qos_rule::kind::Kind;
use crate::resources::qos_rule::model::Direction;

/// The guarantees of the policies of ports, by port, with where its network is.
pub const OF_PORT: &str = "SELECT p.id, r.id, r.kind, r.direction, r.amount, \
     (SELECT s.physical_network FROM segments s WHERE s.network_id = p.network_id \
     AND s.physical_network IS NOT NULL ORDER BY s.position LIMIT 1) \
     FROM ports p LEFT JOIN port_qos_policies own ON own.port_id = p.id \
     LEFT JOIN network_qos_policies theirs ON theirs.network_id = p.network_id \
     JOIN qos_rules r ON r.policy_id = COALESCE(own.policy_id, theirs.policy_id) \
     AND r.kind IN ('minimum_bandwidth', 'minimum_packet_rate') WHERE p.id = $1 ORDER BY r.id";

/// One guarantee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarantee {
    pub rule_id: QosRuleId,
    pub kind: Kind,
    pub direction: Direction,
    pub amount: i64,
    /// Of the first segment of the port's network that has one.
    pub physical_network: Option<String>,
}

impl Guarantee {
    /// Reads what [`OF_PORT`] names after the port.
    ///
    /// # Errors
    /// A column does not hold what it must.
    pub fn from_columns(columns: &mut Columns) -> Result<Self, StoreError> {
        Ok(Self {
            rule_id: columns.parse()?,
            kind: columns.parse()?,
            direction: columns.parse()?,
            amount: columns.int()?,
            physical_network: columns.opt_text()?,
        })
    }

    const fn resource_class(&self) -> Option<&'static str> {
        Some(match (self.kind, self.direction) {
            (Kind::MinimumBandwidth, Direction::Ingress) => "NET_BW_IGR_KILOBIT_PER_SEC",
            (Kind::MinimumBandwidth, Direction::Egress) => "NET_BW_EGR_KILOBIT_PER_SEC",
            (Kind::MinimumPacketRate, Direction::Ingress) => "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
            (Kind::MinimumPacketRate, Direction::Egress) => "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC",
            (Kind::MinimumPacketRate, Direction::Any) => "NET_PACKET_RATE_KILOPACKET_PER_SEC",
            _ => return None,
        })
    }
}

/// The `resource_request` of a port: one group for each kind of guarantee, null when
/// there is none.
#[must_use]
pub fn resource_request(port_id: PortId, vnic_type: &str, guarantees: &[Guarantee]) -> Value {
    let groups: Vec<Value> = [Kind::MinimumBandwidth, Kind::MinimumPacketRate]
        .into_iter()
        .filter_map(|kind| group(port_id, vnic_type, kind, guarantees))
        .collect();
    if groups.is_empty() {
        return Value::Null;
    }
    let same_subtree: Vec<Value> = groups.iter().map(|group| group["id"].clone()).collect();
    json!({"request_groups": groups, "same_subtree": same_subtree})
}

fn group(port_id: PortId, vnic_type: &str, kind: Kind, guarantees: &[Guarantee]) -> Option<Value> {
    let of_kind: Vec<&Guarantee> = guarantees.iter().filter(|guarantee| guarantee.kind == kind).collect();
    let first = of_kind.first()?;
    let vnic_trait = format!("CUSTOM_VNIC_TYPE_{}", normal(vnic_type));
    let required = match (kind, &first.physical_network) {
        (Kind::MinimumBandwidth, Some(name)) => vec![format!("CUSTOM_PHYSNET_{}", normal(name)), vnic_trait],
        (Kind::MinimumBandwidth, None) => vec!["CUSTOM_NETWORK_TUNNEL_PROVIDER".to_owned(), vnic_trait],
        _ => vec![vnic_trait],
    };
    let resources: Map<String, Value> = of_kind
        .iter()
        .filter_map(|guarantee| Some((guarantee.resource_class()?.to_owned(), guarantee.amount.into())))
        .collect();
    let rules: Vec<String> = of_kind.iter().map(|guarantee| guarantee.rule_id.to_string()).collect();
    let id = Uuid::new_v5(&port_id.uuid(), rules.join(":").as_bytes());
    Some(json!({"id": id.to_string(), "required": required, "resources": resources}))
}

/// A name as traits spell it: capitals, digits and underscores.
fn normal(name: &str) -> String {
    let upper = name.to_uppercase();
    upper.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarantee(kind: Kind, direction: Direction, amount: i64) -> Guarantee {
        let rule_id = QosRuleId::from(Uuid::from_u128(u128::from(amount.unsigned_abs())));
        Guarantee { rule_id, kind, direction, amount, physical_network: Some("provider-1".to_owned()) }
    }

    #[test]
    fn each_kind_of_guarantee_is_a_group() {
        let port_id = PortId::from(Uuid::from_u128(7));
        let asked = resource_request(
            port_id,
            "direct-physical",
            &[
                guarantee(Kind::MinimumBandwidth, Direction::Egress, 1000),
                guarantee(Kind::MinimumBandwidth, Direction::Ingress, 2000),
                guarantee(Kind::MinimumPacketRate, Direction::Any, 30),
            ],
        );
        let groups = asked["request_groups"].as_array().expect("groups");
        assert_eq!(
            groups[0]["required"],
            json!(["CUSTOM_PHYSNET_PROVIDER_1", "CUSTOM_VNIC_TYPE_DIRECT_PHYSICAL"])
        );
        assert_eq!(
            groups[0]["resources"],
            json!({"NET_BW_EGR_KILOBIT_PER_SEC": 1000, "NET_BW_IGR_KILOBIT_PER_SEC": 2000})
        );
        assert_eq!(groups[1]["required"], json!(["CUSTOM_VNIC_TYPE_DIRECT_PHYSICAL"]));
        assert_eq!(groups[1]["resources"], json!({"NET_PACKET_RATE_KILOPACKET_PER_SEC": 30}));
        assert_eq!(asked["same_subtree"], json!([groups[0]["id"], groups[1]["id"]]));
    }

    #[test]
    fn no_guarantee_asks_for_nothing() {
        assert_eq!(resource_request(PortId::from(Uuid::nil()), "normal", &[]), Value::Null);
    }
}
