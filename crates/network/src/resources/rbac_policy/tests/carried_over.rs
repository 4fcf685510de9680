//! Networks of a database from before there were entries.

use isospin_store_kit::{Engine, MigrationSet, values};
use isospin_testkit::databases::TestStore;
use serde_json::{Value, json};

use super::*;
use crate::testing::PROJECT;
use crate::{MIGRATIONS, Settings};

#[tokio::test]
async fn shared_and_external_networks_keep_what_they_were() {
    let before = MigrationSet { component: MIGRATIONS.component, steps: &MIGRATIONS.steps[..1] };
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let old = match engine {
            Engine::Sqlite => TestStore::sqlite(&[before]).await,
            Engine::Postgres => TestStore::postgres(&[before]).await,
        }
        .expect("a database");
        old.store
            .write("test", |tx| {
                Box::pin(async move {
                    for (number, shared, external) in [(1, true, false), (2, false, true), (3, false, false)] {
                        tx.execute(
                            "INSERT INTO networks (id, project_id, name, description, admin_state_up, status, mtu, \
                             mtu_given, shared, external, is_default, port_security_enabled, dns_domain, \
                             availability_zone_hints, network_type, segmentation_id, created_at, updated_at, \
                             revision_number) VALUES ($1, $2, $3, '', TRUE, 'ACTIVE', 1450, FALSE, $4, $5, FALSE, \
                             TRUE, '', '[]', 'vxlan', $6, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 1)",
                            values![
                                format!("{number}0000000-0000-4000-8000-000000000000"),
                                PROJECT,
                                number.to_string(),
                                shared,
                                external,
                                number
                            ],
                        )
                        .await?;
                    }
                    Ok::<_, isospin_store_kit::StoreError>(())
                })
            })
            .await
            .expect("old rows");
        let new = old.reopened(&[MIGRATIONS]).await.expect("the new schema");
        let api = TestApi::over(new, Settings::default()).await;
        let listed = api.expect(200, "other", "GET", "/v2.0/networks?sort_key=name", Value::Null).await;
        let seen: Vec<_> = listed["networks"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|item| (item["name"].clone(), item["shared"].clone(), item["router:external"].clone()))
            .collect();
        let expected = [(json!("1"), json!(true), json!(false)), (json!("2"), json!(false), json!(true))];
        assert_eq!(seen, expected);
        let entries = api.expect(200, "member", "GET", PATH, Value::Null).await;
        let mut made: Vec<_> = entries["rbac_policies"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|entry| (entry["action"].as_str().expect("an action").to_owned(), id(entry).to_owned()))
            .collect();
        made.sort_unstable();
        let [(external, _), (shared, url)] = made.as_slice() else { panic!("two entries, not {made:?}") };
        assert_eq!((external.as_str(), shared.as_str()), ("access_as_external", "access_as_shared"));
        api.expect(204, "admin", "DELETE", &format!("{PATH}/{url}"), Value::Null).await;
        let listed = api.expect(200, "other", "GET", "/v2.0/networks", Value::Null).await;
        assert_eq!(listed["networks"].as_array().map(Vec::len), Some(1));
    }
}
