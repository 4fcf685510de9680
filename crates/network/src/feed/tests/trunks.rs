//! Trunks: where their ports are, what their hosts are told, and what becomes of their status.

use isospin_feed::proto::item_status::State::{Failed, Up};
use isospin_feed::proto::record::Fact;
use isospin_feed::proto::{Hello, Kind};
use serde_json::{Value, json};

use super::reports::{item, report};
use super::{agents, create, fresh, hello, id, join, shown};
use crate::testing::TestApi;

/// A trunk with two more ports; all of them nowhere.
struct Trunk {
    id: String,
    parent: String,
    carried: [String; 2],
}

async fn trunk(api: &TestApi) -> Trunk {
    let mut ports = Vec::new();
    for _ in 0..3 {
        let network = id(&create(api, "networks", "network", json!({})).await);
        ports.push(id(&create(api, "ports", "port", json!({"network_id": network})).await));
    }
    let [parent, one, other] = ports.try_into().expect("three ports");
    let part = |port: &str, vlan: u16| json!({"port_id": port, "segmentation_type": "vlan", "segmentation_id": vlan});
    let object = json!({"port_id": parent, "sub_ports": [part(&one, 101), part(&other, 102)]});
    let trunk = id(&create(api, "trunks", "trunk", object).await);
    Trunk { id: trunk, parent, carried: [one, other] }
}

async fn with_switch(api: &TestApi, host: &str) {
    let hello = Hello { mechanism: "openvswitch".to_owned(), ..hello(host, &["l2"], "") };
    agents::register(&api.app, hello).await.expect("registered");
}

async fn bind(api: &TestApi, port: &str, host: &str) {
    let body = json!({"port": {"binding:host_id": host}});
    api.expect(200, "admin", "PUT", &format!("/v2.0/ports/{port}"), body).await;
}

async fn status(api: &TestApi, trunk: &Trunk) -> Value {
    shown(api, "trunks", "trunk", &trunk.id, "status").await
}

/// Host and type of the binding of a port.
async fn bound(api: &TestApi, port: &str) -> (Value, Value) {
    let host = shown(api, "ports", "port", port, "binding:host_id").await;
    (host, shown(api, "ports", "port", port, "binding:vif_type").await)
}

#[tokio::test]
async fn the_ports_of_a_trunk_follow_their_parent_and_make_its_status() {
    TestApi::on_each_engine(|api| async move {
        with_switch(&api, "h1").await;
        with_switch(&api, "h2").await;
        let trunk = trunk(&api).await;
        assert_eq!(status(&api, &trunk).await, "DOWN");
        for host in ["h1", "h2"] {
            bind(&api, &trunk.parent, host).await;
            for port in &trunk.carried {
                assert_eq!(bound(&api, port).await, (json!(host), json!("ovs")));
            }
            let told = fresh(api.store(), host).await;
            let Some(Fact::Port(port)) = &told[&(Kind::Port as i32, trunk.carried[1].clone())].fact else {
                panic!("no port")
            };
            assert_eq!((&port.parent_port_id, port.parent_vlan), (&trunk.parent, 102));
            assert_eq!(status(&api, &trunk).await, "DOWN", "nobody has said a word");
        }
        let [one, other] = &trunk.carried;
        report(&api, "h2", vec![item("port", &trunk.parent, "l2", Up)]).await;
        assert_eq!(status(&api, &trunk).await, "BUILD");
        report(&api, "h2", vec![item("port", one, "l2", Up), item("port", other, "l2", Failed)]).await;
        assert_eq!(status(&api, &trunk).await, "DEGRADED");
        report(&api, "h2", vec![item("port", other, "l2", Up)]).await;
        assert_eq!(status(&api, &trunk).await, "ACTIVE");
        assert_eq!(shown(&api, "ports", "port", one, "status").await, "ACTIVE");
        // One more is wired while the others pass frames, and may be taken out again.
        let network = id(&create(&api, "networks", "network", json!({})).await);
        let third = id(&create(&api, "ports", "port", json!({"network_id": network})).await);
        let more =
            json!({"sub_ports": [{"port_id": third, "segmentation_type": "vlan", "segmentation_id": 103}]});
        let path = format!("/v2.0/trunks/{}/add_subports", trunk.id);
        api.expect(200, "admin", "PUT", &path, more).await;
        assert_eq!((status(&api, &trunk).await, bound(&api, &third).await.0), (json!("BUILD"), json!("h2")));
        let less = json!({"sub_ports": [{"port_id": third}]});
        api.expect(200, "admin", "PUT", &path.replace("add_", "remove_"), less).await;
        assert_eq!(status(&api, &trunk).await, "ACTIVE");
        assert_eq!(bound(&api, &third).await, (json!(""), json!("unbound")));
        // The instance goes.
        bind(&api, &trunk.parent, "").await;
        assert_eq!(bound(&api, one).await, (json!(""), json!("unbound")));
        assert_eq!(status(&api, &trunk).await, "DOWN");
    })
    .await;
}

#[tokio::test]
async fn a_host_that_carries_no_trunks_makes_them_an_error() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "bridges", "").await;
        let trunk = trunk(&api).await;
        bind(&api, &trunk.parent, "bridges").await;
        assert_eq!(bound(&api, &trunk.parent).await.1, "bridge");
        assert_eq!(bound(&api, &trunk.carried[0]).await, (json!("bridges"), json!("binding_failed")));
        assert_eq!(status(&api, &trunk).await, "ERROR");
        let path = format!("/v2.0/trunks/{}/add_subports", trunk.id);
        let more = json!({"sub_ports": [{"port_id": trunk.carried[0], "segmentation_type": "vlan", "segmentation_id": 9}]});
        assert_eq!(api.refused(409, "admin", "PUT", &path, more).await.0, "TrunkInErrorState");
        // Elsewhere it works.
        with_switch(&api, "h1").await;
        bind(&api, &trunk.parent, "h1").await;
        assert_eq!(bound(&api, &trunk.carried[0]).await, (json!("h1"), json!("ovs")));
        assert_eq!(status(&api, &trunk).await, "DOWN");
    })
    .await;
}
