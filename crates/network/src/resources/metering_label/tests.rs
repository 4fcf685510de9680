//! API tests of metering labels, on both engines.

use serde_json::{Value, json};

use crate::resources::router::tests::{id, refusal};
use crate::testing::{PROJECT, TestApi};

const LABELS: &str = "/v2.0/metering/metering-labels";

#[tokio::test]
async fn a_label_is_made_found_and_deleted() {
    TestApi::on_each_engine(|api| async move {
        let made = api.create("manager", LABELS, "metering_label", json!({"name": "web"})).await;
        assert_eq!(
            made,
            json!({
                "id": made["id"], "name": "web", "description": "", "shared": false, "project_id": PROJECT,
                "tenant_id": PROJECT,
            })
        );
        let path = format!("{LABELS}/{}", id(&made));
        assert_eq!(
            api.expect(200, "reader", "GET", &path, Value::Null).await,
            json!({"metering_label": made})
        );
        let list = format!("{LABELS}?name=web&shared=False&fields=id");
        let listed = api.expect(200, "reader", "GET", &list, Value::Null).await;
        assert_eq!(listed, json!({"metering_labels": [{"id": made["id"]}]}));
        api.refused(405, "admin", "PUT", &path, json!({"metering_label": {"name": "x"}})).await;
        api.expect(204, "manager", "DELETE", &path, Value::Null).await;
        let gone = refusal("MeteringLabelNotFound", format!("Metering label {} does not exist", id(&made)));
        assert_eq!(api.refused(404, "manager", "GET", &path, Value::Null).await, gone);
    })
    .await;
}

#[tokio::test]
async fn labels_are_for_managers_of_their_project() {
    TestApi::on_each_engine(|api| async move {
        let body = json!({"metering_label": {"name": "x"}});
        assert_eq!(api.refused(403, "member", "POST", LABELS, body).await.0, "PolicyNotAuthorized");
        let made = api.create("admin", LABELS, "metering_label", json!({"project_id": PROJECT})).await;
        let path = format!("{LABELS}/{}", id(&made));
        assert_eq!(api.refused(404, "other", "GET", &path, Value::Null).await.0, "MeteringLabelNotFound");
        assert_eq!(api.refused(404, "other", "DELETE", &path, Value::Null).await.0, "MeteringLabelNotFound");
        assert_eq!(api.refused(403, "member", "DELETE", &path, Value::Null).await.0, "PolicyNotAuthorized");
        let none = api.expect(200, "other", "GET", LABELS, Value::Null).await;
        assert_eq!(none, json!({"metering_labels": []}));
        api.expect(200, "reader", "GET", "/v2.0/extensions/metering", Value::Null).await;
    })
    .await;
}
