//! API tests of floating IPs, on both engines.

mod addresses;
mod associations;
mod life;
mod pure;

use serde_json::{Value, json};

use crate::resources::router::tests::{Lab, attach, id, port, router_to};
use crate::testing::TestApi;

/// A [`Lab`] with a router between its networks and a port behind it.
pub struct Floor {
    pub lab: Lab,
    pub router: String,
    /// Has one address: 10.7.0.50.
    pub port: String,
}

impl Floor {
    /// Makes them.
    pub async fn new(api: &TestApi) -> Self {
        let lab = Lab::new(api).await;
        let router = router_to(api, &lab.external).await;
        attach(api, &router, &lab.subnet).await;
        let object = json!({"name": "vm", "fixed_ips": [{"ip_address": "10.7.0.50"}]});
        let port = id(&port(api, "member", &lab.network, object).await);
        Self { lab, router, port }
    }

    /// Makes a floating IP of the member, with these attributes beside the network.
    pub async fn float(&self, api: &TestApi, mut object: Value) -> Value {
        object["floating_network_id"] = json!(self.lab.external);
        api.create("member", "/v2.0/floatingips", "floatingip", object).await
    }

    /// As [`Floor::float`], refused.
    pub async fn refused(
        &self,
        api: &TestApi,
        status: u16,
        token: &str,
        mut object: Value,
    ) -> (String, String) {
        object["floating_network_id"] = json!(self.lab.external);
        api.refused(status, token, "POST", "/v2.0/floatingips", json!({"floatingip": object})).await
    }
}

/// URL of a floating IP.
pub fn url(id: &Value) -> String {
    format!("/v2.0/floatingips/{}", id["id"].as_str().expect("an id"))
}

/// The floating IP as the token's caller sees it.
pub async fn shown(api: &TestApi, token: &str, floating_ip: &Value) -> Value {
    api.expect(200, token, "GET", &url(floating_ip), Value::Null).await["floatingip"].take()
}

/// Changes a floating IP as the member; how it is then.
pub async fn change(api: &TestApi, floating_ip: &Value, object: Value) -> Value {
    let body = json!({"floatingip": object});
    api.expect(200, "member", "PUT", &url(floating_ip), body).await["floatingip"].take()
}
