//! Policies of quality of service and metering labels in histories.

use serde_json::{Value, json};

use super::{Change, Kind, World, delete, pick, post, put};
use crate::testing::TestApi;

impl World {
    pub(super) async fn policies(&mut self, api: &TestApi, Change { kind, a, b }: Change) {
        match kind {
            Kind::Policy => {
                let Some(id) = post(api, "qos/policies", "policy", json!({"name": "p"})).await else {
                    return;
                };
                let path = format!("qos/policies/{id}/bandwidth_limit_rules");
                let rule = post(api, &path, "bandwidth_limit_rule", json!({"max_kbps": 1000})).await;
                self.limits.extend(rule.map(|rule| format!("{path}/{rule}")));
                self.policies.push(id);
            }
            Kind::ChangeLimit => {
                let object = json!({"max_kbps": 1000 + self.made});
                put(api, &pick(&self.limits, a), "bandwidth_limit_rule", object).await;
            }
            Kind::AskPolicy => {
                let policy = if b % 5 == 0 { Value::Null } else { pick(&self.policies, b).into() };
                let asked = json!({"qos_policy_id": policy});
                match b % 4 {
                    0 => put(api, &format!("networks/{}", pick(&self.networks, a)), "network", asked).await,
                    1 => put(api, &format!("ports/{}", pick(&self.ports, a)), "port", asked).await,
                    2 => {
                        let path = format!("floatingips/{}", pick(&self.floating_ips, a));
                        put(api, &path, "floatingip", asked).await;
                    }
                    _ => {
                        let info =
                            json!({"network_id": pick(&self.networks, b / 4), "qos_policy_id": policy});
                        let path = format!("routers/{}", pick(&self.routers, a));
                        put(api, &path, "router", json!({"external_gateway_info": info})).await;
                    }
                }
            }
            Kind::Meter => {
                let object = json!({"shared": b % 2 == 0});
                self.meters.extend(post(api, "metering/metering-labels", "metering_label", object).await);
            }
            Kind::MeterRule => {
                let object = json!({"metering_label_id": pick(&self.meters, a), "direction": "egress",
                    "remote_ip_prefix": format!("10.{}.0.0/16", self.made % 250)});
                post(api, "metering/metering-label-rules", "metering_label_rule", object).await;
            }
            Kind::DeleteMeter => delete(api, "metering/metering-labels", &mut self.meters, a).await,
            other => unreachable!("{other:?} is about no policy"),
        }
    }
}
