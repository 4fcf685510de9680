//! Making, showing and deleting ports; who may; what an answer holds.

use serde_json::{Value, json};

use super::{Lab, id, network, number, path, port, refused_port, shown};
use crate::testing::{NOWHERE, OTHER_PROJECT, PROJECT, TestApi};

/// Keys of a port as a real Neutron shows them to an administrator, in that order;
/// those of extensions that are not offered are left out.
const ADMIN_KEYS: &[&str] = &[
    "id",
    "name",
    "network_id",
    "project_id",
    "mac_address",
    "admin_state_up",
    "status",
    "device_id",
    "device_owner",
    "fixed_ips",
    "allowed_address_pairs",
    "extra_dhcp_opts",
    "security_groups",
    "description",
    "binding:vnic_type",
    "binding:profile",
    "binding:host_id",
    "binding:vif_type",
    "binding:vif_details",
    "port_security_enabled",
    "qos_policy_id",
    "qos_network_policy_id",
    "dns_name",
    "dns_assignment",
    "dns_domain",
    "resource_request",
    "data_plane_status",
    "propagate_uplink_status",
    "numa_affinity_policy",
    "device_profile",
    "hints",
    "hardware_offload_type",
    "trusted",
    "tags",
    "revision_number",
    "created_at",
    "updated_at",
    "ip_allocation",
    "tenant_id",
];

#[tokio::test]
async fn a_port_has_the_shape_clients_know() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let made = port(&api, "member", &lab.network, json!({"name": "p"})).await;
        assert_eq!(made["name"], "p");
        assert_eq!(made["status"], "DOWN");
        assert_eq!(made["project_id"], PROJECT);
        assert_eq!(made["revision_number"], 1);
        assert_eq!(made["ip_allocation"], "immediate");
        assert_eq!(made["binding:vnic_type"], "normal");
        assert!(made["mac_address"].as_str().expect("a MAC").starts_with("fa:16:3e:"));
        assert_eq!(
            made["dns_assignment"],
            json!([{"ip_address": "10.7.0.2", "hostname": "host-10-7-0-2",
                "fqdn": "host-10-7-0-2.openstacklocal."}])
        );
        assert_eq!(shown(&api, "member", &id(&made)).await, made);

        let full = shown(&api, "admin", &id(&made)).await;
        let keys: Vec<&str> = full.as_object().expect("a port").keys().map(String::as_str).collect();
        assert_eq!(keys, ADMIN_KEYS);
        assert_eq!(full["binding:vif_type"], "unbound");
        for hidden in ["binding:host_id", "binding:profile", "binding:vif_type", "binding:vif_details"] {
            assert!(made.get(hidden).is_none(), "{hidden} is not for members");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_is_answered_with_everything_it_asked_for() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let made = port(
            &api,
            "member",
            &lab.network,
            json!({
                "name": "s-port", "description": "d", "device_id": "vm", "device_owner": "compute:nova",
                "admin_state_up": "False", "mac_address": "FA-16-3E-00-00-01", "dns_name": "S-Host",
                "fixed_ips": [{"subnet_id": lab.subnet, "ip_address": "10.7.0.50"}],
                "allowed_address_pairs": [{"ip_address": "10.7.0.60"},
                    {"ip_address": "0.0.0.0/0", "mac_address": "fa:16:3e:00:00:02"}],
                "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400"}],
                "security_groups": [], "tags": ["b", "a"],
            }),
        )
        .await;
        assert_eq!(made["mac_address"], "fa:16:3e:00:00:01");
        assert_eq!(made["admin_state_up"], false);
        assert_eq!(made["fixed_ips"], json!([{"subnet_id": lab.subnet, "ip_address": "10.7.0.50"}]));
        assert_eq!(
            made["allowed_address_pairs"],
            json!([{"mac_address": "fa:16:3e:00:00:01", "ip_address": "10.7.0.60"},
                {"mac_address": "fa:16:3e:00:00:02", "ip_address": "0.0.0.0/0"}])
        );
        assert_eq!(
            made["extra_dhcp_opts"],
            json!([{"opt_name": "mtu", "opt_value": "1400", "ip_version": 4}])
        );
        assert_eq!(made["security_groups"], json!([]));
        assert_eq!(made["dns_assignment"][0]["fqdn"], "s-host.openstacklocal.");
        let again = shown(&api, "member", &id(&made)).await;
        assert_eq!(again["tags"], json!(["a", "b"]));
        assert_eq!(again["device_owner"], "compute:nova");
        assert_eq!(again["description"], "d");
    })
    .await;
}

