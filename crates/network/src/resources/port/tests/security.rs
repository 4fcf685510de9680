//! Port security, groups, pairs and options: what keeps one project's port from
//! harming another's.

use serde_json::{Value, json};

use super::{Lab, id, number, port, refused_port, refused_update, shown, subnet, update};
use crate::testing::{NOWHERE, PROJECT, TestApi};

#[tokio::test]
async fn the_default_group_is_made_when_it_is_first_needed() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        assert_eq!(number(&api, "SELECT COUNT(*) FROM security_groups").await, 0);
        let first = port(&api, "member", &lab.network, json!({})).await;
        let second = port(&api, "member", &lab.network, json!({})).await;
        assert_eq!(first["security_groups"], second["security_groups"]);
        assert_eq!(first["security_groups"].as_array().map(Vec::len), Some(1));
        assert_eq!(number(&api, "SELECT COUNT(*) FROM security_groups").await, 1);
        let none = port(&api, "member", &lab.network, json!({"security_groups": null})).await;
        assert_eq!(none["security_groups"], json!([]));
        let trusted = port(&api, "member", &lab.network, json!({"device_owner": "network:dhcp"})).await;
        assert_eq!(trusted["security_groups"], json!([]));
        assert_eq!(trusted["port_security_enabled"], false);
    })
    .await;
}

#[tokio::test]
async fn groups_must_be_the_projects_own() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let group = |token: &'static str| {
            let made = api.create(token, "/v2.0/security-groups", "security_group", json!({"name": "g"}));
            async move { id(&made.await) }
        };
        let (own, foreign) = (group("member").await, group("other").await);
        let made = port(&api, "member", &lab.network, json!({"security_groups": [own]})).await;
        assert_eq!(made["security_groups"], json!([own]));
        for unknown in [foreign.as_str(), NOWHERE] {
            let (kind, message) =
                refused_port(&api, 404, "member", &lab.network, json!({"security_groups": [unknown]})).await;
            assert_eq!(kind, "SecurityGroupNotFound");
            assert_eq!(message, format!("Security group {unknown} does not exist"));
            refused_update(&api, 404, "member", &id(&made), json!({"security_groups": [unknown]})).await;
        }
        let changed = update(&api, "member", &id(&made), json!({"security_groups": []})).await;
        assert_eq!(changed["security_groups"], json!([]));
        let changed = update(&api, "member", &id(&made), json!({"security_groups": [own]})).await;
        assert_eq!(changed["security_groups"], json!([own]));
        assert_eq!(changed["revision_number"], 3);
    })
    .await;
}

#[tokio::test]
async fn the_groups_of_a_port_are_all_stateful_or_none() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let group = async |stateful: bool| {
            let object = json!({"name": "g", "stateful": stateful});
            id(&api.create("member", "/v2.0/security-groups", "security_group", object).await)
        };
        let (first, second, stateless) = (group(true).await, group(true).await, group(false).await);
        let conflict = async |answer: (String, String)| assert_eq!(answer.0, "SecurityGroupConflict");
        let object = json!({"security_groups": [first, second, stateless]});
        conflict(refused_port(&api, 409, "member", &lab.network, object).await).await;
        for (has, gets) in [(&first, &stateless), (&stateless, &first)] {
            let made = id(&port(&api, "member", &lab.network, json!({"security_groups": [has]})).await);
            let object = json!({"security_groups": [has, gets]});
            conflict(refused_update(&api, 409, "member", &made, object).await).await;
            update(&api, "member", &made, json!({"security_groups": [gets]})).await;
        }
        let both = json!({"security_groups": [first, second]});
        let made = port(&api, "member", &lab.network, both).await;
        assert_eq!(made["security_groups"].as_array().map(Vec::len), Some(2));
    })
    .await;
}

#[tokio::test]
async fn without_port_security_there_are_no_groups_and_no_pairs() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let off = port(&api, "member", &lab.network, json!({"port_security_enabled": false})).await;
        assert_eq!(off["security_groups"], json!([]));
        let pairs = json!([{"ip_address": "10.7.0.60"}]);
        let group = id(&api.create("member", "/v2.0/security-groups", "security_group", json!({})).await);
        let (kind, _) = refused_port(
            &api,
            400,
            "member",
            &lab.network,
            json!({"port_security_enabled": false, "security_groups": [group]}),
        )
        .await;
        assert_eq!(kind, "PortSecurityAndIPRequiredForSecurityGroups");
        let (kind, _) = refused_port(
            &api,
            409,
            "member",
            &lab.network,
            json!({"port_security_enabled": false, "allowed_address_pairs": pairs}),
        )
        .await;
        assert_eq!(kind, "AddressPairAndPortSecurityRequired");
        let (kind, _) =
            refused_update(&api, 409, "member", &id(&off), json!({"allowed_address_pairs": pairs})).await;
        assert_eq!(kind, "AddressPairAndPortSecurityRequired");
        let (kind, _) =
            refused_update(&api, 400, "member", &id(&off), json!({"security_groups": [group]})).await;
        assert_eq!(kind, "PortSecurityAndIPRequiredForSecurityGroups");

        let on = id(&port(&api, "member", &lab.network, json!({})).await);
        let (kind, _) =
            refused_update(&api, 409, "member", &on, json!({"port_security_enabled": false})).await;
        assert_eq!(kind, "PortSecurityPortHasSecurityGroup");
        let both = json!({"port_security_enabled": false, "security_groups": []});
        assert_eq!(update(&api, "member", &on, both).await["port_security_enabled"], false);

        let open = Lab::of(&api, "member", json!({"port_security_enabled": false})).await;
        let made = port(&api, "member", &open.network, json!({})).await;
        assert_eq!(made["port_security_enabled"], false, "what the network says");
    })
    .await;
}

