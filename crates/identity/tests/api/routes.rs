//! Every route, by who may use it.

use serde_json::{Value, json};

use crate::service::{ask, on_each};

/// What a member of a project gets where an administrator is let through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Member {
    Refused,
    Passes,
}
use Member::{Passes, Refused};

/// `U`, `P`: the id of the member and of the member's project.
const ROUTES: &[(&str, &str, Member)] = &[
    ("GET", "/v3/auth/tokens", Passes),
    ("DELETE", "/v3/auth/tokens", Passes),
    ("GET", "/v3/auth/tokens/OS-PKI/revoked", Passes),
    ("GET", "/v3/auth/catalog", Passes),
    ("GET", "/v3/auth/projects", Passes),
    ("GET", "/v3/auth/domains", Passes),
    ("GET", "/v3/auth/system", Passes),
    ("GET", "/v3/domains", Refused),
    ("POST", "/v3/domains", Refused),
    ("GET", "/v3/domains/default", Passes),
    ("GET", "/v3/domains/nothing", Refused),
    ("PATCH", "/v3/domains/default", Refused),
    ("DELETE", "/v3/domains/default", Refused),
    ("GET", "/v3/projects", Refused),
    ("POST", "/v3/projects", Refused),
    ("GET", "/v3/projects/P", Passes),
    ("GET", "/v3/projects/other", Refused),
    ("PATCH", "/v3/projects/P", Refused),
    ("DELETE", "/v3/projects/P", Refused),
    ("GET", "/v3/projects/P/tags", Passes),
    ("PUT", "/v3/projects/P/tags", Refused),
    ("DELETE", "/v3/projects/P/tags", Refused),
    ("GET", "/v3/projects/P/tags/x", Passes),
    ("PUT", "/v3/projects/P/tags/x", Refused),
    ("DELETE", "/v3/projects/P/tags/x", Refused),
    ("GET", "/v3/users", Refused),
    ("POST", "/v3/users", Refused),
    ("GET", "/v3/users/U", Passes),
    ("GET", "/v3/users/A", Refused),
    ("GET", "/v3/users/nobody", Refused),
    ("PATCH", "/v3/users/U", Refused),
    ("DELETE", "/v3/users/U", Refused),
    ("GET", "/v3/users/U/groups", Passes),
    ("GET", "/v3/users/A/groups", Refused),
    ("GET", "/v3/users/U/projects", Passes),
    ("GET", "/v3/users/A/projects", Refused),
    ("GET", "/v3/groups", Refused),
    ("POST", "/v3/groups", Refused),
    ("GET", "/v3/groups/x", Refused),
    ("PATCH", "/v3/groups/x", Refused),
    ("DELETE", "/v3/groups/x", Refused),
    ("GET", "/v3/groups/x/users", Refused),
    ("PUT", "/v3/groups/x/users/U", Refused),
    ("GET", "/v3/groups/x/users/U", Refused),
    ("DELETE", "/v3/groups/x/users/U", Refused),
    ("GET", "/v3/roles", Refused),
    ("POST", "/v3/roles", Refused),
    ("GET", "/v3/roles/x", Refused),
    ("PATCH", "/v3/roles/x", Refused),
    ("DELETE", "/v3/roles/x", Refused),
    ("GET", "/v3/roles/x/implies", Refused),
    ("PUT", "/v3/roles/x/implies/y", Refused),
    ("GET", "/v3/roles/x/implies/y", Refused),
    ("DELETE", "/v3/roles/x/implies/y", Refused),
    ("GET", "/v3/role_inferences", Refused),
    ("GET", "/v3/projects/P/users/U/roles", Refused),
    ("PUT", "/v3/projects/P/users/U/roles/x", Refused),
    ("GET", "/v3/projects/P/users/U/roles/x", Refused),
    ("DELETE", "/v3/projects/P/users/U/roles/x", Refused),
    ("GET", "/v3/projects/P/groups/x/roles", Refused),
    ("PUT", "/v3/projects/P/groups/x/roles/x", Refused),
    ("DELETE", "/v3/projects/P/groups/x/roles/x", Refused),
    ("GET", "/v3/domains/default/users/U/roles", Refused),
    ("PUT", "/v3/domains/default/users/U/roles/x", Refused),
    ("DELETE", "/v3/domains/default/users/U/roles/x", Refused),
    ("GET", "/v3/domains/default/groups/x/roles", Refused),
    ("PUT", "/v3/domains/default/groups/x/roles/x", Refused),
    ("GET", "/v3/system/users/U/roles", Refused),
    ("PUT", "/v3/system/users/U/roles/x", Refused),
    ("GET", "/v3/system/users/U/roles/x", Refused),
    ("DELETE", "/v3/system/users/U/roles/x", Refused),
    ("GET", "/v3/system/groups/x/roles", Refused),
    ("PUT", "/v3/system/groups/x/roles/x", Refused),
    ("DELETE", "/v3/system/groups/x/roles/x", Refused),
    ("GET", "/v3/role_assignments", Refused),
    ("GET", "/v3/services", Refused),
    ("POST", "/v3/services", Refused),
    ("GET", "/v3/services/x", Refused),
    ("PATCH", "/v3/services/x", Refused),
    ("DELETE", "/v3/services/x", Refused),
    ("GET", "/v3/endpoints", Refused),
    ("POST", "/v3/endpoints", Refused),
    ("GET", "/v3/endpoints/x", Refused),
    ("PATCH", "/v3/endpoints/x", Refused),
    ("DELETE", "/v3/endpoints/x", Refused),
    ("GET", "/v3/regions", Passes),
    ("POST", "/v3/regions", Refused),
    ("GET", "/v3/regions/RegionOne", Passes),
    ("PATCH", "/v3/regions/RegionOne", Refused),
    ("DELETE", "/v3/regions/RegionOne", Refused),
];

#[tokio::test]
async fn every_route_needs_a_token_and_most_an_administrator() {
    on_each(|service| async move {
        let member = service.demo().await;
        let user = service.ids.demo_user_id.clone().expect("a user");
        let project = service.ids.demo_project_id.clone().expect("a project");
        for (method, path, expected) in ROUTES {
            let path = path
                .replace("/U", &format!("/{user}"))
                .replace("/A", &format!("/{}", service.ids.admin_user_id))
                .replace("/P", &format!("/{project}"));
            let bodyless = ask(&service.router, method, &path, &[], Some(json!({}))).await;
            // POST /v3/auth/tokens aside, the body does not matter before the token.
            assert_eq!(bodyless.status, 401, "{method} {path}: {bodyless:?}");
            if (*method, path.as_str()) == ("DELETE", "/v3/auth/tokens") {
                continue;
            }
            let headers = [("x-auth-token", member.as_str()), ("x-subject-token", member.as_str())];
            let answer = ask(&service.router, method, &path, &headers, Some(json!({}))).await;
            let refused = answer.status == 403;
            assert_eq!(refused, *expected == Refused, "{method} {path}: {answer:?}");
            if refused {
                assert!(answer.message().contains("requested action: identity:"), "{}", answer.message());
            }
        }
        // Nothing of the above has changed anything.
        assert_eq!(service.make("GET", "/v3/projects", Value::Null).await.all("projects", "name").len(), 3);
    })
    .await;
}

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
