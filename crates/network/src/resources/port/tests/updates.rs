//! Changing ports: revisions, If-Match, what followers are told.

use serde_json::{Value, json};

use super::{Lab, id, number, path, port, shown, update};
use crate::testing::TestApi;

#[tokio::test]
async fn each_change_counts_and_none_does_not() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let made = id(&port(&api, "member", &lab.network, json!({"name": "a"})).await);
        let changes = "SELECT COUNT(*) FROM changes WHERE topic = 'port'";
        assert_eq!(number(&api, changes).await, 1);
        assert_eq!(update(&api, "member", &made, json!({"name": "a"})).await["revision_number"], 1);
        assert_eq!(number(&api, changes).await, 1, "nothing changed, nobody is told");
        let changed = update(
            &api,
            "member",
            &made,
            json!({"name": "b", "description": "d", "device_id": "vm", "device_owner": "compute:x", "dns_name": "n"}),
        )
        .await;
        assert_eq!(changed["revision_number"], 2);
        assert_eq!(changed["dns_assignment"][0]["hostname"], "n");
        assert_eq!(number(&api, changes).await, 2);
        assert_eq!(shown(&api, "member", &made).await, changed);
    })
    .await;
}

#[tokio::test]
async fn a_stale_revision_changes_nothing() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let made = id(&port(&api, "member", &lab.network, json!({})).await);
        let body = json!({"port": {"name": "x"}}).to_string().into_bytes();
        let put = async |revision: &str| {
            let headers = [("if-match", revision)];
            api.send("member", "PUT", &path(&made), &headers, body.clone()).await
        };
        assert_eq!(put("revision_number=1").await.0, 200);
        let (status, _, fault) = put("revision_number=1").await;
        assert_eq!(status, 412);
        assert_eq!(fault["NeutronError"]["type"], "RevisionNumberConstraintFailed");
        assert_eq!(fault["NeutronError"]["message"], "Constrained to 1, but current revision is 2");
        let delete =
            api.send("member", "DELETE", &path(&made), &[("if-match", "revision_number=1")], vec![]).await;
        assert_eq!(delete.0, 412);
        let delete =
            api.send("member", "DELETE", &path(&made), &[("if-match", "revision_number=2")], vec![]).await;
        assert_eq!(delete.0, 204);
    })
    .await;
}

#[tokio::test]
async fn a_refused_change_leaves_the_port_as_it_was() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        port(&api, "member", &lab.network, json!({"fixed_ips": [{"ip_address": "10.7.0.99"}]})).await;
        let made = port(&api, "member", &lab.network, json!({})).await;
        let before = shown(&api, "admin", &id(&made)).await;
        let wanted = json!({"port": {"name": "x", "security_groups": [],
            "fixed_ips": [{"ip_address": "10.7.0.30"}, {"ip_address": "10.7.0.99"}]}});
        api.refused(409, "member", "PUT", &path(&id(&made)), wanted).await;
        assert_eq!(shown(&api, "admin", &id(&made)).await, before);
        let free = number(&api, "SELECT COUNT(*) FROM free_addresses").await;
        assert_eq!(free, 2, "10.7.0.3-98 and 10.7.0.100-254");
        let (_, message) = api.refused(400, "member", "PUT", &path(&id(&made)), json!({"ports": []})).await;
        assert_eq!(message, "Bulk operation not supported");
        api.refused(400, "member", "PUT", &path(&id(&made)), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn dns_names_are_host_names() {
    TestApi::on_each_engine(|api| async move {
        let lab = Lab::new(&api).await;
        let made = id(&port(&api, "member", &lab.network, json!({"dns_name": "WEB.openstacklocal."})).await);
        assert_eq!(shown(&api, "member", &made).await["dns_name"], "web");
        for wrong in ["-a", "a-", "a_b", "a..b", "web.example.org.", "a b", "x\ny", "1.2"] {
            api.refused(400, "member", "PUT", &path(&made), json!({"port": { "dns_name": wrong }})).await;
        }
        let long = "a".repeat(64);
        api.refused(400, "member", "PUT", &path(&made), json!({"port": { "dns_name": long }})).await;
        let domain = json!({"dns_domain": "Example.ORG."});
        let named = update(&api, "member", &made, domain.clone()).await;
        assert_eq!(named["dns_domain"], "example.org.");
        assert_eq!(named["dns_assignment"][0]["fqdn"], "web.example.org.");
        let again = update(&api, "member", &made, domain).await;
        assert_eq!(again["revision_number"], named["revision_number"]);
        let wrong = json!({"port": {"dns_domain": "example.org"}});
        api.refused(400, "member", "PUT", &path(&made), wrong).await;
        let plain = update(&api, "member", &made, json!({"dns_domain": ""})).await;
        assert_eq!(plain["dns_assignment"][0]["fqdn"], "web.openstacklocal.");
        let cleared = update(&api, "member", &made, json!({"dns_name": ""})).await;
        assert_eq!(cleared["dns_assignment"][0]["hostname"], "host-10-7-0-2");
    })
    .await;
}
