//! Tests of quotas: the API on both engines, and counting by several writers.

use isospin_api_kit::FaultType;
use isospin_store_kit::{Engine, Store};
use isospin_testkit::databases::{TestStore, on_each_engine};
use serde_json::{Value, json};

use crate::testing::{OTHER_PROJECT, PROJECT, TestApi};
use crate::{MIGRATIONS, Settings, quota};

fn path(project: &str) -> String {
    format!("/v2.0/quotas/{project}")
}

const DEFAULTS: &str = r#"{"network":100,"subnet":100,"subnetpool":-1,"port":500,"router":10,"floatingip":50,"rbac_policy":10,"security_group":10,"security_group_rule":100,"trunk":-1}"#;

#[tokio::test]
async fn every_project_reads_its_own_limits() {
    TestApi::on_each_engine(|api| async move {
        let get = async |token: &str, path: String| api.expect(200, token, "GET", &path, Value::Null).await;
        for token in ["member", "reader", "manager", "admin"] {
            for path in [path(PROJECT), format!("{}/default", path(PROJECT))] {
                assert_eq!(get(token, path).await["quota"].to_string(), DEFAULTS);
            }
        }
        for suffix in ["", "/default", "/details", "/details.json"] {
            let foreign = format!("{}{suffix}", path(OTHER_PROJECT));
            let (kind, _) = api.refused(403, "member", "GET", &foreign, Value::Null).await;
            assert_eq!(kind, "AdminRequired");
            get("admin", foreign).await;
        }
        assert_eq!(get("member", path("tenant")).await, json!({"tenant": {"tenant_id": PROJECT}}));
        assert_eq!(get("member", path("project")).await, json!({"project": {"project_id": PROJECT}}));
    })
    .await;
}

#[tokio::test]
async fn the_administrator_sets_limits_and_takes_them_back() {
    TestApi::on_each_engine(|api| async move {
        let put = json!({"quota": {"network": 101, "port": "-1"}});
        let changed = api.expect(200, "admin", "PUT", &path(PROJECT), put).await["quota"].take();
        assert_eq!(
            (&changed["network"], &changed["port"], &changed["subnet"]),
            (&json!(101), &json!(-1), &json!(100))
        );
        let shown = api.expect(200, "member", "GET", &path(PROJECT), Value::Null).await;
        assert_eq!(shown["quota"], changed);
        let default =
            api.expect(200, "member", "GET", &format!("{}/default", path(PROJECT)), Value::Null).await;
        assert_eq!(default["quota"].to_string(), DEFAULTS);
        let all = api.expect(200, "admin", "GET", "/v2.0/quotas", Value::Null).await["quotas"].take();
        assert_eq!(all.as_array().map(Vec::len), Some(1));
        assert_eq!((&all[0]["project_id"], &all[0]["tenant_id"]), (&json!(PROJECT), &json!(PROJECT)));
        assert_eq!(all[0]["network"], 101);
        let own = api.expect(200, "manager", "GET", "/v2.0/quotas", Value::Null).await;
        assert_eq!(own["quotas"], all);
        let (kind, _) = api.refused(403, "member", "GET", "/v2.0/quotas", Value::Null).await;
        assert_eq!(kind, "PolicyNotAuthorized");
        for token in ["member", "manager"] {
            api.refused(403, token, "PUT", &path(PROJECT), json!({"quota": {"network": 1}})).await;
            api.refused(403, token, "DELETE", &path(PROJECT), Value::Null).await;
        }
        api.expect(204, "admin", "DELETE", &path(PROJECT), Value::Null).await;
        let (kind, message) = api.refused(404, "admin", "DELETE", &path(PROJECT), Value::Null).await;
        assert_eq!(kind, "TenantQuotaNotFound");
        assert_eq!(message, format!("Quota for tenant {PROJECT} could not be found."));
        for wrong in [
            json!({"nosuch": 1}),
            json!({"port": -2}),
            json!({"port": 2_147_483_648_i64}),
            json!({"port": "x"}),
            json!({"port": null}),
        ] {
            api.refused(400, "admin", "PUT", &path(PROJECT), json!({ "quota": wrong })).await;
        }
        let (status, _, answer) = api.request("admin", "POST", "/v2.0/quotas", json!({"quota": {}})).await;
        assert_eq!(
            (status, answer["NotImplementedError"]["type"].as_str()),
            (501, Some("HTTPNotImplemented"))
        );
    })
    .await;
}

