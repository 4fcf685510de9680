//! API tests of port forwardings, on both engines.

mod life;
mod refusals;

use serde_json::{Value, json};

use crate::resources::floating_ip::tests::{Floor, url};
use crate::testing::TestApi;

/// A [`Floor`] with a floating IP that leads nowhere.
struct Yard {
    floor: Floor,
    floating_ip: Value,
}

impl Yard {
    async fn new(api: &TestApi) -> Self {
        let floor = Floor::new(api).await;
        let floating_ip = floor.float(api, json!({})).await;
        Self { floor, floating_ip }
    }

    /// URL of its forwardings.
    fn all(&self) -> String {
        format!("{}/port_forwardings", url(&self.floating_ip))
    }

    /// URL of one of them.
    fn one(&self, forwarding: &Value) -> String {
        format!("{}/{}", self.all(), forwarding["id"].as_str().expect("an id"))
    }

    /// SSH to the port behind the router, with these attributes instead of its own.
    fn ssh(&self, other: Value) -> Value {
        let mut object = json!({
            "protocol": "tcp", "internal_port_id": self.floor.port, "internal_ip_address": "10.7.0.50",
            "internal_port": 22, "external_port": 2222,
        });
        let object_mut = object.as_object_mut().expect("an object");
        for (name, value) in other.as_object().expect("an object") {
            if value.is_null() {
                object_mut.remove(name);
            } else {
                object_mut.insert(name.clone(), value.clone());
            }
        }
        object
    }

    async fn forward(&self, api: &TestApi, other: Value) -> Value {
        api.create("member", &self.all(), "port_forwarding", self.ssh(other)).await
    }

    async fn refused(&self, api: &TestApi, status: u16, other: Value) -> (String, String) {
        let body = json!({"port_forwarding": self.ssh(other)});
        api.refused(status, "member", "POST", &self.all(), body).await
    }

    async fn shown(&self, api: &TestApi) -> Value {
        api.expect(200, "member", "GET", &url(&self.floating_ip), Value::Null).await["floatingip"].take()
    }
}