#[tokio::test]
async fn n07_address_pairs_are_bounded_and_distinct() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let pairs = |count: usize| -> Value {
            (0..count).map(|at| json!({"ip_address": format!("10.9.0.{at}")})).collect()
        };
        let made = port(&api, "member", &lab.network, json!({"allowed_address_pairs": pairs(10)})).await;
        let (kind, message) =
            refused_port(&api, 400, "member", &lab.network, json!({"allowed_address_pairs": pairs(11)})).await;
        assert_eq!(kind, "AllowedAddressPairExhausted");
        assert_eq!(message, "The number of allowed address pair exceeds the maximum 10.");
        let (kind, _) =
            refused_update(&api, 400, "member", &id(&made), json!({"allowed_address_pairs": pairs(11)})).await;
        assert_eq!(kind, "AllowedAddressPairExhausted");
        // The same pair twice, once with the port's own MAC spelled out.
        let twice = json!([{"ip_address": "10.9.0.1"}, {"ip_address": "10.9.0.1", "mac_address": "fa:16:3e:00:00:01"}]);
        let object = json!({"mac_address": "fa:16:3e:00:00:01", "allowed_address_pairs": twice});
        let (kind, _) = refused_port(&api, 400, "member", &lab.network, object).await;
        assert_eq!(kind, "DuplicateAddressPairInRequest");
        let missing = json!({"allowed_address_pairs": [{"mac_address": "fa:16:3e:00:00:01"}]});
        let (kind, _) = refused_port(&api, 400, "member", &lab.network, missing).await;
        assert_eq!(kind, "AllowedAddressPairsMissingIP");
        for wrong in [json!({"ip_address": "224.0.0.1"}), json!({"ip_address": "10.0.0.1", "mac_address": "01:00:5e:00:00:01"}),
            json!({"ip_address": "x"}), json!({"ip_address": "10.0.0.1", "extra": 1})] {
            refused_port(&api, 400, "member", &lab.network, json!({"allowed_address_pairs": [wrong]})).await;
        }
        let cleared = update(&api, "member", &id(&made), json!({"allowed_address_pairs": null})).await;
        assert_eq!(cleared["allowed_address_pairs"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn n11_a_pair_of_every_address_is_legal() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let pairs =
            json!([{"ip_address": "0.0.0.0/0"}, {"ip_address": "::/0"}, {"ip_address": "10.9.0.5/24"}]);
        let made = port(&api, "member", &lab.network, json!({ "allowed_address_pairs": pairs })).await;
        let again = shown(&api, "member", &id(&made)).await;
        let written: Vec<&str> = again["allowed_address_pairs"]
            .as_array()
            .expect("pairs")
            .iter()
            .filter_map(|pair| pair["ip_address"].as_str())
            .collect();
        assert_eq!(written, ["0.0.0.0/0", "::/0", "10.9.0.5/24"]);
    })
    .await;
}

#[tokio::test]
async fn n21_control_characters_in_dhcp_options_are_refused() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let made = id(&port(&api, "member", &lab.network, json!({})).await);
        for wrong in [
            json!({"opt_name": "domain-name", "opt_value": "x\nconf-file=/etc/shadow"}),
            json!({"opt_name": "domain-name\r\ntftp-root=/", "opt_value": "x"}),
            json!({"opt_name": "a", "opt_value": "b\u{0}"}),
            json!({"opt_name": "a", "opt_value": "\u{85}"}),
            json!({"opt_name": "a", "opt_value": "\t"}),
            json!({"opt_name": "", "opt_value": "b"}),
            json!({"opt_name": "a", "opt_value": ""}),
            json!({"opt_name": "a"}),
            json!({"opt_name": "a", "opt_value": "b", "ip_version": 5}),
            json!({"opt_name": "a".repeat(65), "opt_value": "b"}),
            json!({"opt_name": "a", "opt_value": "b".repeat(256)}),
        ] {
            let object = json!({ "extra_dhcp_opts": [wrong] });
            let (kind, _) = refused_port(&api, 400, "member", &lab.network, object.clone()).await;
            assert_eq!(kind, "HTTPBadRequest", "{object}");
            refused_update(&api, 400, "member", &made, object).await;
        }
        // Merged by name and family; null removes; two options may be blank.
        let options = |port: &Value| port["extra_dhcp_opts"].clone();
        let first = json!({"extra_dhcp_opts": [{"opt_name": "router", "opt_value": ""},
            {"opt_name": "mtu", "opt_value": "1400"}, {"opt_name": "mtu", "opt_value": "1300", "ip_version": 6}]});
        update(&api, "member", &made, first).await;
        let second = json!({"extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1450", "ip_version": "4"},
            {"opt_name": "router", "opt_value": null}]});
        assert_eq!(
            options(&update(&api, "member", &made, second).await),
            json!([{"opt_name": "mtu", "opt_value": "1450", "ip_version": 4},
                {"opt_name": "mtu", "opt_value": "1300", "ip_version": 6}])
        );
    })
    .await;
}

