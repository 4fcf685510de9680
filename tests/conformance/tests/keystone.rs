//! A real Keystone: its code reads our tokens and we read its, and the Network API
//! behind it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isospin_conformance::{Api, Behind, Installation, Keystone, Reply};
use serde_json::{Value, json};

/// Issues a token with this `auth`.
fn issue(api: &Api, auth: &Value) -> Result<(String, Value)> {
    let reply = api.identity_with("POST", "/v3/auth/tokens", &[], &json!({"auth": auth}).to_string())?;
    ensure!(reply.status == 201, "{auth}: {} {}", reply.status, reply.text);
    let token = reply.headers.get("x-subject-token").context("no token")?.clone();
    Ok((token, reply.body()["token"].take()))
}

fn make(api: &Api, method: &str, path: &str, body: &Value) -> Result<Value> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let reply = api.identity(method, path, &body)?;
    ensure!(reply.status < 300, "{method} {path}: {} {}", reply.status, reply.text);
    Ok(reply.body())
}

/// A token of each kind this identity service issues, with the name of its kind.
fn tokens_of_every_kind(installation: &Installation) -> Result<Vec<(&'static str, String, Value)>> {
    let api = Api::log_in(installation, "admin")?;
    let me = make(&api, "GET", "/v3/users?name=admin", &Value::Null)?["users"][0]["id"].clone();
    let me = me.as_str().context("no id")?.to_owned();
    let other = json!({"user": {"name": "agent", "password": "agent-secret"}});
    let other = make(&api, "POST", "/v3/users", &other)?["user"]["id"].clone();
    let domain = json!({"domain": {"name": "second"}});
    let domain =
        make(&api, "POST", "/v3/domains", &domain)?["domain"]["id"].as_str().context("id")?.to_owned();
    let role = make(&api, "GET", "/v3/roles?name=admin", &Value::Null)?["roles"][0]["id"].clone();
    let role = role.as_str().context("no id")?;
    for domain in ["default", &domain] {
        make(&api, "PUT", &format!("/v3/domains/{domain}/users/{me}/roles/{role}"), &Value::Null)?;
    }
    let credential = json!({"application_credential": {"name": "a", "secret": "s"}});
    let credential = make(&api, "POST", &format!("/v3/users/{me}/application_credentials"), &credential)?;
    let credential = &credential["application_credential"]["id"];
    let trust = json!({"trust": {"trustor_user_id": me, "trustee_user_id": other, "impersonation": false,
        "project_id": api.project, "roles": [{"name": "member"}]}});
    let trust = make(&api, "POST", "/v3/OS-TRUST/trusts", &trust)?["trust"]["id"].clone();

    let password = installation.password("admin")?;
    let by = |id: &Value, password: &str| json!({"methods": ["password"], "password": {"user": {"id": id, "password": password}}});
    let me = || by(&json!(me), &password);
    let scoped = |scope: Value| json!({"identity": me(), "scope": scope});
    let (project, _) = issue(&api, &scoped(json!({"project": {"id": api.project}})))?;
    let wanted = [
        ("unscoped", scoped(json!("unscoped"))),
        ("project", scoped(json!({"project": {"id": api.project}}))),
        ("domain", scoped(json!({"domain": {"id": domain}}))),
        ("default domain", scoped(json!({"domain": {"id": "default"}}))),
        ("system", scoped(json!({"system": {"all": true}}))),
        (
            "rescoped",
            json!({"identity": {"methods": ["token"], "token": {"id": project}}, "scope": "unscoped"}),
        ),
        (
            "trust",
            json!({"identity": by(&other, "agent-secret"), "scope": {"OS-TRUST:trust": {"id": trust}}}),
        ),
        (
            "application credential",
            json!({"identity": {"methods": ["application_credential"],
                "application_credential": {"id": credential, "secret": "s"}}}),
        ),
    ];
    wanted
        .into_iter()
        .map(|(kind, auth)| issue(&api, &auth).map(|(token, body)| (kind, token, body)).context(kind))
        .collect()
}

fn sorted(list: &Value) -> Vec<String> {
    let mut texts: Vec<String> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|text| text.as_str().unwrap_or_default().to_owned())
        .collect();
    texts.sort();
    texts
}

