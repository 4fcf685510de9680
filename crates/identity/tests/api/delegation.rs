//! What users hand to others: application credentials and trusts.

use serde_json::{Value, json};

use crate::service::{Service, on_each, project};

/// A user with two roles in the project demo; id and token.
async fn member(service: &Service, name: &str) -> (String, String) {
    let user = service.create("/v3/users", json!({"user": {"name": name, "password": "secret"}})).await;
    let project_id = service.ids.demo_project_id.clone().expect("a project");
    let role = service.role("member").await;
    service.make("PUT", &format!("/v3/projects/{project_id}/users/{user}/roles/{role}"), Value::Null).await;
    let token = service.login(name, "secret", project("demo")).await;
    (user, token)
}

#[tokio::test]
async fn an_application_credential_from_birth_to_end() {
    on_each(|service| async move {
        let (user, token) = member(&service, "u").await;
        let path = format!("/v3/users/{user}/application_credentials");
        let body = json!({"application_credential": {"name": "a", "description": "d",
            "expires_at": "2999-01-02T03:04:05.123456", "roles": [{"name": "member"}],
            "access_rules": [{"path": "/v2.0/*", "method": "GET", "service": "network"}]}});
        let made = service.call("POST", &path, &token, Some(body.clone())).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = &made.body["application_credential"];
        assert_eq!(made["secret"].as_str().map(str::len), Some(86), "{made}");
        assert_eq!(made["expires_at"], "2999-01-02T03:04:05.123456");
        assert_eq!(made["roles"].as_array().map(Vec::len), Some(2), "with what it implies: {made}");
        let id = made["id"].as_str().expect("an id");

        let again = service.call("POST", &path, &token, Some(body)).await;
        assert_eq!(
            again.message(),
            "Conflict occurred attempting to store application_credential - Duplicate entry found with name a."
        );
        let shown = service.call("GET", &format!("{path}/{id}"), &token, None).await;
        assert_eq!(shown.body["application_credential"]["secret"], Value::Null, "shown once");
        assert_eq!(shown.body["application_credential"]["project_id"], made["project_id"]);
        let listed = service.call("GET", &format!("{path}?name=a"), &token, None).await;
        assert_eq!(listed.all("application_credentials", "id"), [id]);

        let rules = format!("/v3/users/{user}/access_rules");
        let rule = service.call("GET", &rules, &token, None).await.all("access_rules", "id")[0].clone();
        let in_use = service.call("DELETE", &format!("{rules}/{rule}"), &token, None).await;
        assert_eq!(in_use.status, 403, "{in_use:?}");
        assert_eq!(service.call("DELETE", &format!("{path}/{id}"), &token, None).await.status, 204);
        assert_eq!(service.call("GET", &format!("{path}/{id}"), &token, None).await.status, 404);
        assert_eq!(service.call("DELETE", &format!("{rules}/{rule}"), &token, None).await.status, 204);
    })
    .await;
}

#[tokio::test]
async fn application_credentials_are_their_users_own() {
    on_each(|service| async move {
        let (user, token) = member(&service, "u").await;
        let (other, others) = member(&service, "v").await;
        let path = format!("/v3/users/{user}/application_credentials");
        let body = |more: Value| {
            let mut body = json!({"application_credential": {"name": "a"}});
            for (key, value) in more.as_object().expect("an object") {
                body["application_credential"][key] = value.clone();
            }
            Some(body)
        };
        let cases = [
            (json!({"roles": [{"name": "admin"}]}), 400),
            (json!({"roles": [{"id": "nothing"}]}), 400),
            (json!({"expires_at": "2001-01-02T03:04:05"}), 400),
            (json!({"expires_at": "soon"}), 400),
            (json!({"access_rules": [{"path": "/", "method": "FLY", "service": "network"}]}), 400),
            (json!({"access_rules": [{"path": "/"}]}), 400),
            (json!({"name": null}), 400),
        ];
        for (more, status) in cases {
            let answer = service.call("POST", &path, &token, body(more.clone())).await;
            assert_eq!(answer.status, status, "{more}: {answer:?}");
        }
        let made = service.call("POST", &path, &token, body(json!({}))).await;
        let id = made.body["application_credential"]["id"].as_str().expect("an id").to_owned();
        assert_eq!(service.call("POST", &path, &others, body(json!({}))).await.status, 403);
        assert_eq!(
            service.admin("POST", &path, body(json!({}))).await.status,
            403,
            "not even by administrators"
        );
        for (method, expected) in [("GET", 403), ("DELETE", 403)] {
            let foreign = format!("/v3/users/{other}/application_credentials/{id}");
            for path in [format!("{path}/{id}"), foreign] {
                assert_eq!(
                    service.call(method, &path, &others, None).await.status,
                    expected,
                    "{method} {path}"
                );
            }
        }
        assert_eq!(service.admin("GET", &format!("{path}/{id}"), None).await.status, 200);
        let unscoped = service.login("u", "secret", json!("unscoped")).await;
        assert_eq!(service.call("POST", &path, &unscoped, body(json!({"name": "b"}))).await.status, 400);
    })
    .await;
}

