//! Refusals of an ordinary topology say what is in the way and what to call next.

use serde_json::{Value, json};

use crate::testing::TestApi;

fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}

/// What is tried, and what stands in the way.
struct Case<'t> {
    method: &'t str,
    path: String,
    body: Value,
    kind: &'t str,
    blocking: String,
    command: &'t str,
}

#[tokio::test]
async fn a_conflict_names_what_blocks_and_the_next_call() {
    TestApi::on_each_engine(|api| async move {
        let make = async |path: &str, key: &str, object: Value| {
            api.create("admin", &format!("/v2.0/{path}"), key, object).await
        };
        let outside = make("networks", "network", json!({"router:external": true})).await;
        make(
            "subnets",
            "subnet",
            json!({"network_id": outside["id"], "ip_version": 4, "cidr": "192.0.2.0/24"}),
        )
        .await;
        let network = make("networks", "network", json!({})).await;
        let subnet = json!({"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24"});
        let subnet = make("subnets", "subnet", subnet).await;
        let info = json!({"network_id": outside["id"]});
        let router = make("routers", "router", json!({"external_gateway_info": info})).await;
        let router_path = format!("/v2.0/routers/{}", id(&router));
        let body = json!({"subnet_id": subnet["id"]});
        let add = format!("{router_path}/add_router_interface");
        let interface = api.expect(200, "admin", "PUT", &add, body.clone()).await;
        let group = make("security-groups", "security_group", json!({"name": "g"})).await;
        let port = json!({"network_id": network["id"], "security_groups": [group["id"]]});
        let port = make("ports", "port", port).await;
        let floating = json!({"floating_network_id": outside["id"], "port_id": port["id"]});
        let floating = make("floatingips", "floatingip", floating).await;
        let interface_port = interface["port_id"].as_str().expect("a port").to_owned();
        let case = |method, path: String, body, kind, blocking: String, command| Case {
            method,
            path,
            body,
            kind,
            blocking,
            command,
        };
        let gone = |collection: &str, object: &Value| format!("/v2.0/{collection}/{}", id(object));
        for case in [
            case(
                "DELETE",
                router_path.clone(),
                Value::Null,
                "RouterInUse",
                interface_port.clone(),
                "router remove",
            ),
            case(
                "PUT",
                format!("{router_path}/remove_router_interface"),
                body,
                "RouterInterfaceInUseByFloatingIP",
                format!("floatingip {}", id(&floating)),
                "floating ip unset --port",
            ),
            case(
                "DELETE",
                gone("networks", &network),
                Value::Null,
                "NetworkInUse",
                interface_port,
                "port delete",
            ),
            case(
                "DELETE",
                gone("subnets", &subnet),
                Value::Null,
                "SubnetInUse",
                format!("port {}", id(&port)),
                "port delete",
            ),
            case(
                "DELETE",
                gone("security-groups", &group),
                Value::Null,
                "SecurityGroupInUse",
                format!("port {}", id(&port)),
                "port unset --security-group",
            ),
            case(
                "PUT",
                gone("networks", &outside),
                json!({"network": {"router:external": false}}),
                "ExternalNetworkInUse",
                format!("router {}", id(&router)),
                "router unset --external-gateway",
            ),
        ] {
            let answer = api.expect(409, "admin", case.method, &case.path, case.body).await;
            let fault = &answer["NeutronError"];
            assert_eq!(fault["type"], case.kind, "{fault}");
            assert!(fault["message"].as_str().is_some_and(|text| text.contains(&case.blocking)), "{fault}");
            let detail = fault["detail"].as_str().expect("a text");
            assert!(detail.contains(&format!("`openstack {}", case.command)), "{fault}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_exceeded_quota_says_which_and_who_can_raise_it() {
    TestApi::on_each_engine(|api| async move {
        let project = crate::testing::PROJECT;
        let path = format!("/v2.0/quotas/{project}");
        api.expect(200, "admin", "PUT", &path, json!({"quota": {"network": 0}})).await;
        let answer = api.expect(409, "member", "POST", "/v2.0/networks", json!({"network": {}})).await;
        let fault = &answer["NeutronError"];
        assert_eq!(fault["message"], "Quota exceeded for resources: ['network'].");
        let detail = fault["detail"].as_str().expect("a text");
        assert!(
            detail.starts_with(&format!("The limit of 'network' is 0 for project {project}. ")),
            "{detail}"
        );
        assert!(detail.contains("An administrator can raise a limit: PUT /v2.0/quotas/{id}"), "{detail}");
    })
    .await;
}
