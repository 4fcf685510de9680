//! A real Keystone (from PyPI, in `.venv-keystone`, on SQLite) in a folder of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Api, Installation, root};

/// Of the administrator that the template was bootstrapped with.
const ADMIN_PASSWORD: &str = "keystone-secret";
const SERVICE_PASSWORD: &str = "service-secret";
const DEMO_PASSWORD: &str = "demo-secret";

/// A Keystone; ended and removed when dropped.
pub struct Keystone {
    folder: TempDir,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Keystone {
    /// A copy of the bootstrapped one, not served yet.
    ///
    /// # Errors
    /// The virtual environment is missing, or Keystone does not start.
    pub fn start() -> Result<Self> {
        let environment = root().join(".venv-keystone");
        let template = environment.join("template");
        let folder = tempfile::Builder::new().prefix("isospin-keystone-").tempdir()?;
        copy(&template, folder.path()).context("no Keystone: `make keystone` first")?;
        let text = std::fs::read_to_string(root().join("tests/conformance/keystone/keystone.conf"))?;
        let own = folder.path().to_string_lossy();
        std::fs::write(folder.path().join("keystone.conf"), text.replace("FOLDER", &own))?;
        let log = std::fs::File::create(folder.path().join("stderr.log"))?;
        let mut process = Command::new(environment.join("bin/python"))
            .arg(root().join("tests/conformance/keystone/serve.py"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot run Keystone: `make keystone` first")?;
        let input = process.stdin.take().context("no input")?;
        let output = BufReader::new(process.stdout.take().context("no output")?);
        Ok(Self { folder, process, input, output })
    }

    /// Serves its API; the administrator there, logged in.
    ///
    /// # Errors
    /// It cannot.
    pub fn serve(&mut self) -> Result<Api> {
        let port = self.ask(&json!({"do": "serve"}))?["port"].as_u64().context("no port")?;
        let identity = format!("http://127.0.0.1:{port}");
        let admin = Api::at(&identity, "admin", ADMIN_PASSWORD, "admin")?;
        let endpoint = id_of(&admin, "/v3/endpoints", "endpoints")?;
        let moved = json!({"endpoint": {"url": format!("{identity}/v3")}}).to_string();
        let reply = admin.identity("PATCH", &format!("/v3/endpoints/{endpoint}"), &moved)?;
        ensure!(reply.status == 200, "the endpoint of Keystone: {} {}", reply.status, reply.text);
        Ok(admin)
    }

    /// A token for this payload, by Keystone's own code.
    ///
    /// # Errors
    /// It says no.
    pub fn seal(&mut self, payload: &Value) -> Result<String> {
        let answer = self.ask(&json!({"do": "seal", "payload": payload}))?;
        Ok(answer["token"].as_str().context("no token")?.to_owned())
    }

    /// What Keystone's own code reads in a token.
    ///
    /// # Errors
    /// It says no.
    pub fn open(&mut self, token: &str) -> Result<Value> {
        Ok(self.ask(&json!({"do": "open", "token": token}))?["payload"].take())
    }

    fn ask(&mut self, request: &Value) -> Result<Value> {
        writeln!(self.input, "{request}")?;
        let mut text = String::new();
        self.output.read_line(&mut text)?;
        let answer: Value = serde_json::from_str(&text).with_context(|| {
            std::fs::read_to_string(self.folder.path().join("stderr.log")).unwrap_or_default()
        })?;
        ensure!(answer["error"].is_null(), "Keystone: {answer}");
        Ok(answer)
    }

    /// Gives it the keys of an installation.
    ///
    /// # Errors
    /// The disk's.
    pub fn take_keys_of(&self, installation: &Installation) -> Result<()> {
        let keys = self.folder.path().join("fernet-keys");
        std::fs::remove_dir_all(&keys)?;
        copy(&installation.state_dir().join("fernet-keys"), &keys)
    }

    /// Ends it, as a crash would.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Keystone {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An installation behind a Keystone.
pub struct Behind {
    pub installation: Installation,
    pub keystone: Keystone,
    /// The administrator, with tokens of that Keystone.
    pub admin: Api,
}

impl Behind {
    /// Starts both: `isospin` (admin) and `isospin-demo` of `clouds.yaml` log in there.
    ///
    /// # Errors
    /// One does not start.
    pub fn start(toml: &str, keystone_toml: &str) -> Result<Self> {
        let mut keystone = Keystone::start()?;
        let mut admin = keystone.serve()?;
        let role = |name: &str| id_of(&admin, &format!("/v3/roles?name={name}"), "roles");
        let (service, member) = (role("service")?, role("member")?);
        let services = make(&admin, "projects", "project", &json!({"name": "service"}))?;
        let demo = make(&admin, "projects", "project", &json!({"name": "demo"}))?;
        user(&admin, "isospin", SERVICE_PASSWORD, &services, &service)?;
        user(&admin, "demo", DEMO_PASSWORD, &demo, &member)?;
        let mode = format!(
            "[identity]\nmode = \"keystone\"\n[identity.keystone]\nauth_url = \"{}/v3\"\n\
             password = \"{SERVICE_PASSWORD}\"\n{keystone_toml}\n{toml}",
            admin.identity
        );
        let installation = Installation::configured("simulated", &mode)?;
        let network = installation.status()?["endpoints"]["network"].as_str().context("no URL")?.to_owned();
        let kind = json!({"type": "network", "name": "neutron"});
        let kind = make(&admin, "services", "service", &kind)?;
        let endpoint =
            json!({"service_id": kind, "interface": "public", "region_id": "RegionOne", "url": network});
        make(&admin, "endpoints", "endpoint", &endpoint)?;
        admin.network = network;
        let clouds = [("isospin", "admin", ADMIN_PASSWORD), ("isospin-demo", "demo", DEMO_PASSWORD)];
        let clouds: String = clouds.iter().map(|cloud| entry(&admin.identity, cloud)).collect();
        std::fs::write(installation.state_dir().join("clouds.yaml"), format!("clouds:\n{clouds}"))?;
        Ok(Self { installation, keystone, admin })
    }

    /// The demo user, with a new token.
    ///
    /// # Errors
    /// Keystone refuses.
    pub fn demo(&self) -> Result<Api> {
        let demo = Api::at(&self.admin.identity, "demo", DEMO_PASSWORD, "demo")?;
        Ok(Api { network: self.admin.network.clone(), ..demo })
    }
}

fn entry(identity: &str, (cloud, user, password): &(&str, &str, &str)) -> String {
    format!(
        "  {cloud}:\n    auth:\n      auth_url: {identity}/v3\n      username: {user}\n      password: {password}\n      \
         project_name: {user}\n      user_domain_id: default\n      project_domain_id: default\n    \
         region_name: RegionOne\n    identity_api_version: 3\n"
    )
}

/// Makes an object; its id.
fn make(admin: &Api, collection: &str, key: &str, object: &Value) -> Result<String> {
    let reply = admin.identity("POST", &format!("/v3/{collection}"), &json!({key: object}).to_string())?;
    if reply.status != 201 {
        bail!("POST /v3/{collection}: {} {}", reply.status, reply.text);
    }
    Ok(reply.body()[key]["id"].as_str().context("no id")?.to_owned())
}

fn id_of(admin: &Api, path: &str, plural: &str) -> Result<String> {
    let reply = admin.identity("GET", path, "")?;
    Ok(reply.body()[plural][0]["id"].as_str().with_context(|| format!("{path}: {}", reply.text))?.to_owned())
}

fn user(admin: &Api, name: &str, password: &str, project: &str, role: &str) -> Result<()> {
    let user = make(admin, "users", "user", &json!({"name": name, "password": password}))?;
    let path = format!("/v3/projects/{project}/users/{user}/roles/{role}");
    let reply = admin.identity("PUT", &path, "")?;
    ensure!(reply.status == 204, "PUT {path}: {} {}", reply.status, reply.text);
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