#[test]
fn keystone_and_isospin_read_each_others_tokens_of_every_kind() -> Result<()> {
    let installation = Installation::start("none")?;
    let mut keystone = Keystone::start()?;
    keystone.take_keys_of(&installation)?;
    let api = Api::log_in(&installation, "admin")?;
    for (kind, token, body) in tokens_of_every_kind(&installation)? {
        let read = keystone.open(&token).context(kind)?;
        // Who has the token; a trust without impersonation shows the trustee too.
        assert_eq!(read["user_id"], body["user"]["id"], "{kind}");
        assert_eq!(read["project_id"], body["project"]["id"], "{kind}");
        assert_eq!(read["domain_id"], body["domain"]["id"], "{kind}");
        assert_eq!(read["trust_id"], body["OS-TRUST:trust"]["id"], "{kind}");
        assert_eq!(read["app_cred_id"], body["application_credential"]["id"], "{kind}");
        assert_eq!(read["system"] == "all", body["system"]["all"] == true, "{kind}");
        assert_eq!(read["audit_ids"], body["audit_ids"], "{kind}");
        assert_eq!(sorted(&read["methods"]), sorted(&body["methods"]), "{kind}");
        assert_eq!(read["expires_at"], body["expires_at"], "{kind}");
        assert_eq!(read["issued_at"], body["issued_at"], "{kind}");

        // The same payload, sealed there.
        let mut payload = json!({"audit_ids": ["2L_tIGMTRCKUeK9TjkhH7g"]});
        for name in [
            "user_id",
            "project_id",
            "domain_id",
            "trust_id",
            "app_cred_id",
            "system",
            "methods",
            "expires_at",
        ] {
            if !read[name].is_null() {
                payload[name] = read[name].clone();
            }
        }
        let theirs = keystone.seal(&payload).context(kind)?;
        let headers = [("X-Subject-Token", theirs.as_str())];
        let mut shown = api.identity_with("GET", "/v3/auth/tokens", &headers, "")?.body()["token"].take();
        assert_eq!(shown["audit_ids"], json!(["2L_tIGMTRCKUeK9TjkhH7g"]), "{kind}: {shown}");
        for name in ["audit_ids", "issued_at", "methods"] {
            shown[name] = body[name].clone();
        }
        assert_eq!(shown, body, "{kind}");
    }
    Ok(())
}

/// Asks until the answer has this status.
fn until(ask: impl Fn() -> Result<Reply>, status: u16) -> Result<Reply> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let reply = ask()?;
        if reply.status == status || Instant::now() > deadline {
            assert_eq!(reply.status, status, "{}", reply.text);
            return Ok(reply);
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn tokens_hold_while_keystone_says_so_and_known_ones_go_on_without_it() -> Result<()> {
    let mut behind = Behind::start("", "cache_time = 1")?;
    let networks = |api: &Api| api.network("GET", "/networks", "");
    let (demo, revoked) = (behind.demo()?, behind.demo()?);
    assert_eq!(networks(&demo)?.status, 200);
    assert_eq!(networks(&revoked)?.status, 200);
    let nobody = Api { token: "gAAAAAnonsense".to_owned(), ..demo.clone() };
    let refused = networks(&nobody)?;
    assert_eq!(refused.status, 401);
    assert!(refused.headers["www-authenticate"].contains(&behind.admin.identity), "{refused:?}");
    assert_eq!(networks(&Api { token: String::new(), ..demo.clone() })?.status, 401);

    // K16: what a client says of itself means nothing.
    let forged = [
        ("X-Identity-Status", "Confirmed"),
        ("X-Roles", "admin"),
        ("X-Role", "admin"),
        ("X-Project-Id", behind.admin.project.as_str()),
        ("X-User-Id", "forged"),
        ("X-Is-Admin-Project", "True"),
        ("X-Service-Roles", "service,admin"),
        ("OpenStack-System-Scope", "all"),
    ];
    let body = json!({"network": {"name": "x", "shared": true}}).to_string();
    let reply = demo.network_with("POST", "/networks", &forged, &body)?;
    assert_eq!(reply.status, 403, "{}", reply.text);
    assert_eq!(nobody.network_with("GET", "/networks", &forged, "")?.status, 401);
    let own = demo.create("networks", "network", &json!({"name": "own"}))?;
    assert_eq!(own["project_id"], json!(demo.project));
    // A service's token beside it, which must be one.
    let with_service = |token: &str| demo.network_with("GET", "/networks", &[("X-Service-Token", token)], "");
    assert_eq!(with_service(&behind.admin.token)?.status, 200);
    assert_eq!(with_service("nonsense")?.status, 401);

    // K02: revoked there, refused here when the answer is no longer good.
    let reply = behind.admin.identity_with(
        "DELETE",
        "/v3/auth/tokens",
        &[("X-Subject-Token", revoked.token.as_str())],
        "",
    )?;
    assert_eq!(reply.status, 204, "{}", reply.text);
    until(|| networks(&revoked), 401)?;

    // Without Keystone: who is known goes on, who is not is told to come back.
    let unknown = behind.demo()?;
    behind.keystone.kill()?;
    let reply = until(|| networks(&unknown), 503)?;
    assert_eq!(reply.body()["NeutronError"]["type"], "ServiceUnavailable", "{}", reply.text);
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(2500) {
        assert_eq!(networks(&demo)?.status, 200, "after {:?}", since.elapsed());
        std::thread::park_timeout(Duration::from_millis(100));
    }
    Ok(())
}
