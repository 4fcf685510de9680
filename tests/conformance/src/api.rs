//! The APIs as raw HTTP/1.1: what a client library would never send can be sent too.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::Installation;

/// Longest time a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything a project or the cloud has, as the Network API lists it.
const COLLECTIONS: [&str; 7] =
    ["networks", "subnets", "ports", "routers", "floatingips", "security-groups", "security-group-rules"];

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub text: String,
}

impl Reply {
    /// The body; null when it is not JSON.
    #[must_use]
    pub fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

/// Both APIs, as one user.
#[derive(Debug, Clone)]
pub struct Api {
    /// URL of the Identity API.
    pub identity: String,
    /// URL of the Network API.
    pub network: String,
    pub token: String,
    pub project: String,
}

impl Api {
    /// Logs in as `admin` or `demo`, each in the project of the same name.
    ///
    /// # Errors
    /// It does not run, or refuses.
    pub fn log_in(installation: &Installation, user: &str) -> Result<Self> {
        Self::log_in_as(installation, user, &installation.password(user)?, user)
    }

    /// Logs in as this user in this project, both of the default domain.
    ///
    /// # Errors
    /// It does not run, or refuses.
    pub fn log_in_as(installation: &Installation, user: &str, password: &str, project: &str) -> Result<Self> {
        let status = installation.status()?;
        let url = |name: &str| status["endpoints"][name].as_str().unwrap_or_default().to_owned();
        let api = Self::at(&url("identity"), user, password, project)?;
        Ok(Self { network: url("network"), ..api })
    }

    /// Logs in at this Identity API, which need not be ours.
    ///
    /// # Errors
    /// It does not run, or refuses.
    pub fn at(identity: &str, user: &str, password: &str, project: &str) -> Result<Self> {
        let mut api = Self {
            identity: identity.to_owned(),
            network: String::new(),
            token: String::new(),
            project: String::new(),
        };
        let reply = api.authenticate_in(user, password, project)?;
        if reply.status != 201 {
            bail!("{user} cannot log in: {}", reply.text);
        }
        api.token = reply.headers.get("x-subject-token").context("no token")?.clone();
        api.project = reply.body()["token"]["project"]["id"].as_str().context("no project")?.to_owned();
        Ok(api)
    }

    /// Asks for a token of the user in the project of the same name.
    ///
    /// # Errors
    /// The connection's.
    pub fn authenticate(&self, user: &str, password: &str) -> Result<Reply> {
        self.authenticate_in(user, password, user)
    }

    fn authenticate_in(&self, user: &str, password: &str, project: &str) -> Result<Reply> {
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": user, "domain": domain, "password": password}}},
            "scope": {"project": {"name": project, "domain": domain}}}});
        self.identity("POST", "/v3/auth/tokens", &body.to_string())
    }

    /// A request to the Identity API; nothing is sent as body when it is empty.
    ///
    /// # Errors
    /// The connection's.
    pub fn identity(&self, method: &str, path: &str, body: &str) -> Result<Reply> {
        self.identity_with(method, path, &[], body)
    }

    /// The same with more headers.
    ///
    /// # Errors
    /// The connection's.
    pub fn identity_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Reply> {
        send(&self.identity, method, path, &self.headers(headers), body.as_bytes())
    }

    /// A request to the Network API's server, outside of `/v2.0`.
    ///
    /// # Errors
    /// The connection's.
    pub fn anywhere(&self, method: &str, path: &str) -> Result<Reply> {
        send(&self.network, method, path, &self.headers(&[]), b"")
    }

    /// The token's header and more.
    fn headers<'h>(&'h self, more: &[(&'h str, &'h str)]) -> Vec<(&'h str, &'h str)> {
        [("X-Auth-Token", self.token.as_str())].iter().chain(more).copied().collect()
    }

    /// A request to the Network API, its path below `/v2.0`.
    ///
    /// # Errors
    /// The connection's.
    pub fn network(&self, method: &str, path: &str, body: &str) -> Result<Reply> {
        self.network_with(method, path, &[], body)
    }

    /// The same with more headers.
    ///
    /// # Errors
    /// The connection's.
    pub fn network_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Reply> {
        self.network_bytes(method, &format!("/v2.0{path}"), headers, body.as_bytes())
    }

    /// A request to the Network API's server with any bytes as body, its path as it is.
    ///
    /// # Errors
    /// The connection's.
    pub fn network_bytes(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply> {
        send(&self.network, method, path, &self.headers(headers), body)
    }

    /// Creates an object; what came back.
    ///
    /// # Errors
    /// It was refused.
    pub fn create(&self, collection: &str, key: &str, object: &Value) -> Result<Value> {
        let reply = self.network("POST", &format!("/{collection}"), &json!({key: object}).to_string())?;
        if reply.status != 201 {
            bail!("POST /{collection} {object}: {} {}", reply.status, reply.text);
        }
        Ok(reply.body()[key].take())
    }

    /// A list of the Network API.
    ///
    /// # Errors
    /// It was refused.
    pub fn list(&self, collection: &str) -> Result<Vec<Value>> {
        let reply = self.network("GET", &format!("/{collection}"), "")?;
        let key = collection.split('?').next().unwrap_or_default().replace('-', "_");
        match reply.body()[key.as_str()].take() {
            Value::Array(objects) => Ok(objects),
            _ => bail!("GET /{collection}: {} {}", reply.status, reply.text),
        }
    }

    /// Everything this user sees, ordered: two of them are equal when nothing changed.
    ///
    /// # Errors
    /// As [`Api::list`].
    pub fn everything(&self) -> Result<BTreeMap<String, Value>> {
        let mut all = BTreeMap::new();
        for collection in COLLECTIONS {
            for object in self.list(collection)? {
                let id = object["id"].as_str().context("no id")?;
                all.insert(format!("{collection}/{id}"), object.clone());
            }
        }
        Ok(all)
    }
}

/// Sends one request on a connection of its own.
fn send(base: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Reply> {
    let host = base.strip_prefix("http://").context("not an http URL")?;
    let mut stream = TcpStream::connect(host).with_context(|| format!("nobody listens at {host}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request.push_str("Content-Type: application/json\r\n");
        }
    }
    stream.write_all(&[format!("{request}\r\n").as_bytes(), body].concat())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    parse(&answer).with_context(|| format!("{method} {path}: {answer}"))
}

fn parse(answer: &str) -> Option<Reply> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Reply { status, headers, text: body.to_owned() })
}