/// K14: also a role held through a group.
#[tokio::test]
async fn k14_an_application_credential_goes_with_the_role_it_was_made_of() {
    on_each(|service| async move {
        let (user, _) = member(&service, "u").await;
        let project_id = service.ids.demo_project_id.clone().expect("a project");
        let group = service.create("/v3/groups", json!({"group": {"name": "g"}})).await;
        service.make("PUT", &format!("/v3/groups/{group}/users/{user}"), Value::Null).await;
        let manager = service.role("manager").await;
        let grant = format!("/v3/projects/{project_id}/groups/{group}/roles/{manager}");
        service.make("PUT", &grant, Value::Null).await;
        let token = service.login("u", "secret", project("demo")).await;
        let path = format!("/v3/users/{user}/application_credentials");
        for (name, role) in [("a", "manager"), ("b", "member")] {
            let body = json!({"application_credential": {"name": name, "roles": [{"name": role}]}});
            assert_eq!(service.call("POST", &path, &token, Some(body)).await.status, 201);
        }
        service.make("DELETE", &grant, Value::Null).await;
        assert_eq!(service.admin("GET", &path, None).await.all("application_credentials", "name"), ["b"]);
        service.make("PUT", &grant, Value::Null).await;
        assert_eq!(service.admin("GET", &path, None).await.all("application_credentials", "name"), ["b"]);
    })
    .await;
}

