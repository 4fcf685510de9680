//! Users and groups.

use serde_json::{Value, json};

use crate::service::{by_password, on_each, project};

#[tokio::test]
async fn a_user_from_birth_to_end() {
    on_each(|service| async move {
        let body = json!({"user": {"name": "u", "password": "p", "email": "u@x", "description": "d"}});
        let id = service.create("/v3/users", body.clone()).await;
        let path = format!("/v3/users/{id}");
        let shown = service.make("GET", &path, Value::Null).await.body["user"].clone();
        let expected = json!({
            "id": id, "name": "u", "domain_id": "default", "enabled": true, "password_expires_at": null,
            "options": {}, "description": "d", "email": "u@x",
            "links": {"self": format!("http://identity.test:5000{path}")},
        });
        assert_eq!(shown, expected, "and never a password");
        assert_eq!(service.admin("POST", "/v3/users", Some(body)).await.status, 409);
        let taken = service.admin("PATCH", &path, Some(json!({"user": {"name": "demo"}}))).await;
        assert_eq!(
            taken.message(),
            "Conflict occurred attempting to store user - Duplicate entry found with name demo at domain ID default."
        );
        let change = json!({"user": {"name": "v", "email": null, "description": null, "options": {"lock_password": true}}});
        let changed = service.make("PATCH", &path, change).await.body["user"].clone();
        assert_eq!(changed["options"], json!({"lock_password": true}));
        assert_eq!((changed.get("description"), changed.get("email")), (None, Some(&Value::Null)));
        for (user, status) in [
            (json!({"name": "x".repeat(256)}), 400),
            (json!({"options": {"odd": true}}), 400),
            (json!({"options": {"lock_password": "yes"}}), 400),
            (json!({"default_project_id": "default"}), 400),
            (json!({"domain_id": "other"}), 400),
            (json!({"password": 5}), 400),
            (json!({"federated": [{"idp_id": "google", "protocols": []}]}), 400),
            (json!({"federated": "google"}), 400),
        ] {
            assert_eq!(service.admin("PATCH", &path, Some(json!({"user": user}))).await.status, status, "{user}");
        }
        let nowhere = json!({"user": {"name": "x", "domain_id": "nothing"}});
        assert_eq!(service.admin("POST", "/v3/users", Some(nowhere)).await.status, 404);
        service.make("DELETE", &path, Value::Null).await;
        assert_eq!(service.admin("DELETE", &path, None).await.message(), format!("Could not find user: {id}."));
        assert_eq!(service.auth(by_password("v", "p", Value::Null)).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn a_user_changes_their_own_password() {
    on_each(|service| async move {
        let id = service.ids.demo_user_id.clone().expect("a user");
        let path = format!("/v3/users/{id}/password");
        let token = service.demo().await;
        let change = |old: &str, new: &str| json!({"user": {"original_password": old, "password": new}});
        let post = async |body: Value| service.call("POST", &path, "", Some(body)).await.status.as_u16();
        assert_eq!(post(change("wrong", "new")).await, 401);
        assert_eq!(post(json!({"user": {"password": "new"}})).await, 400);
        assert_eq!(post(json!({"user": {"original_password": "demo-secret"}})).await, 400);
        assert!(service.app.authenticator().authenticate(&token).await.is_ok());
        assert_eq!(post(change("demo-secret", "new")).await, 204);
        assert!(service.app.authenticator().authenticate(&token).await.is_err());
        assert_eq!(service.auth(by_password("demo", "demo-secret", project("demo"))).await.status, 401);
        service.login("demo", "new", project("demo")).await;
        let lock = json!({"user": {"options": {"lock_password": true}}});
        service.make("PATCH", &format!("/v3/users/{id}"), lock).await;
        assert_eq!(post(change("new", "newer")).await, 400);
        let nobody = service.call("POST", "/v3/users/nobody/password", "", Some(change("a", "b"))).await;
        assert_eq!(nobody.status, 401);
    })
    .await;
}

#[tokio::test]
async fn users_are_filtered() {
    on_each(|service| async move {
        service.create("/v3/users", json!({"user": {"name": "Off", "enabled": false}})).await;
        let names = async |query: &str| {
            let mut names =
                service.make("GET", &format!("/v3/users?{query}"), Value::Null).await.all("users", "name");
            names.sort();
            names
        };
        assert_eq!(names("").await, ["Off", "admin", "demo"]);
        assert_eq!(names("enabled").await, ["admin", "demo"]);
        assert_eq!(names("enabled=false").await, ["Off"]);
        assert_eq!(names("name=demo&domain_id=default").await, ["demo"]);
        assert!(names("idp_id=x").await.is_empty());
        assert!(names("password_expires_at=lt:2030-01-01T00:00:00Z").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn several_factors_are_all_needed() {
    on_each(|service| async move {
        let id = service.ids.demo_user_id.clone().expect("a user");
        let unscoped = service.login("demo", "demo-secret", Value::Null).await;
        let options =
            json!({"multi_factor_auth_enabled": true, "multi_factor_auth_rules": [["password", "token"]]});
        service.make("PATCH", &format!("/v3/users/{id}"), json!({"user": {"options": options}})).await;
        assert_eq!(service.auth(by_password("demo", "demo-secret", project("demo"))).await.status, 401);
        let mut both = by_password("demo", "demo-secret", project("demo"));
        both["identity"]["methods"] = json!(["password", "token"]);
        both["identity"]["token"] = json!({"id": unscoped});
        assert_eq!(service.auth(both.clone()).await.status, 201);
        both["identity"]["token"] = json!({"id": service.admin});
        assert_eq!(service.auth(both).await.status, 401, "proofs for two users");
    })
    .await;
}

#[tokio::test]
async fn groups_and_their_members() {
    on_each(|service| async move {
        let body = json!({"group": {"name": "g", "description": "d", "color": "red"}});
        let id = service.create("/v3/groups", body.clone()).await;
        let path = format!("/v3/groups/{id}");
        let shown = service.make("GET", &path, Value::Null).await.body["group"].clone();
        let links = json!({"self": format!("http://identity.test:5000{path}")});
        let expected = json!({
            "id": id, "name": "g", "domain_id": "default", "description": "d", "color": "red", "links": links,
        });
        assert_eq!(shown, expected);
        assert_eq!(service.admin("POST", "/v3/groups", Some(body)).await.status, 409);
        service.make("PATCH", &path, json!({"group": {"name": "h"}})).await;
        assert_eq!(
            service.make("GET", "/v3/groups?name=h", Value::Null).await.all("groups", "id"),
            [id.as_str()]
        );

        let user = service.ids.demo_user_id.clone().expect("a user");
        let member = format!("{path}/users/{user}");
        assert_eq!(service.admin("HEAD", &member, None).await.status, 404);
        assert_eq!(service.admin("PUT", &member, None).await.status, 204);
        assert_eq!(service.admin("PUT", &member, None).await.status, 204);
        assert_eq!(service.admin("HEAD", &member, None).await.status, 204);
        assert_eq!(service.admin("GET", &member, None).await.status, 204);
        let users = service.make("GET", &format!("{path}/users"), Value::Null).await;
        assert_eq!(users.all("users", "name"), ["demo"]);
        let demo = service.demo().await;
        let own = service.call("GET", &format!("/v3/users/{user}/groups"), &demo, None).await;
        assert_eq!(own.all("groups", "name"), ["h"]);
        assert_eq!(service.call("HEAD", &member, &demo, None).await.status, 403, "a matter of the domain");
        assert_eq!(service.call("GET", &path, &demo, None).await.status, 403);
        assert_eq!(service.admin("PUT", &format!("{path}/users/nobody"), None).await.status, 404);
        assert_eq!(service.admin("PUT", &format!("/v3/groups/none/users/{user}"), None).await.status, 404);
        assert_eq!(service.admin("DELETE", &member, None).await.status, 204);
        assert_eq!(service.admin("DELETE", &member, None).await.status, 404);
        service.make("DELETE", &path, Value::Null).await;
        assert_eq!(service.admin("GET", &path, None).await.status, 404);
    })
    .await;
}
