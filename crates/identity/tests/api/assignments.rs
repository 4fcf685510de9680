//! Roles, what they imply, who has them where.

use serde_json::{Value, json};

use crate::service::{Service, by_password, on_each, project};

#[tokio::test]
async fn a_role_from_birth_to_end() {
    on_each(|service| async move {
        let id = service.create("/v3/roles", json!({"role": {"name": "auditor", "description": "d"}})).await;
        let path = format!("/v3/roles/{id}");
        let role = service.make("GET", &path, Value::Null).await.body["role"].clone();
        assert_eq!((&role["domain_id"], &role["options"]), (&Value::Null, &json!({})));
        let again = service.admin("POST", "/v3/roles", Some(json!({"role": {"name": "auditor"}}))).await;
        assert_eq!(
            again.message(),
            "Conflict occurred attempting to store role - Duplicate entry found with name auditor."
        );
        let of_domain = json!({"role": {"name": "auditor", "domain_id": "default"}});
        let local = service.create("/v3/roles", of_domain).await;
        let names = service.make("GET", "/v3/roles?domain_id=default", Value::Null).await.all("roles", "id");
        assert_eq!(names, [local.as_str()]);
        assert_eq!(
            service.make("GET", "/v3/roles?name=auditor", Value::Null).await.all("roles", "id"),
            [id.as_str()]
        );
        service.make("PATCH", &path, json!({"role": {"name": "checker"}})).await;
        service.make("DELETE", &path, Value::Null).await;
        assert_eq!(service.admin("GET", &path, None).await.message(), format!("Could not find role: {id}."));
    })
    .await;
}

#[tokio::test]
async fn implied_roles_are_held_through_the_whole_chain() {
    on_each(|service| async move {
        let top = service.create("/v3/roles", json!({"role": {"name": "top"}})).await;
        let member = service.role("member").await;
        let path = format!("/v3/roles/{top}/implies/{member}");
        assert_eq!(service.admin("GET", &path, None).await.status, 404);
        let made = service.make("PUT", &path, Value::Null).await;
        assert_eq!(made.status, 201);
        assert_eq!(made.body["role_inference"]["prior_role"]["name"], "top");
        assert_eq!(made.body["role_inference"]["implies"]["name"], "member");
        assert_eq!(service.admin("GET", &path, None).await.status, 200);
        assert_eq!(service.admin("HEAD", &path, None).await.status, 204);
        let listed = service.make("GET", &format!("/v3/roles/{top}/implies"), Value::Null).await;
        assert_eq!(listed.body["role_inference"]["implies"].as_array().map(Vec::len), Some(1));
        let admin = service.role("admin").await;
        assert_eq!(service.admin("PUT", &format!("/v3/roles/{top}/implies/{admin}"), None).await.status, 403);
        // A circle does no harm.
        service.make("PUT", &format!("/v3/roles/{member}/implies/{top}"), Value::Null).await;

        let user = service.ids.demo_user_id.clone().expect("a user");
        let place = service.ids.admin_project_id.clone();
        service.make("PUT", &format!("/v3/projects/{place}/users/{user}/roles/{top}"), Value::Null).await;
        let token = service.auth(by_password("demo", "demo-secret", project("admin"))).await;
        let mut names: Vec<&str> = token.body["token"]["roles"]
            .as_array()
            .expect("roles")
            .iter()
            .map(|role| role["name"].as_str().expect("a name"))
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["member", "reader", "top"]);
        service.make("DELETE", &path, Value::Null).await;
        assert_eq!(service.admin("DELETE", &path, None).await.status, 404);
        let shown = service.validate(token.header("x-subject-token")).await;
        assert_eq!(shown.body["token"]["roles"].as_array().map(Vec::len), Some(1));
    })
    .await;
}

/// The places a role can be given at.
fn places(service: &Service, group: &str) -> Vec<String> {
    let user = service.ids.demo_user_id.clone().expect("a user");
    let project = &service.ids.admin_project_id;
    ["projects/".to_owned() + project, "domains/default".to_owned(), "system".to_owned()]
        .into_iter()
        .flat_map(|scope| {
            [format!("/v3/{scope}/users/{user}/roles"), format!("/v3/{scope}/groups/{group}/roles")]
        })
        .collect()
}

#[tokio::test]
async fn grants_at_every_place() {
    on_each(|service| async move {
        let group = service.create("/v3/groups", json!({"group": {"name": "g"}})).await;
        let reader = service.role("reader").await;
        let demo = service.demo().await;
        for place in places(&service, &group) {
            let one = format!("{place}/{reader}");
            assert_eq!(service.make("GET", &place, Value::Null).await.body["roles"], json!([]), "{place}");
            let missing = service.admin("HEAD", &one, None).await;
            assert_eq!(missing.status, 404, "{place}");
            for (method, status) in [
                ("PUT", 204),
                ("PUT", 204),
                ("HEAD", 204),
                ("GET", 204),
                ("DELETE", 204),
                ("DELETE", 404),
                ("PUT", 204),
            ] {
                assert_eq!(service.admin(method, &one, None).await.status, status, "{method} {one}");
            }
            assert_eq!(
                service.make("GET", &place, Value::Null).await.all("roles", "name"),
                ["reader"],
                "{place}"
            );
            assert_eq!(service.admin("PUT", &format!("{place}/nothing"), None).await.status, 404, "{place}");
            for method in ["PUT", "HEAD", "DELETE"] {
                assert_eq!(service.call(method, &one, &demo, None).await.status, 403, "{method} {one}");
            }
        }
        for nowhere in [
            format!("/v3/projects/nothing/users/{}/roles/{reader}", service.ids.admin_user_id),
            format!("/v3/projects/{}/users/nobody/roles/{reader}", service.ids.admin_project_id),
            format!("/v3/domains/nothing/groups/{group}/roles/{reader}"),
            format!("/v3/system/groups/nothing/roles/{reader}"),
        ] {
            assert_eq!(service.admin("PUT", &nowhere, None).await.status, 404, "{nowhere}");
        }
        // Who gives is gone, what was given goes too.
        service.make("DELETE", &format!("/v3/groups/{group}"), Value::Null).await;
        let left =
            service.make("GET", "/v3/role_assignments", Value::Null).await.body["role_assignments"].clone();
        assert_eq!(left.as_array().map(Vec::len), Some(4 + 3), "{left}");
        assert!(!left.to_string().contains(&group));
    })
    .await;
}