#[tokio::test]
async fn limits_below_the_usage_need_force() {
    TestApi::on_each_engine(|api| async move {
        for _ in 0..3 {
            api.create("member", "/v2.0/networks", "network", json!({})).await;
        }
        let details = async || {
            let path = format!("{}/details.json", path(PROJECT));
            api.expect(200, "member", "GET", &path, Value::Null).await["quota"]["network"].take()
        };
        assert_eq!(details().await, json!({"limit": 100, "used": 3, "reserved": 0}));
        for low in [
            json!({"network": 2}),
            json!({"network": 2, "check_limit": true}),
            json!({"network": 0, "force": false}),
        ] {
            let (kind, message) =
                api.refused(400, "admin", "PUT", &path(PROJECT), json!({ "quota": low })).await;
            assert_eq!(kind, "InvalidQuotaValue");
            assert!(message.contains("'network'"), "{message}");
        }
        for fitting in [json!({"network": 3}), json!({"network": -1}), json!({"network": 2, "force": true})] {
            api.expect(200, "admin", "PUT", &path(PROJECT), json!({ "quota": fitting })).await;
        }
        assert_eq!(details().await, json!({"limit": 2, "used": 3, "reserved": 0}));
        let (kind, _) = api.refused(409, "member", "POST", "/v2.0/networks", json!({"network": {}})).await;
        assert_eq!(kind, "OverQuota");
    })
    .await;
}

/// Counts one port; whether it was within the limit.
async fn take(store: &Store, settings: &Settings) -> bool {
    let settings = settings.clone();
    let taken = store
        .write("test", move |tx| {
            Box::pin(async move { quota::take(tx, &settings, PROJECT, "port", 1).await })
        })
        .await;
    match taken {
        Ok(()) => true,
        Err(fault) => {
            assert_eq!(fault.kind, FaultType::OverQuota);
            false
        }
    }
}

async fn used(store: &Store) -> i64 {
    let mut session = store.reader().await.expect("a reader");
    let row =
        session.row("SELECT used FROM quota_usage WHERE resource = 'port'", vec![]).await.expect("usage");
    row.expect("usage").columns().int().expect("a number")
}

/// Ten writers at once want the last three; with PostgreSQL they are two servers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_never_pass_the_limit() {
    on_each_engine(&[MIGRATIONS], |database: TestStore| async move {
        let mut settings = Settings::default();
        settings.quotas.by_resource.insert("port", 3);
        let first = database.store.clone();
        let second = match database.engine {
            Engine::Sqlite => first.clone(),
            Engine::Postgres => Store::open(database.config(), &[MIGRATIONS]).await.expect("a second server"),
        };
        let writers = (0..10).map(|at| {
            let (store, settings) =
                (if at % 2 == 0 { first.clone() } else { second.clone() }, settings.clone());
            tokio::spawn(async move { take(&store, &settings).await })
        });
        let mut won = 0;
        for writer in writers.collect::<Vec<_>>() {
            won += usize::from(writer.await.expect("a writer"));
        }
        assert_eq!(won, 3);
        assert_eq!(used(&first).await, 3, "what was refused does not count");
        first
            .write("test", |tx| Box::pin(async move { quota::give_back(tx, PROJECT, "port", 1).await }))
            .await
            .expect("given back");
        assert!(take(&second, &settings).await);
        assert!(!take(&first, &settings).await);
    })
    .await;
}