#[tokio::test]
async fn n03_the_router_of_another_project_cannot_be_claimed() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::of(&api, "other", json!({})).await;
        let router = id(&api.create("member", "/v2.0/routers", "router", json!({})).await);
        let own = id(&api.create("other", "/v2.0/routers", "router", json!({})).await);
        let claim = |router: &str, owner: &str| json!({"device_id": router, "device_owner": owner});
        for owner in
            ["network:router_interface", "network:router_gateway", "network:router_interface_distributed"]
        {
            let (kind, message) = refused_port(&api, 409, "other", &lab.network, claim(&router, owner)).await;
            assert_eq!(kind, "DeviceIDNotOwnedByTenant");
            assert!(message.contains(&router), "{message}");
        }
        port(&api, "other", &lab.network, claim(&own, "network:router_interface")).await;
        // In two steps, each harmless by itself.
        for (first, second) in [
            (json!({ "device_id": router }), json!({"device_owner": "network:router_interface"})),
            (json!({"device_owner": "network:router_interface"}), json!({ "device_id": router })),
        ] {
            let made = id(&port(&api, "other", &lab.network, json!({})).await);
            update(&api, "other", &made, first).await;
            let (kind, _) = refused_update(&api, 409, "other", &made, second).await;
            assert_eq!(kind, "DeviceIDNotOwnedByTenant");
        }
    })
    .await;
}

#[tokio::test]
async fn n08_naming_an_attribute_needs_its_rule_whatever_the_value() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::of(&api, "admin", json!({"shared": true})).await;
        let made = id(&port(&api, "member", &lab.network, json!({})).await);
        let host = json!({"binding:host_id": "host-1", "device_owner": "compute:nova"});
        update(&api, "admin", &made, host).await;
        for object in [
            json!({"binding:host_id": ""}),
            json!({"binding:host_id": null}),
            json!({"binding:profile": {}}),
            json!({"allowed_address_pairs": []}),
            json!({"port_security_enabled": true}),
            json!({"fixed_ips": []}),
        ] {
            let (kind, _) = refused_update(&api, 403, "member", &made, object.clone()).await;
            assert_eq!(kind, "PolicyNotAuthorized", "{object}");
        }
        assert_eq!(shown(&api, "admin", &made).await["binding:host_id"], "host-1");
    })
    .await;
}

#[tokio::test]
async fn n12_becoming_the_clouds_own_port_later_needs_the_same_right() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::of(&api, "admin", json!({"shared": true})).await;
        let made = id(&port(&api, "member", &lab.network, json!({})).await);
        for owner in ["network:dhcp", "network:router_interface", "network:"] {
            let (kind, message) =
                refused_update(&api, 403, "member", &made, json!({ "device_owner": owner })).await;
            assert_eq!(kind, "PolicyNotAuthorized");
            assert!(message.contains("update_port:device_owner"), "{message}");
        }
        assert_eq!(
            update(&api, "member", &made, json!({"device_owner": "compute:x"})).await["device_owner"],
            "compute:x"
        );
        let after = shown(&api, "member", &made).await;
        assert_eq!(after["port_security_enabled"], true);
        assert_eq!(after["security_groups"].as_array().map(Vec::len), Some(1));
        // Who may: the administrator, services, and the owner of the network.
        update(&api, "admin", &made, json!({"device_owner": "network:x"})).await;
        let own = Lab::new(&api).await;
        let made = id(&port(&api, "member", &own.network, json!({})).await);
        update(&api, "member", &made, json!({"device_owner": "network:x"})).await;
    })
    .await;
}

#[tokio::test]
async fn n27_who_manages_a_project_manages_no_foreign_network() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::of(&api, "admin", json!({"shared": true})).await;
        let made = id(&port(&api, "manager", &lab.network, json!({})).await);
        assert_eq!(shown(&api, "manager", &made).await["project_id"], PROJECT);
        let sub = subnet(&api, "admin", &lab.network, json!({"cidr": "10.8.0.0/24"})).await;
        for object in [
            json!({"mac_address": "fa:16:3e:00:00:09"}),
            json!({"port_security_enabled": false}),
            json!({"allowed_address_pairs": [{"ip_address": "10.7.0.1"}]}),
            json!({"fixed_ips": [{"ip_address": "10.7.0.77"}]}),
            json!({"fixed_ips": [{"subnet_id": sub}]}),
            json!({"device_owner": "network:dhcp"}),
            json!({"binding:host_id": "h"}),
        ] {
            refused_update(&api, 403, "manager", &made, object).await;
        }
    })
    .await;
}
