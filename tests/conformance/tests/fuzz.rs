//! The document of the API put to the test: schemathesis makes thousands of requests
//! out of it, good and bad, and every answer must be one the document knows.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use isospin_conformance::{Api, Installation, root};
use serde_json::{Value, json};

/// Requests of one user when nothing else is said; about half a minute.
const REQUESTS: u32 = 3_000;

/// Room for what the fuzzer makes, and an end to it: lists grow with it. Most of the
/// segmentation ids stay free.
const CONFIGURATION: &str = "\
[network]
vlan_ranges = { external = [\"1:4000\"] }

[network.quotas]
network = 200
subnet = 200
port = 400
router = 200
floatingip = 200
rbac_policy = 200
security_group = 200
security_group_rule = 800
";

/// From here on the time is there for every single thing a document can be wrong in;
/// that is some 20,000 requests by itself.
const ALL: u32 = 30_000;

/// How many requests each user makes: `ISOSPIN_FUZZ_REQUESTS`.
fn wanted() -> Result<u32> {
    match std::env::var("ISOSPIN_FUZZ_REQUESTS") {
        Ok(text) => text.parse().context("ISOSPIN_FUZZ_REQUESTS is not a number"),
        Err(_) => Ok(REQUESTS),
    }
}

/// Fuzzes as this user.
#[expect(clippy::print_stdout, reason = "how many requests there were is what is asked")]
fn fuzz(user: &str) -> Result<()> {
    let installation = Installation::configured("simulated", CONFIGURATION)?;
    let folder = installation.state_dir();
    let document: Value = serde_json::from_str(&installation.run(&["openapi"])?)?;
    std::fs::write(folder.join("openapi.json"), document.to_string())?;
    let counts = folder.join("counts.json");
    let api = Api::log_in(&installation, user)?;
    let ours = root().join("tests/conformance/fuzz");
    let wanted = wanted()?;
    let operations = u32::try_from(operations(&document).count())?;
    let (phases, drawn) =
        if wanted < ALL { ("fuzzing", wanted) } else { ("coverage,fuzzing", wanted - ALL * 2 / 3) };
    let examples = (drawn / operations).max(1).to_string();
    let output = Command::new(root().join(".venv-suites/bin/schemathesis"))
        .current_dir(folder)
        .env("PYTHONPATH", &ours)
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("ISOSPIN_FUZZ_COUNTS", &counts)
        .env("ISOSPIN_FUZZ_LAB", if user == "admin" { "public" } else { "" })
        .args(["--no-color", "--config-file"])
        .arg(ours.join("schemathesis.toml"))
        .args(["run", "openapi.json", "--url", &api.network, "--header"])
        .arg(format!("X-Auth-Token: {}", api.token))
        .args(["--max-examples", &examples, "--phases", phases])
        .output()
        .context("no schemathesis: `make suites` first")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "as {user}:\n{said}{}", String::from_utf8_lossy(&output.stderr));
    let counts: BTreeMap<String, u32> = serde_json::from_slice(&std::fs::read(counts)?)?;
    let all: u32 = counts.values().sum();
    println!("as {user}: {all} requests: {counts:?}");
    ensure!(all >= wanted / 2 && counts.contains_key("200"), "{all} requests: {counts:?}");
    Ok(())
}

/// Path, verb and operation of all.
fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, verbs)| {
        let verbs = verbs.as_object().into_iter().flatten();
        verbs.map(move |(verb, operation)| (path.as_str(), verb.as_str(), operation))
    })
}

#[test]
fn every_answer_to_the_admin_is_one_of_the_document() -> Result<()> {
    fuzz("admin")
}

#[test]
fn every_answer_to_a_member_is_one_of_the_document() -> Result<()> {
    fuzz("demo")
}

