//! Domains, projects, their tree and their tags.

use serde_json::{Value, json};

use crate::service::on_each;

#[tokio::test]
async fn a_project_from_birth_to_end() {
    on_each(|service| async move {
        let body = json!({"project": {
            "name": "p", "description": "d", "tags": ["red", "blue"], "color": "green",
        }});
        let id = service.create("/v3/projects", body).await;
        let path = format!("/v3/projects/{id}");
        let shown = service.make("GET", &path, Value::Null).await.body["project"].clone();
        let expected = json!({
            "id": id, "name": "p", "domain_id": "default", "description": "d", "enabled": true,
            "parent_id": "default", "is_domain": false, "tags": ["red", "blue"], "options": {},
            "color": "green", "links": {"self": format!("http://identity.test:5000{path}")},
        });
        assert_eq!(shown, expected);
        let change = json!({"project": {"name": "q", "description": null, "color": null, "size": 3}});
        let changed = service.make("PATCH", &path, change).await.body["project"].clone();
        let mut expected = expected;
        for (key, value) in
            [("name", json!("q")), ("description", json!("")), ("color", Value::Null), ("size", json!(3))]
        {
            expected[key] = value;
        }
        assert_eq!(changed, expected);
        for (body, status) in [
            (json!({"project": {}}), 400),
            (json!({"project": {"domain_id": "other"}}), 400),
            (json!({"project": {"parent_id": "other"}}), 400),
            (json!({"project": {"id": "other"}}), 400),
            (json!({"project": {"name": "demo"}}), 409),
            (json!({"project": {"name": ""}}), 400),
            (json!({"project": {"enabled": "yes"}}), 400),
            (json!({"other": {}}), 400),
            (json!({"project": {"domain_id": "default", "name": "q"}}), 200),
        ] {
            assert_eq!(service.admin("PATCH", &path, Some(body.clone())).await.status, status, "{body}");
        }
        service.make("DELETE", &path, Value::Null).await;
        assert_eq!(service.admin("DELETE", &path, None).await.status, 404);
        let gone = service.admin("PATCH", &path, Some(json!({"project": {"name": "x"}}))).await;
        assert_eq!(gone.message(), format!("Could not find project: {id}."));
    })
    .await;
}