#[tokio::test]
async fn a_deleted_port_leaves_nothing() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let made = port(&api, "member", &lab.network, json!({"tags": ["t"]})).await;
        let before = number(&api, "SELECT used FROM quota_usage WHERE resource = 'port'").await;
        assert_eq!(before, 1);
        api.expect(204, "member", "DELETE", &path(&id(&made)), Value::Null).await;
        api.expect(404, "member", "GET", &path(&id(&made)), Value::Null).await;
        for (table, left) in [
            ("ports", 0),
            ("port_addresses", 0),
            ("port_security_groups", 0),
            ("port_pending", 0),
            ("tags", 0),
        ] {
            assert_eq!(number(&api, &format!("SELECT COUNT(*) FROM {table}")).await, left, "{table}");
        }
        assert_eq!(number(&api, "SELECT used FROM quota_usage WHERE resource = 'port'").await, 0);
        assert_eq!(number(&api, "SELECT COUNT(*) FROM free_addresses").await, 1, "ranges are whole again");
        let next = port(&api, "member", &lab.network, json!({})).await;
        assert_eq!(next["fixed_ips"][0]["ip_address"], "10.7.0.2", "the address is free again");
    })
    .await;
}

#[tokio::test]
async fn unknown_and_foreign_things_are_not_found() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let (kind, message) = refused_port(&api, 404, "member", NOWHERE, json!({})).await;
        assert_eq!(kind, "NetworkNotFound");
        assert_eq!(message, format!("Network {NOWHERE} could not be found."));
        let (kind, _) = refused_port(&api, 404, "other", &lab.network, json!({})).await;
        assert_eq!(kind, "NetworkNotFound", "a foreign network is hidden");

        let made = port(&api, "member", &lab.network, json!({})).await;
        for (method, body) in
            [("GET", Value::Null), ("PUT", json!({"port": {"name": "x"}})), ("DELETE", Value::Null)]
        {
            let (kind, _) = api.refused(404, "other", method, &path(&id(&made)), body.clone()).await;
            assert_eq!(kind, "PortNotFound");
            for wrong in [NOWHERE, "no-uuid"] {
                let (kind, message) = api.refused(404, "member", method, &path(wrong), body.clone()).await;
                assert_eq!(kind, "PortNotFound");
                assert_eq!(message, format!("Port {wrong} could not be found."));
            }
        }
        let (kind, message) =
            api.refused(403, "reader", "PUT", &path(&id(&made)), json!({"port": {"name": "x"}})).await;
        assert_eq!(
            (kind.as_str(), message.as_str()),
            ("PolicyNotAuthorized", "rule:update_port is disallowed by policy")
        );
        api.refused(403, "reader", "DELETE", &path(&id(&made)), Value::Null).await;
        refused_port(&api, 403, "reader", &lab.network, json!({})).await;
    })
    .await;
}

#[tokio::test]
async fn malformed_requests_are_named() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let cases = [
            (json!({"network_id": "not-a-uuid"}), "Invalid input for network_id. Reason: 'not-a-uuid' is not a valid UUID."),
            (json!({}), "Failed to parse request. Required attribute 'network_id' not specified"),
            (json!({"network_id": lab.network, "nosuch": 1}), "Unrecognized attribute(s) 'nosuch'"),
            (json!({"network_id": lab.network, "status": "UP"}), "Attribute 'status' not allowed in POST"),
            (
                json!({"network_id": lab.network, "mac_address": "00:00:00:00:00:00"}),
                "Invalid input for mac_address. Reason: '00:00:00:00:00:00' is not a valid MAC address.",
            ),
            (
                json!({"network_id": lab.network, "fixed_ips": [{"ip_address": "10.7.0.9"}, {"ip_address": "10.7.0.9"}]}),
                "Invalid input for fixed_ips. Reason: Duplicate IP address '10.7.0.9'.",
            ),
            (
                json!({"network_id": lab.network, "security_groups": ["x"]}),
                "Invalid input for security_groups. Reason: 'x' is not a valid UUID.",
            ),
        ];
        for (object, expected) in cases {
            let (kind, message) =
                api.refused(400, "member", "POST", "/v2.0/ports", json!({ "port": object })).await;
            assert_eq!((kind.as_str(), message.as_str()), ("HTTPBadRequest", expected));
        }
        let answer = api.send("member", "POST", "/v2.0/ports", &[], b"{not json".to_vec()).await;
        assert_eq!(answer.2["NeutronError"]["message"], "Body contains invalid data");
        let made = port(&api, "member", &lab.network, json!({})).await;
        let (_, message) = api
            .refused(400, "member", "PUT", &path(&id(&made)), json!({"port": {"network_id": lab.network}}))
            .await;
        assert_eq!(message, "Cannot update read-only attribute network_id");
        assert_eq!(number(&api, "SELECT COUNT(*) FROM ports").await, 1, "nothing is half done");
    })
    .await;
}