#[tokio::test]
async fn a_role_of_a_domain_stays_in_it_and_only_leads_to_others() {
    on_each(|service| async move {
        let domain = service.create("/v3/domains", json!({"domain": {"name": "d"}})).await;
        let inside =
            service.create("/v3/projects", json!({"project": {"name": "i", "domain_id": domain}})).await;
        let role = service.create("/v3/roles", json!({"role": {"name": "local", "domain_id": domain}})).await;
        let reader = service.role("reader").await;
        service.make("PUT", &format!("/v3/roles/{role}/implies/{reader}"), Value::Null).await;
        let user = service.ids.demo_user_id.clone().expect("a user");
        let outside = format!("/v3/projects/{}/users/{user}/roles/{role}", service.ids.admin_project_id);
        assert_eq!(service.admin("PUT", &outside, None).await.status, 403);
        service.make("PUT", &format!("/v3/projects/{inside}/users/{user}/roles/{role}"), Value::Null).await;
        let scope = json!({"project": {"id": inside}});
        let token = service.auth(by_password("demo", "demo-secret", scope)).await;
        let roles = token.body["token"]["roles"].as_array().expect("roles").clone();
        assert_eq!(roles.len(), 1, "{roles:?}");
        assert_eq!(roles[0]["name"], "reader");
    })
    .await;
}

#[tokio::test]
async fn assignments_are_listed_as_given_and_as_they_take_effect() {
    on_each(|service| async move {
        let group = service.create("/v3/groups", json!({"group": {"name": "g"}})).await;
        let demo = service.ids.demo_user_id.clone().expect("a user");
        let (demo_project, admin_project) =
            (service.ids.demo_project_id.clone().expect("a project"), service.ids.admin_project_id.clone());
        let (member, reader) = (service.role("member").await, service.role("reader").await);
        service.make("PUT", &format!("/v3/groups/{group}/users/{demo}"), Value::Null).await;
        service
            .make("PUT", &format!("/v3/projects/{admin_project}/groups/{group}/roles/{member}"), Value::Null)
            .await;
        let list = async |query: &str| {
            let answer = service.make("GET", &format!("/v3/role_assignments?{query}"), Value::Null).await;
            answer.body["role_assignments"].as_array().expect("a list").clone()
        };
        assert_eq!(list("").await.len(), 5);
        assert_eq!(list(&format!("group.id={group}")).await.len(), 1);
        assert_eq!(list(&format!("user.id={demo}")).await.len(), 1);
        assert_eq!(list(&format!("role.id={member}")).await.len(), 2);
        assert_eq!(list("scope.system=all").await.len(), 1);
        assert_eq!(list("scope.domain.id=default").await.len(), 0);
        assert_eq!(list(&format!("scope.project.id={admin_project}")).await.len(), 2);
        let below = service
            .create("/v3/projects", json!({"project": {"name": "b", "parent_id": admin_project}}))
            .await;
        service.make("PUT", &format!("/v3/projects/{below}/users/{demo}/roles/{reader}"), Value::Null).await;
        assert_eq!(list(&format!("scope.project.id={admin_project}&include_subtree")).await.len(), 3);

        // demo: member and reader in demo, the same through the group in admin, reader below.
        let held = list(&format!("effective&user.id={demo}")).await;
        assert_eq!(held.len(), 5, "{held:?}");
        let through =
            list(&format!("effective&user.id={demo}&scope.project.id={admin_project}&role.id={reader}"))
                .await;
        let root = "http://identity.test:5000/v3";
        assert_eq!(
            through,
            [json!({
                "links": {
                    "assignment": format!("{root}/projects/{admin_project}/groups/{group}/roles/{member}"),
                    "membership": format!("{root}/groups/{group}/users/{demo}"),
                    "prior_role": format!("{root}/roles/{member}/implies/{reader}"),
                },
                "scope": {"project": {"id": admin_project}},
                "user": {"id": demo},
                "role": {"id": reader},
            })]
        );
        let named = list(&format!("include_names&user.id={demo}&scope.project.id={demo_project}")).await;
        let domain = json!({"id": "default", "name": "Default"});
        assert_eq!(named[0]["user"], json!({"id": demo, "name": "demo", "domain": domain}));
        assert_eq!(
            named[0]["scope"]["project"],
            json!({"id": demo_project, "name": "demo", "domain": domain})
        );
        assert_eq!(named[0]["role"], json!({"id": member, "name": "member"}));
        let named = list(&format!("include_names=True&group.id={group}")).await;
        assert_eq!(named[0]["group"], json!({"id": group, "name": "g", "domain": domain}));
        for bad in [
            format!("effective&group.id={group}"),
            format!("user.id={demo}&group.id={group}"),
            "scope.system=all&scope.domain.id=default".to_owned(),
            "include_subtree".to_owned(),
        ] {
            let answer = service.admin("GET", &format!("/v3/role_assignments?{bad}"), None).await;
            assert_eq!(answer.status, 400, "{bad}");
        }
    })
    .await;
}
