//! Networks and ports of a database from before networks had segments.

use isospin_store_kit::MigrationSet;
use isospin_testkit::databases::TestStore;

use super::*;
use crate::MIGRATIONS;
use crate::testing::PROJECT;

const TUNNEL: &str = "10000000-0000-4000-8000-000000000000";
const FLAT: &str = "20000000-0000-4000-8000-000000000000";
const PORT: &str = "30000000-0000-4000-8000-000000000000";

async fn old(engine: Engine) -> TestStore {
    let before = MigrationSet { component: MIGRATIONS.component, steps: &MIGRATIONS.steps[..1] };
    let old = match engine {
        Engine::Sqlite => TestStore::sqlite(&[before]).await,
        Engine::Postgres => TestStore::postgres(&[before]).await,
    };
    let old = old.expect("a database");
    let network = "INSERT INTO networks (id, project_id, name, description, admin_state_up, status, mtu, mtu_given, \
         shared, external, is_default, port_security_enabled, dns_domain, availability_zone_hints, network_type, \
         physical_network, segmentation_id, created_at, updated_at, revision_number) VALUES ($1, $2, '', '', TRUE, \
         'ACTIVE', 1450, FALSE, FALSE, FALSE, FALSE, TRUE, '', '[]', $3, $4, $5, '2026-01-01T00:00:00Z', \
         '2026-01-01T00:00:00Z', 1)";
    let port = "INSERT INTO ports (id, project_id, network_id, name, description, mac_address, admin_state_up, \
         status, device_id, device_owner, port_security_enabled, dns_name, ip_allocation, allowed_address_pairs, \
         extra_dhcp_opts, binding_host, binding_vnic_type, binding_profile, binding_vif_type, binding_vif_details, \
         created_at, updated_at, revision_number) VALUES ($1, $2, $3, '', '', 'fa:16:3e:00:00:01', TRUE, 'ACTIVE', \
         '', '', FALSE, '', 'immediate', '[]', '[]', 'host-1', 'normal', '{}', 'bridge', '{}', \
         '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 1)";
    old.store
        .write("test", move |tx| {
            Box::pin(async move {
                tx.execute(network, values![TUNNEL, PROJECT, "vxlan", None::<String>, Some(2)]).await?;
                tx.execute(network, values![FLAT, PROJECT, "flat", Some("p1".to_owned()), None::<i64>])
                    .await?;
                tx.execute(port, values![PORT, PROJECT, TUNNEL]).await?;
                Ok::<_, isospin_store_kit::StoreError>(())
            })
        })
        .await
        .expect("old rows");
    old
}

#[tokio::test]
async fn networks_stay_where_they_were() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let new = old(engine).await.reopened(&[MIGRATIONS]).await.expect("the new schema");
        let api = TestApi::over(new, Settings::default()).await;
        for (id, kind, physical, tag) in
            [(TUNNEL, "vxlan", Value::Null, json!(2)), (FLAT, "flat", json!("p1"), Value::Null)]
        {
            let shown = api.expect(200, "admin", "GET", &format!("/v2.0/networks/{id}"), Value::Null).await;
            let network = &shown["network"];
            assert_eq!(network["provider:network_type"], kind);
            assert_eq!(
                (&network["provider:physical_network"], &network["provider:segmentation_id"]),
                (&physical, &tag)
            );
        }
        let own = id(&segments(&api, &format!("network_id={TUNNEL}")).await[0]);
        assert_eq!(own, TUNNEL.replace("-4000-8", "-8000-8"));
        let path = format!("/v2.0/segments/{own}");
        let other = segment(&api, TUNNEL, json!({"network_type": "vxlan"})).await;
        assert_eq!(other["segmentation_id"], 1, "2 is not free");
        let (_, message) = api.refused(409, "admin", "DELETE", &path, Value::Null).await;
        assert!(message.ends_with(&format!("bound with port(s) {PORT}.")), "{message}");
    }
}