#[tokio::test]
async fn a_port_of_another_project_is_the_administrators_to_make() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let object = json!({"network_id": lab.network, "project_id": OTHER_PROJECT});
        let (kind, _) =
            api.refused(400, "member", "POST", "/v2.0/ports", json!({ "port": object.clone() })).await;
        assert_eq!(kind, "HTTPBadRequest");
        let made = api.create("admin", "/v2.0/ports", "port", object).await;
        assert_eq!(made["tenant_id"], OTHER_PROJECT);
        // The network's owner sees it and may remove it, but not change it.
        shown(&api, "member", &id(&made)).await;
        api.refused(403, "member", "PUT", &path(&id(&made)), json!({"port": {"name": "x"}})).await;
        api.expect(204, "member", "DELETE", &path(&id(&made)), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn on_a_shared_network_members_make_plain_ports_only() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::of(&api, "admin", json!({"shared": true})).await;
        let made = port(&api, "member", &lab.network, json!({})).await;
        assert_eq!(made["project_id"], PROJECT);
        port(&api, "member", &lab.network, json!({"fixed_ips": [{"subnet_id": lab.subnet}]})).await;
        for (object, rule) in [
            (json!({"fixed_ips": [{"ip_address": "10.7.0.99"}]}), "create_port:fixed_ips:ip_address"),
            (json!({"mac_address": "fa:16:3e:00:00:01"}), "create_port:mac_address"),
            (json!({"port_security_enabled": false}), "create_port:port_security_enabled"),
            (
                json!({"allowed_address_pairs": [{"ip_address": "10.7.0.1"}]}),
                "create_port:allowed_address_pairs",
            ),
            (json!({"device_owner": "network:dhcp"}), "create_port:device_owner"),
            (json!({"binding:host_id": "h"}), "create_port:binding:host_id"),
            (json!({"binding:profile": {"a": 1}}), "create_port:binding:profile"),
        ] {
            let (kind, message) = refused_port(&api, 403, "member", &lab.network, object).await;
            assert_eq!(kind, "PolicyNotAuthorized");
            assert!(message.contains(rule), "{message}");
        }
        refused_port(&api, 403, "reader", &lab.network, json!({})).await;
        // An external network is seen, not used.
        let external = network(&api, "admin", json!({"router:external": true})).await;
        let (kind, _) = refused_port(&api, 403, "member", &external, json!({})).await;
        assert_eq!(kind, "PolicyNotAuthorized");
    })
    .await;
}

#[tokio::test]
async fn over_quota_makes_nothing() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let quota = json!({"quota": {"port": 2}});
        api.expect(200, "admin", "PUT", &format!("/v2.0/quotas/{PROJECT}"), quota).await;
        port(&api, "member", &lab.network, json!({})).await;
        let three = json!({"ports": [{"network_id": lab.network}, {"network_id": lab.network}]});
        let (kind, message) = api.refused(409, "member", "POST", "/v2.0/ports", three).await;
        assert_eq!(
            (kind.as_str(), message.as_str()),
            ("OverQuota", "Quota exceeded for resources: ['port'].")
        );
        port(&api, "member", &lab.network, json!({})).await;
        let (kind, _) = refused_port(&api, 409, "member", &lab.network, json!({})).await;
        assert_eq!(kind, "OverQuota");
        assert_eq!(number(&api, "SELECT COUNT(*) FROM port_addresses").await, 2);
    })
    .await;
}