/// Bodies no client sends, with what they say they are; `KEY` is the key of the object.
fn odd_bodies() -> Vec<(Vec<u8>, &'static str)> {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
    let texts = [
        "null",
        "[]",
        "\"KEY\"",
        "12",
        "{",
        "{\"KEY\": null}",
        "{\"KEY\": []}",
        "{\"KEY\": [null, 1, []]}",
        "{\"KEY\": 1e999999}",
        "{\"KEY\": 123456789012345678901234567890123456789012345678901234567890}",
        "{\"KEY\": {\"name\": \"\\ud800\"}}",
        "{\"KEY\": {\"name\": \"a\\u0000b\", \"description\": \"\\u0000\"}}",
        "{\"KEY\": {\"name\": \"a\", \"name\": [], \"name\": {}}}",
        "{\"KEY\": {\"id\": \"a\", \"\": \"\", \"__proto__\": {}, \"tenant_id\": {}, \"project_id\": []}}",
        "{\"KEY\": {\"tags\": [[]], \"shared\": 2, \"mtu\": 1e30, \"port\": -0.5, \"cidr\": {}}}",
        "{\"KEY\": {\"network_id\": 99999999999999999999, \"subnet_id\": {}, \"port_id\": [[]]}}",
        "{} {}",
        "\u{feff}{}",
    ];
    let mut bodies: Vec<(Vec<u8>, &'static str)> =
        texts.into_iter().map(|text| (text.into(), "application/json")).collect();
    bodies.extend([
        (deep("[", "]").into_bytes(), "application/json"),
        (deep("{\"KEY\":", "}").into_bytes(), "application/json"),
        (b"{\"KEY\": {\"name\": \"\xff\xfe\xc3\x28\"}}".to_vec(), "application/json"),
        (b"\0\0\0\0".to_vec(), "application/json"),
        (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "application/gzip"),
        (b"<KEY><name>a</name></KEY>".to_vec(), "text/xml"),
        (b"KEY=a&name=b".to_vec(), "application/x-www-form-urlencoded"),
        (b"--b\r\n\r\n{}\r\n--b--".to_vec(), "multipart/form-data; boundary=b"),
    ]);
    bodies
}

/// The key of the object a body holds.
fn key(schema: &Value) -> Option<&String> {
    let one = schema["oneOf"].get(0).unwrap_or(schema);
    one["properties"].as_object()?.keys().next()
}

/// Whatever is sent, the answer is one the document knows, in the form it says.
#[test]
fn odd_bodies_get_answers_of_the_document() -> Result<()> {
    let installation = Installation::start("none")?;
    let api = Api::log_in(&installation, "admin")?;
    let document: Value = serde_json::from_str(&installation.run(&["openapi"])?)?;
    let network = api.create("networks", "network", &json!({}))?;
    let id = network["id"].as_str().context("no id")?;
    let mut sent = 0;
    for (path, verb, operation) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let Some(key) = key(schema) else { continue };
        let url: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { id } else { part }).collect();
        for (body, kind) in odd_bodies() {
            let body = replaced(&body, b"KEY", key.as_bytes());
            let verb = verb.to_uppercase();
            let reply = api.network_bytes(&verb, &url.join("/"), &[("Content-Type", kind)], &body)?;
            let shown = String::from_utf8_lossy(body.get(..100).unwrap_or(&body)).into_owned();
            let known = !operation["responses"][reply.status.to_string()].is_null();
            ensure!(known && reply.status < 500, "{verb} {path} {shown}: {} {}", reply.status, reply.text);
            let faulty = reply.body()["NeutronError"]["message"].is_string();
            ensure!(faulty == (reply.status >= 400), "{verb} {path} {shown}: {}", reply.text);
            sent += 1;
        }
    }
    ensure!(sent > 2_000, "{sent} requests");
    Ok(())
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut left = text;
    let mut all = Vec::with_capacity(text.len());
    while let Some(at) = left.windows(from.len()).position(|window| window == from) {
        all.extend_from_slice(&left[..at]);
        all.extend_from_slice(to);
        left = &left[at + from.len()..];
    }
    all.extend_from_slice(left);
    all
}

/// Verbs that are not in the document are refused, and the answer names those that are.
#[test]
fn verbs_that_are_not_in_the_document_are_refused() -> Result<()> {
    let installation = Installation::start("none")?;
    let api = Api::log_in(&installation, "admin")?;
    let document: Value = serde_json::from_str(&installation.run(&["openapi"])?)?;
    for (path, verbs) in document["paths"].as_object().context("no paths")? {
        let url = path.replace(['{', '}'], "");
        for verb in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            if !verbs[verb.to_lowercase()].is_null() {
                continue;
            }
            let reply = api.network_bytes(verb, &url, &[], b"{}")?;
            ensure!(reply.status == 405, "{verb} {url}: {} {}", reply.status, reply.text);
            let mut allowed: Vec<&str> = reply
                .headers
                .get("allow")
                .context("no Allow")?
                .split(',')
                .filter(|verb| *verb != "HEAD")
                .collect();
            allowed.sort_unstable();
            let mut known: Vec<String> =
                verbs.as_object().into_iter().flatten().map(|(verb, _)| verb.to_uppercase()).collect();
            known.sort_unstable();
            ensure!(allowed == known, "{verb} {url}: {allowed:?}, in the document {known:?}");
        }
    }
    Ok(())
}