#[tokio::test]
async fn a_trust_from_birth_to_end() {
    on_each(|service| async move {
        let (trustor, token) = member(&service, "u").await;
        let (trustee, others) = member(&service, "v").await;
        let project_id = service.ids.demo_project_id.clone().expect("a project");
        let body = |more: Value| {
            let mut trust = json!({"trustor_user_id": trustor, "trustee_user_id": trustee, "impersonation": true,
                "project_id": project_id, "roles": [{"name": "member"}]});
            for (key, value) in more.as_object().expect("an object") {
                trust[key] = value.clone();
            }
            Some(json!({"trust": trust}))
        };
        let path = "/v3/OS-TRUST/trusts";
        for (more, status) in [
            (json!({"roles": [{"name": "admin"}]}), 404),
            (json!({"roles": []}), 403),
            (json!({"trustee_user_id": "nobody"}), 404),
            (json!({"project_id": "nothing"}), 404),
            (json!({"remaining_uses": 0}), 400),
            (json!({"impersonation": "yes"}), 400),
            (json!({"expires_at": "2001-01-02T03:04:05Z"}), 400),
            (json!({"trustor_user_id": trustee}), 403),
        ] {
            let answer = service.call("POST", path, &token, body(more.clone())).await;
            assert_eq!(answer.status, status, "{more}: {answer:?}");
        }
        let more = json!({"expires_at": "2999-01-02T03:04:05.000000Z", "remaining_uses": 2});
        let made = service.call("POST", path, &token, body(more)).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.body["trust"].clone();
        assert_eq!(made["expires_at"], "2999-01-02T03:04:05.000000Z");
        assert_eq!(made["roles"][0]["name"], "member");
        let one = format!("{path}/{}", made["id"].as_str().expect("an id"));
        for (who, status) in [(&token, 200), (&others, 200), (&service.admin, 200), (&service.demo().await, 403)] {
            for path in [one.clone(), format!("{one}/roles")] {
                assert_eq!(service.call("GET", &path, who, None).await.status, status, "{path}");
            }
        }
        let list = |query: String, who: String| {
            let service = &service;
            async move { service.call("GET", &format!("{path}?{query}"), &who, None).await }
        };
        assert_eq!(list(format!("trustor_user_id={trustor}"), token.clone()).await.all("trusts", "id").len(), 1);
        assert_eq!(list(format!("trustee_user_id={trustee}"), others.clone()).await.all("trusts", "id").len(), 1);
        assert_eq!(list(format!("trustor_user_id={trustor}"), others.clone()).await.status, 403);
        assert_eq!(list(String::new(), token.clone()).await.status, 403);
        let role = service.role("member").await;
        assert_eq!(service.call("GET", &format!("{one}/roles/{role}"), &others, None).await.status, 200);
        assert_eq!(service.call("HEAD", &format!("{one}/roles/nothing"), &others, None).await.status, 404);
        assert_eq!(service.call("DELETE", &one, &others, None).await.status, 403);
        assert_eq!(service.call("DELETE", &one, &token, None).await.status, 204);
        assert_eq!(service.call("GET", &one, &token, None).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn what_is_inherited_holds_below() {
    on_each(|service| async move {
        let domain = service.create("/v3/domains", json!({"domain": {"name": "d"}})).await;
        let body = |name: &str, parent: &str| json!({"project": {"name": name, "domain_id": domain, "parent_id": parent}});
        let upper = service.create("/v3/projects", body("upper", &domain)).await;
        let lower = service.create("/v3/projects", body("lower", &upper)).await;
        let demo = service.ids.demo_user_id.clone().expect("a user");
        let role = service.role("reader").await;
        let path = format!("/v3/OS-INHERIT/projects/{upper}/users/{demo}/roles/{role}/inherited_to_projects");
        service.make("PUT", &path, Value::Null).await;
        assert_eq!(service.admin("HEAD", &path, None).await.status, 204);
        let scope = |id: &str| json!({"project": {"id": id}});
        let auth = |id: String| {
            let service = &service;
            async move { service.auth(crate::service::by_password("demo", "demo-secret", scope(&id))).await.status }
        };
        assert_eq!(auth(lower.clone()).await, 201);
        assert_eq!(auth(upper.clone()).await, 401, "below, not in itself");
        let token = service.demo().await;
        let mine = service.call("GET", "/v3/auth/projects", &token, None).await.all("projects", "name");
        assert!(mine.contains(&"lower".to_owned()) && !mine.contains(&"upper".to_owned()), "{mine:?}");
        service.make("DELETE", &path, Value::Null).await;
        assert_eq!(auth(lower.clone()).await, 401);
        let path = format!("/v3/OS-INHERIT/domains/{domain}/users/{demo}/roles/{role}/inherited_to_projects");
        service.make("PUT", &path, Value::Null).await;
        assert_eq!((auth(upper).await.as_u16(), auth(lower).await.as_u16()), (201, 201));
        let list = format!("/v3/OS-INHERIT/domains/{domain}/users/{demo}/roles/inherited_to_projects");
        assert_eq!(service.make("GET", &list, Value::Null).await.all("roles", "id"), [role.as_str()]);
    })
    .await;
}

/// K15, K04: what a restricted application credential may not make, an unrestricted one
/// may; neither gets EC2 keys or other credentials.
#[tokio::test]
async fn k15_a_restricted_application_credential_makes_no_others() {
    on_each(|service| async move {
        let (user, token) = member(&service, "u").await;
        let project_id = service.ids.demo_project_id.clone().expect("a project");
        let path = format!("/v3/users/{user}/application_credentials");
        for (unrestricted, status) in [(false, 403), (true, 201)] {
            let body = json!({"application_credential": {"name": format!("n{unrestricted}"),
                "unrestricted": unrestricted, "secret": "s"}});
            let made = service.call("POST", &path, &token, Some(body)).await;
            let id = made.body["application_credential"]["id"].as_str().expect("an id").to_owned();
            let identity = json!({"methods": ["application_credential"],
                "application_credential": {"id": id, "secret": "s"}});
            let answer = service.auth(json!({"identity": identity})).await;
            assert_eq!(answer.status, 201, "{answer:?}");
            let by = answer.header("x-subject-token").to_owned();
            let another = json!({"application_credential": {"name": format!("of n{unrestricted}")}});
            assert_eq!(service.call("POST", &path, &by, Some(another)).await.status, status);
            let trust = json!({"trust": {"trustor_user_id": user, "trustee_user_id": service.ids.admin_user_id,
                "impersonation": false, "project_id": project_id, "roles": [{"name": "member"}]}});
            assert_eq!(service.call("POST", "/v3/OS-TRUST/trusts", &by, Some(trust)).await.status, status);
            let ec2 = Some(json!({"tenant_id": project_id}));
            let keys = format!("/v3/users/{user}/credentials/OS-EC2");
            assert_eq!(service.call("POST", &keys, &by, ec2).await.status, 403);
            let seed = Some(json!({"credential": {"blob": "b", "type": "totp", "user_id": user}}));
            assert_eq!(service.call("POST", "/v3/credentials", &by, seed).await.status, 403);
        }
    })
    .await;
}

/// K17: "False" is a text, and no text is a flag.
#[tokio::test]
async fn k17_flags_are_flags() {
    on_each(|service| async move {
        let user = service.ids.demo_user_id.clone().expect("a user");
        for enabled in [json!("False"), json!("false"), json!(0), json!(null), json!([])] {
            let body = Some(json!({"user": {"enabled": enabled}}));
            let answer = service.admin("PATCH", &format!("/v3/users/{user}"), body).await;
            assert_eq!(answer.status, 400, "{enabled}: {answer:?}");
        }
    })
    .await;
}
