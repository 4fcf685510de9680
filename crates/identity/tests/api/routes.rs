//! What the roles between see of lists.

use serde_json::{Value, json};

use crate::service::{ask, on_each};

#[tokio::test]
async fn the_roles_between_see_what_they_may() {
    on_each(|service| async move {
        let reader = service.role("reader").await;
        let service_role = service.role("service").await;
        let domain = service.create("/v3/domains", json!({"domain": {"name": "other"}})).await;
        let user = service.create("/v3/users", json!({"user": {"name": "r", "password": "p"}})).await;
        service.create("/v3/users", json!({"user": {"name": "hidden", "domain_id": domain}})).await;
        service.make("PUT", &format!("/v3/system/users/{user}/roles/{reader}"), Value::Null).await;
        service.make("PUT", &format!("/v3/domains/default/users/{user}/roles/{reader}"), Value::Null).await;
        let place = service.ids.service_project_id.clone();
        service.make("PUT", &format!("/v3/projects/{place}/users/{user}/roles/{service_role}"), Value::Null).await;

        let system = service.login("r", "p", json!({"system": {"all": true}})).await;
        for path in ["users", "projects", "roles", "services", "endpoints", "role_assignments", "domains"] {
            assert_eq!(service.call("GET", &format!("/v3/{path}"), &system, None).await.status, 200, "{path}");
        }
        let body = Some(json!({"user": {"name": "x"}}));
        assert_eq!(service.call("POST", "/v3/users", &system, body).await.status, 403);

        let of_domain = service.login("r", "p", json!({"domain": {"id": "default"}})).await;
        let users = service.call("GET", "/v3/users", &of_domain, None).await;
        assert_eq!(users.all("users", "name").len(), 3, "those of the domain: {users:?}");
        let domains = service.call("GET", "/v3/domains", &of_domain, None).await;
        assert_eq!(domains.all("domains", "id"), ["default"]);
        assert_eq!(service.call("GET", &format!("/v3/domains/{domain}"), &of_domain, None).await.status, 403);
        assert_eq!(service.call("GET", &format!("/v3/users?domain_id={domain}"), &of_domain, None).await.body["users"], json!([]));
        assert_eq!(service.call("GET", "/v3/roles", &of_domain, None).await.status, 403);

        let as_service = service.login("r", "p", json!({"project": {"id": place}})).await;
        let demo = service.demo().await;
        let headers = [("x-auth-token", as_service.as_str()), ("x-subject-token", demo.as_str())];
        assert_eq!(ask(&service.router, "GET", "/v3/auth/tokens", &headers, None).await.status, 200);
        assert_eq!(ask(&service.router, "DELETE", "/v3/auth/tokens", &headers, None).await.status, 403);
    })
    .await;
}