#[tokio::test]
async fn a_tree_of_projects_is_bounded_and_comes_down_from_its_leaves() {
    on_each(|service| async move {
        let mut ids: Vec<String> = Vec::new();
        for level in 1..=5 {
            let mut body = json!({"project": {"name": format!("level{level}")}});
            if let Some(parent) = ids.last() {
                body["project"]["parent_id"] = json!(parent);
            }
            ids.push(service.create("/v3/projects", body).await);
        }
        let deeper = json!({"project": {"name": "level6", "parent_id": ids[4]}});
        assert_eq!(service.admin("POST", "/v3/projects", Some(deeper)).await.status, 403);
        let nowhere = json!({"project": {"name": "x", "parent_id": "nothing"}});
        assert_eq!(service.admin("POST", "/v3/projects", Some(nowhere)).await.status, 404);
        let elsewhere = json!({"project": {"name": "x", "parent_id": ids[0], "domain_id": "other"}});
        assert_eq!(service.admin("POST", "/v3/projects", Some(elsewhere)).await.status, 400);

        let middle = format!("/v3/projects/{}", ids[2]);
        let shown =
            service.make("GET", &format!("{middle}?parents_as_ids&subtree_as_ids"), Value::Null).await;
        let project = &shown.body["project"];
        assert_eq!(project["subtree"], json!({&ids[3]: {&ids[4]: null}}));
        assert_eq!(project["parents"], json!({&ids[1]: {&ids[0]: {"default": null}}}));
        // Lists show the projects in which the caller has a role.
        let (admin, reader) = (&service.ids.admin_user_id, service.role("reader").await);
        for id in &ids[1..] {
            service
                .make("PUT", &format!("/v3/projects/{id}/users/{admin}/roles/{reader}"), Value::Null)
                .await;
        }
        let used = service.create("/v3/services", json!({"service": {"type": "t"}})).await;
        let registered = json!({"service_id": used, "resource_name": "r", "default_limit": 5});
        service.make("POST", "/v3/registered_limits", json!({"registered_limits": [registered]})).await;
        let limit =
            json!({"service_id": used, "resource_name": "r", "resource_limit": 7, "project_id": ids[3]});
        service.make("POST", "/v3/limits", json!({"limits": [limit]})).await;
        let lists = "parents_as_list&subtree_as_list&include_limits";
        let shown = service.make("GET", &format!("{middle}?{lists}"), Value::Null).await;
        for item in shown.body["project"]["subtree"].as_array().expect("a list") {
            let limits = item["project"]["limits"].as_array().expect("limits");
            let expected: &[i64] = if item["project"]["id"] == ids[3] { &[7] } else { &[] };
            let found: Vec<_> = limits.iter().filter_map(|limit| limit["resource_limit"].as_i64()).collect();
            assert_eq!(found, expected, "{item}");
        }
        for both in ["parents_as_list&parents_as_ids", "subtree_as_list&subtree_as_ids"] {
            assert_eq!(service.admin("GET", &format!("{middle}?{both}"), None).await.status, 400, "{both}");
        }
        let names = |key: &str| {
            let list = shown.body["project"][key].as_array().expect("a list").clone();
            let mut names: Vec<String> = list
                .iter()
                .map(|item| item["project"]["name"].as_str().expect("a name").to_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names("parents"), ["level2"]);
        assert_eq!(names("subtree"), ["level4", "level5"]);

        assert_eq!(service.admin("DELETE", &middle, None).await.status, 403);
        let disable = Some(json!({"project": {"enabled": false}}));
        assert_eq!(service.admin("PATCH", &middle, disable).await.status, 403);
        let below = service.make("GET", &format!("/v3/projects?parent_id={}", ids[0]), Value::Null).await;
        assert_eq!(below.all("projects", "name"), ["level2"]);
        for id in ids.iter().rev() {
            service.make("DELETE", &format!("/v3/projects/{id}"), Value::Null).await;
        }
    })
    .await;
}

#[tokio::test]
async fn lists_are_filtered_alike_on_both_engines() {
    on_each(|service| async move {
        for (name, tags, enabled) in [
            ("Alpha", json!(["red", "green"]), true),
            ("alphabet", json!(["red"]), false),
            ("50%_off", json!(["Red"]), true),
            ("beta", json!([]), true),
        ] {
            let body = json!({"project": {"name": name, "tags": tags, "enabled": enabled}});
            service.create("/v3/projects", body).await;
        }
        let cases: &[(&str, &[&str])] = &[
            ("name=Alpha", &["Alpha"]),
            ("name=alpha", &[]),
            ("name__iexact=ALPHA", &["Alpha"]),
            ("name__contains=lpha", &["Alpha", "alphabet"]),
            ("name__contains=LPHA", &[]),
            ("name__icontains=LPHA", &["Alpha", "alphabet"]),
            ("name__contains=%25", &["50%_off"]),
            ("name__contains=_", &["50%_off"]),
            ("name__startswith=alp", &["alphabet"]),
            ("name__istartswith=alp", &["Alpha", "alphabet"]),
            ("name__endswith=bet", &["alphabet"]),
            ("name__endswith=somethinglongerthananyname", &[]),
            ("name__iendswith=ETA", &["beta"]),
            ("tags=red", &["Alpha", "alphabet"]),
            ("tags=red,green", &["Alpha"]),
            ("tags-any=green,Red", &["50%_off", "Alpha"]),
            ("tags-any=ed", &[]),
            ("not-tags=red,green&name__contains=lpha", &["alphabet"]),
            ("not-tags-any=red,green,Red", &["admin", "beta", "demo", "service"]),
            ("enabled=False", &["alphabet"]),
            ("enabled=0", &["alphabet"]),
            ("enabled&tags=red", &["Alpha"]),
            ("enabled=True&name__icontains=alpha", &["Alpha"]),
            ("domain_id=default&name=beta", &["beta"]),
            ("domain_id=other", &[]),
            ("is_domain=True", &["Default"]),
            ("parent_id=default&name=demo", &["demo"]),
            ("unknown=x&name=demo", &["demo"]),
        ];
        for (query, expected) in cases {
            let mut names = service
                .make("GET", &format!("/v3/projects?{query}"), Value::Null)
                .await
                .all("projects", "name");
            names.sort();
            assert_eq!(names, *expected, "{query}");
        }
        assert_eq!(service.admin("GET", "/v3/projects?name__like=x", None).await.status, 400);
        assert_eq!(service.admin("GET", "/v3/projects?limit=x", None).await.status, 400);
    })
    .await;
}

#[tokio::test]
async fn pages_follow_each_other_to_the_end() {
    on_each(|service| async move {
        for number in 0..7 {
            service.create("/v3/projects", json!({"project": {"name": format!("page{number}")}})).await;
        }
        let mut seen = Vec::new();
        let mut path = "/v3/projects?limit=3&name__startswith=page".to_owned();
        loop {
            let page = service.make("GET", &path, Value::Null).await;
            seen.extend(page.all("projects", "name"));
            let Some(next) = page.body["links"]["next"].as_str() else { break };
            next.strip_prefix("http://identity.test:5000").expect("our root").clone_into(&mut path);
        }
        seen.sort();
        assert_eq!(seen, (0..7).map(|number| format!("page{number}")).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn tags_one_by_one() {
    on_each(|service| async move {
        let id = service.create("/v3/projects", json!({"project": {"name": "p"}})).await;
        let tags = format!("/v3/projects/{id}/tags");
        let list = async || service.make("GET", &tags, Value::Null).await.body["tags"].clone();
        let added = service.make("PUT", &format!("{tags}/one"), Value::Null).await;
        assert_eq!((added.status.as_u16(), added.header("location").ends_with("/tags/one")), (201, true));
        service.make("PUT", &format!("{tags}/one"), Value::Null).await;
        service.make("PUT", &format!("{tags}/two%20words"), Value::Null).await;
        assert_eq!(list().await, json!(["one", "two words"]));
        assert_eq!(service.admin("GET", &format!("{tags}/one"), None).await.status, 204);
        assert_eq!(service.admin("HEAD", &format!("{tags}/One"), None).await.status, 404);
        assert_eq!(service.admin("PUT", &format!("{tags}/a,b"), None).await.status, 400);
        service.make("DELETE", &format!("{tags}/one"), Value::Null).await;
        assert_eq!(service.admin("DELETE", &format!("{tags}/one"), None).await.status, 404);
        service.make("PUT", &tags, json!({"tags": ["x", "y"]})).await;
        assert_eq!(list().await, json!(["x", "y"]));
        for bad in [json!({}), json!({"tags": "x"}), json!({"tags": ["x", "x"]}), json!({"tags": ["a/b"]})] {
            assert_eq!(service.admin("PUT", &tags, Some(bad.clone())).await.status, 400, "{bad}");
        }
        service.make("DELETE", &tags, Value::Null).await;
        assert_eq!(list().await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn domains_have_their_own_names_and_go_when_disabled() {
    on_each(|service| async move {
        let domain = json!({"domain": {"name": "D", "description": "x", "explicit_domain_id": "dee"}});
        assert_eq!(service.create("/v3/domains", domain.clone()).await, "dee");
        assert_eq!(service.admin("POST", "/v3/domains", Some(domain)).await.status, 409);
        let same_name = json!({"domain": {"name": "D"}});
        let conflict = service.admin("POST", "/v3/domains", Some(same_name)).await;
        assert_eq!(conflict.status, 409);
        assert!(conflict.message().contains("acting as domains with the same name: D"), "{conflict:?}");
        let demo = json!({"project": {"name": "demo", "domain_id": "dee"}});
        service.create("/v3/projects", demo).await;
        let nowhere = json!({"project": {"name": "x", "domain_id": "nothing"}});
        assert_eq!(service.admin("POST", "/v3/projects", Some(nowhere)).await.status, 404);
        assert_eq!(service.admin("DELETE", "/v3/domains/dee", None).await.status, 403);
        let names = service.make("GET", "/v3/domains?name=D", Value::Null).await.all("domains", "id");
        assert_eq!(names, ["dee"]);
        service.make("PATCH", "/v3/domains/dee", json!({"domain": {"enabled": false}})).await;
        service.make("DELETE", "/v3/domains/dee", Value::Null).await;
        assert_eq!(service.admin("GET", "/v3/domains/dee", None).await.status, 404);
        service.make("PATCH", "/v3/domains/default", json!({"domain": {"description": "mine"}})).await;
        assert_eq!(service.admin("DELETE", "/v3/domains/default", None).await.status, 403);
        let project = service.ids.demo_project_id.clone().expect("a project");
        assert_eq!(service.admin("GET", &format!("/v3/domains/{project}"), None).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn what_is_immutable_must_be_freed_first() {
    on_each(|service| async move {
        let body = json!({"project": {"name": "fixed", "options": {"immutable": true}}});
        let path = format!("/v3/projects/{}", service.create("/v3/projects", body).await);
        let rename = json!({"project": {"name": "other"}});
        assert_eq!(service.admin("PATCH", &path, Some(rename.clone())).await.status, 403);
        assert_eq!(service.admin("DELETE", &path, None).await.status, 403);
        service.make("PATCH", &path, json!({"project": {"options": {"immutable": null}}})).await;
        service.make("PATCH", &path, rename).await;
        service.make("DELETE", &path, Value::Null).await;
        let admin = service.role("admin").await;
        assert_eq!(service.admin("DELETE", &format!("/v3/roles/{admin}"), None).await.status, 403);
    })
    .await;
}
