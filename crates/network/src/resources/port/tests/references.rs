//! Ports that routers and floating IPs hold on to.

use serde_json::{Value, json};

use super::{Lab, addresses, id, list, network, path, port, refused_update, shown, subnet, update};
use crate::testing::{OTHER_PROJECT, TestApi};

struct Outside {
    external: String,
    router: String,
    lab: Lab,
}

impl Outside {
    async fn new(api: &TestApi) -> Self {
        let external = network(api, "admin", json!({"router:external": true})).await;
        subnet(api, "admin", &external, json!({"cidr": "172.24.0.0/24"})).await;
        let lab = Lab::new(api).await;
        let gateway = json!({"external_gateway_info": {"network_id": external}});
        let router = id(&api.create("member", "/v2.0/routers", "router", gateway).await);
        let add = format!("/v2.0/routers/{router}/add_router_interface");
        api.expect(200, "member", "PUT", &add, json!({"subnet_id": lab.subnet})).await;
        Self { external, router, lab }
    }

    async fn floating_ip(&self, api: &TestApi, port: &str) -> String {
        let object = json!({"floating_network_id": self.external, "port_id": port});
        id(&api.create("member", "/v2.0/floatingips", "floatingip", object).await)
    }
}

#[tokio::test]
async fn service_ports_go_with_what_they_serve() {
    TestApi::on_each_engine(|api| async move {
        let outside = Outside::new(&api).await;
        let plain = id(&port(&api, "member", &outside.lab.network, json!({})).await);
        outside.floating_ip(&api, &plain).await;
        for owner in ["network:router_interface", "network:router_gateway", "network:floatingip"] {
            let found = list(&api, "admin", &format!("device_owner={owner}")).await;
            let served = id(&found[0]);
            let (kind, message) = api.refused(409, "admin", "DELETE", &path(&served), Value::Null).await;
            assert_eq!(kind, "ServicePortInUse");
            assert_eq!(
                message,
                format!(
                    "Port {served} cannot be deleted directly via the port API: has device owner {owner}."
                )
            );
            // Nor can it be taken away by calling it something else first.
            let (kind, _) = refused_update(&api, 409, "admin", &served, json!({"device_owner": ""})).await;
            assert_eq!(kind, "PortInUse", "{owner}");
            let (kind, _) = refused_update(&api, 409, "admin", &served, json!({"fixed_ips": []})).await;
            assert_eq!(kind, "PortInUse", "{owner}");
            assert_eq!(shown(&api, "admin", &served).await["device_owner"], owner);
        }
        // A port that only claims to be one is nobody's and can go.
        let claims = json!({"device_owner": "network:router_interface", "device_id": outside.router});
        let stray = id(&port(&api, "member", &outside.lab.network, claims).await);
        api.expect(204, "member", "DELETE", &path(&stray), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn an_address_a_floating_ip_leads_to_stays() {
    TestApi::on_each_engine(|api| async move {
        let outside = Outside::new(&api).await;
        let made = port(&api, "member", &outside.lab.network, json!({})).await;
        let floating_ip = outside.floating_ip(&api, &id(&made)).await;
        let (kind, _) = refused_update(&api, 400, "member", &id(&made), json!({"fixed_ips": []})).await;
        assert_eq!(kind, "BadRequest");
        let own = addresses(&made)[0].clone();
        let more = json!({"fixed_ips": [{ "ip_address": own }, {"subnet_id": outside.lab.subnet}]});
        assert_eq!(addresses(&update(&api, "member", &id(&made), more).await).len(), 2);
        // Deleting the port sets the floating IP free.
        api.expect(204, "member", "DELETE", &path(&id(&made)), Value::Null).await;
        let path = format!("/v2.0/floatingips/{floating_ip}");
        let left = api.expect(200, "member", "GET", &path, Value::Null).await["floatingip"].take();
        assert_eq!((&left["port_id"], &left["status"]), (&Value::Null, &json!("DOWN")));
    })
    .await;
}

#[tokio::test]
async fn a_foreign_floating_ip_keeps_its_port() {
    TestApi::on_each_engine(|api| async move {
        let outside = Outside::new(&api).await;
        let made = id(&port(&api, "member", &outside.lab.network, json!({})).await);
        let object =
            json!({"floating_network_id": outside.external, "port_id": made, "project_id": OTHER_PROJECT});
        api.create("admin", "/v2.0/floatingips", "floatingip", object).await;
        let (kind, _) = api.refused(409, "member", "DELETE", &path(&made), Value::Null).await;
        assert_eq!(kind, "FipAssociated");
        api.expect(204, "admin", "DELETE", &path(&made), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn a_dhcp_port_that_is_deleted_comes_back() {
    TestApi::on_each_engine(|api| async move {
        api.agent("DHCP agent", "host-1", "nova").await;
        let net = network(&api, "member", json!({})).await;
        subnet(&api, "member", &net, json!({"cidr": "10.1.0.0/24", "enable_dhcp": true})).await;
        let first = list(&api, "member", "device_owner=network:dhcp").await;
        assert_eq!(first.len(), 1, "{first:?}");
        api.expect(204, "member", "DELETE", &path(&id(&first[0])), Value::Null).await;
        let second = list(&api, "member", "device_owner=network:dhcp").await;
        assert_eq!(second.len(), 1, "{second:?}");
        assert_ne!(id(&first[0]), id(&second[0]));
    })
    .await;
}
