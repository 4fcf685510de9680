//! Forwardings from creation to their end.

use isospin_store_kit::changes;
use serde_json::{Value, json};

use super::Yard;
use crate::resources::router::tests::{id, keys, refusal};
use crate::testing::TestApi;

#[tokio::test]
async fn a_forwarding_is_made_shown_changed_and_deleted() {
    TestApi::on_each_engine(|api| async move {
        let yard = Yard::new(&api).await;
        let made = yard.forward(&api, json!({"description": "ssh"})).await;
        assert_eq!(
            keys(&made),
            [
                "id",
                "external_port",
                "external_port_range",
                "protocol",
                "internal_port_id",
                "internal_ip_address",
                "internal_port",
                "internal_port_range",
                "description"
            ]
        );
        assert_eq!(made["external_port_range"], "2222:2222");
        assert_eq!(made["internal_port_range"], "22:22");
        let shown = api.expect(200, "reader", "GET", &yard.one(&made), Value::Null).await;
        assert_eq!(shown["port_forwarding"], made);
        let listed = api.expect(200, "reader", "GET", &yard.all(), Value::Null).await;
        assert_eq!(listed, json!({"port_forwardings": [made]}));

        let floating_ip = yard.shown(&api).await;
        assert_eq!(floating_ip["router_id"], yard.floor.router.as_str());
        assert_eq!(floating_ip["port_id"], Value::Null);
        assert_eq!(floating_ip["revision_number"], 2);
        assert_eq!(
            floating_ip["port_forwardings"],
            json!([{
                "id": made["id"], "protocol": "tcp", "internal_ip_address": "10.7.0.50", "internal_port": 22,
                "internal_port_id": yard.floor.port, "external_port": 2222,
            }])
        );

        let change = async |object: Value| {
            let body = json!({"port_forwarding": object});
            api.expect(200, "member", "PUT", &yard.one(&made), body).await["port_forwarding"].take()
        };
        assert_eq!(change(json!({"external_port": 2222})).await, made, "nothing to change");
        assert_eq!(yard.shown(&api).await["revision_number"], 2);
        let changed = change(json!({"external_port": 2223, "protocol": "UDP", "description": ""})).await;
        assert_eq!((&changed["external_port"], &changed["protocol"]), (&json!(2223), &json!("udp")));
        assert_eq!(yard.shown(&api).await["revision_number"], 3);

        api.expect(204, "member", "DELETE", &yard.one(&made), Value::Null).await;
        let gone =
            refusal("PortForwardingNotFound", format!("Port Forwarding {} could not be found.", id(&made)));
        assert_eq!(api.refused(404, "member", "GET", &yard.one(&made), Value::Null).await, gone);
        let floating_ip = yard.shown(&api).await;
        assert_eq!((&floating_ip["router_id"], &floating_ip["status"]), (&Value::Null, &json!("DOWN")));
        assert_eq!(floating_ip["port_forwardings"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn ranges_lead_one_to_one_or_all_to_one() {
    TestApi::on_each_engine(|api| async move {
        let yard = Yard::new(&api).await;
        let no_ports = json!({"internal_port": null, "external_port": null});
        let with = |other: Value| {
            let mut all = no_ports.clone();
            all.as_object_mut().expect("an object").extend(other.as_object().expect("an object").clone());
            all
        };
        let one_to_one = json!({"internal_port_range": "80:90", "external_port_range": "8080:8090"});
        let made = yard.forward(&api, with(one_to_one)).await;
        assert_eq!((&made["internal_port"], &made["external_port"]), (&Value::Null, &Value::Null));
        assert_eq!(made["external_port_range"], "8080:8090");
        let to_one = json!({"internal_port_range": "22", "external_port_range": "2000:2100"});
        let made = yard.forward(&api, with(to_one)).await;
        assert_eq!((&made["internal_port"], &made["internal_port_range"]), (&json!(22), &json!("22:22")));
        let bad = json!({"internal_port_range": "300:302", "external_port_range": "300:301", "protocol": "udp"});
        let relation = "Bad port_forwarding request: Invalid ranges of internal and/or external ports. The relation \
                        between internal and external ports must be N-N or 1-N.";
        assert_eq!(yard.refused(&api, 400, with(bad)).await, refusal("BadRequest", relation));
        let both = json!({"internal_port_range": "22:22"});
        let together = "Bad port_forwarding request: internal_port and internal_port_range cannot be specified \
                        together.";
        assert_eq!(yard.refused(&api, 400, both).await, refusal("BadRequest", together));
        let missing = "Failed to parse request. Required attribute 'external_port' not specified";
        assert_eq!(
            yard.refused(&api, 400, json!({"external_port": null})).await,
            refusal("HTTPBadRequest", missing)
        );
        for wrong in ["0:5", "5:4", "1:70000", "a:b", ""] {
            let (kind, _) = yard.refused(&api, 400, with(json!({"external_port_range": wrong}))).await;
            assert_eq!(kind, "HTTPBadRequest", "{wrong}");
        }
        let icmp = yard.forward(&api, with(json!({"protocol": "icmp"}))).await;
        assert_eq!(icmp["internal_port_range"], Value::Null);
        let ports = "Bad port_forwarding request: protocol icmp6 has no ports.".replace("icmp6", "ipv6-icmp");
        assert_eq!(
            yard.refused(&api, 400, json!({"protocol": "icmp6"})).await,
            refusal("BadRequest", ports)
        );
    })
    .await;
}

#[tokio::test]
async fn forwardings_are_found_by_what_they_are() {
    TestApi::on_each_engine(|api| async move {
        let yard = Yard::new(&api).await;
        let ssh = yard.forward(&api, json!({})).await;
        let web = yard.forward(&api, json!({"internal_port": 80, "external_port": 8080})).await;
        let get = async |query: String| {
            let path = format!("{}?{query}", yard.all());
            let list = api.expect(200, "member", "GET", &path, Value::Null).await;
            list["port_forwardings"].as_array().expect("a list").iter().map(id).collect::<Vec<_>>()
        };
        assert_eq!(get("external_port=8080".to_owned()).await, [id(&web)]);
        assert_eq!(get(format!("id={}", id(&ssh))).await, [id(&ssh)]);
        assert_eq!(get("protocol=udp".to_owned()).await, Vec::<String>::new());
        assert_eq!(get(format!("internal_port_id={}&limit=1", yard.floor.port)).await.len(), 1);
        for other in ["internal_port=22", "internal_ip_address=10.7.0.50", "description=x"] {
            let path = format!("{}?{other}", yard.all());
            api.refused(400, "member", "GET", &path, Value::Null).await;
        }
        let many = json!({"port_forwardings": [
            yard.ssh(json!({"external_port": 1, "internal_port": 1})),
            yard.ssh(json!({"external_port": 2, "internal_port": 1})),
        ]});
        api.refused(400, "member", "POST", &yard.all(), many).await;
        assert_eq!(get(String::new()).await.len(), 2, "all or nothing");
    })
    .await;
}

#[tokio::test]
async fn forwardings_end_with_the_address_they_lead_to() {
    TestApi::on_each_engine(|api| async move {
        let yard = Yard::new(&api).await;
        yard.forward(&api, json!({})).await;
        let port = format!("/v2.0/ports/{}", yard.floor.port);
        let with = |addresses: &[&str]| {
            let all: Vec<Value> = addresses.iter().map(|ip| json!({"ip_address": ip})).collect();
            json!({"port": {"fixed_ips": all}})
        };
        api.expect(200, "member", "PUT", &port, with(&["10.7.0.50", "10.7.0.51"])).await;
        let other = json!({"internal_ip_address": "10.7.0.51", "external_port": 2223});
        let other = yard.forward(&api, other).await;
        api.expect(200, "member", "PUT", &port, with(&["10.7.0.51"])).await;
        let floating_ip = yard.shown(&api).await;
        assert_eq!(floating_ip["port_forwardings"].as_array().map(Vec::len), Some(1));
        assert_eq!(floating_ip["port_forwardings"][0]["id"], other["id"]);
        assert_eq!(floating_ip["router_id"], yard.floor.router.as_str());
        api.write(|tx| {
            Box::pin(async move {
                tx.execute("UPDATE floating_ips SET status = 'ACTIVE'", vec![]).await?;
                Ok(())
            })
        })
        .await;
        let at = *api.store().versions().borrow();
        api.expect(204, "member", "DELETE", &port, Value::Null).await;
        let floating_ip = yard.shown(&api).await;
        assert_eq!(floating_ip["port_forwardings"], json!([]));
        assert_eq!((&floating_ip["router_id"], &floating_ip["status"]), (&Value::Null, &json!("DOWN")));
        let mut session = api.store().reader().await.expect("a reader");
        let rows = changes::since(&mut session, at, 100).await.expect("changes");
        let told = rows.iter().filter(|row| row.topic == "floating_ip").map(|row| row.scope.as_str());
        assert_eq!(told.collect::<Vec<_>>(), [yard.floor.router.as_str()], "its router's agent hears of it");
    })
    .await;
}
