//! Requests recorded from Neutron 29 and Keystone 30, sent to this server in order:
//! the same status, keys, types and faults, but for `samples/differences.txt`.

use anyhow::{Context, Result, ensure};
use isospin_conformance::samples::{self, Names, Sample, Sender};
use isospin_conformance::{Api, Installation, Reply};
use serde_json::json;

const CONFIG: &str = r#"
[network]
flat_networks = ["public"]
tenant_network_types = ["vxlan"]

[network.vlan_ranges]
physnet1 = ["100:1999"]
physnet2 = ["2000:2100"]
"#;

/// Ids of the recording for what was there before its first request.
const ADMIN_PROJECT: &str = "3a498627e41343b1a21f1f8db7cffd6d";
const DEMO_PROJECT: &str = "1872a3387cb248dcb22c08d4382a9820";
const PUBLIC_NETWORK: &str = "b1eeec6b-7ccc-4d04-a4f6-b522abdec1e2";
const HOST: &str = "peer-node1";

struct Cloud {
    installation: Installation,
    admin: Api,
    demo: Api,
    service: Api,
    names: Names,
}

impl Cloud {
    /// A cloud with what the recorded one had at its start: an external network with
    /// an IPv4 and an IPv6 subnet, a default subnet pool, and somebody with the role `service`.
    fn start() -> Result<Self> {
        let installation = Installation::configured("simulated", CONFIG)?;
        let admin = Api::log_in(&installation, "admin")?;
        let demo = Api::log_in(&installation, "demo")?;
        let mut names = Names::default();
        names.set(ADMIN_PROJECT, &admin.project);
        names.set(DEMO_PROJECT, &demo.project);
        let host = installation.status()?["agent"]["host"].as_str().context("no host")?.to_owned();
        names.set(HOST, &host);
        let public = json!({"name": "public", "router:external": true, "shared": true, "is_default": true,
            "provider:network_type": "flat", "provider:physical_network": "public"});
        let public =
            admin.create("networks", "network", &public)?["id"].as_str().context("no id")?.to_owned();
        names.set(PUBLIC_NETWORK, &public);
        for (version, cidr) in [(4, "172.24.2.0/24"), (6, "2001:db8::/64")] {
            let subnet =
                json!({"network_id": public, "ip_version": version, "cidr": cidr, "enable_dhcp": false});
            admin.create("subnets", "subnet", &subnet)?;
        }
        admin.create("ports", "port", &json!({"network_id": public, "name": "in use"}))?;
        let pool = json!({"name": "default", "prefixes": ["10.128.0.0/16"], "default_prefixlen": 26,
            "is_default": true, "shared": true});
        admin.create("subnetpools", "subnetpool", &pool)?;
        let service = with_service_role(&installation, &admin)?;
        Ok(Self { installation, admin, demo, service, names })
    }

    fn send(&self, sample: &Sample) -> Result<Reply> {
        let mut api = match sample.sender {
            Sender::Demo => self.demo.clone(),
            Sender::Service => self.service.clone(),
            Sender::Admin | Sender::Nobody | Sender::Forger => self.admin.clone(),
        };
        match sample.sender {
            Sender::Nobody => api.token.clear(),
            Sender::Forger => "none".clone_into(&mut api.token),
            Sender::Admin | Sender::Demo | Sender::Service => {}
        }
        let (path, body) = (self.names.here(&sample.path), self.names.here(&sample.body));
        match sample.name.as_str() {
            // What the recording only describes.
            "keystone-token-issue-password" => api.authenticate("demo", &self.installation.password("demo")?),
            "keystone-token-validate" => {
                let token = api.token.clone();
                api.identity_with("GET", "/v3/auth/tokens", &[("X-Subject-Token", &token)], "")
            }
            "keystone-version-root" | "keystone-v3" => api.identity("GET", &path, ""),
            "versions" => api.anywhere("GET", "/"),
            "v2.0-root" => api.network("GET", "/", ""),
            name if name.starts_with("keystone-") => {
                api.identity(&sample.method, &format!("/v3{path}"), &body)
            }
            _ => {
                let header = sample.header.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
                let headers: Vec<(&str, &str)> = header.into_iter().collect();
                api.network_with(&sample.method, &path, &headers, &body)
            }
        }
    }
}

/// The admin's project, as somebody who has the role `service` besides.
fn with_service_role(installation: &Installation, admin: &Api) -> Result<Api> {
    let found = |reply: Reply, key: &str| -> Result<String> {
        let body = reply.body();
        let object = body[key].as_array().and_then(|items| items.first()).unwrap_or(&body[key]);
        Ok(object["id"].as_str().with_context(|| format!("no {key}: {body}"))?.to_owned())
    };
    let role = found(admin.identity("GET", "/v3/roles?name=service", "")?, "roles")?;
    let admin_role = found(admin.identity("GET", "/v3/roles?name=admin", "")?, "roles")?;
    let password = "of a service";
    let user = json!({"user": {"name": "compute", "password": password, "domain_id": "default"}});
    let user = found(admin.identity("POST", "/v3/users", &user.to_string())?, "user")?;
    for role in [role, admin_role] {
        let path = format!("/v3/projects/{}/users/{user}/roles/{role}", admin.project);
        let reply = admin.identity("PUT", &path, "")?;
        ensure!(reply.status == 204, "{}", reply.text);
    }
    Api::log_in_as(installation, "compute", password, "admin")
}

#[test]
fn recorded_requests_get_the_recorded_answers() -> Result<()> {
    let samples = samples::load()?;
    let allowed = samples::allowed()?;
    let mut used = vec![false; allowed.len()];
    let mut cloud = Cloud::start()?;
    let mut wrong = Vec::new();
    for sample in &samples {
        let reply = cloud.send(sample)?;
        for difference in samples::compare(sample, &reply) {
            match allowed.iter().position(|line| line.covers(&sample.name, &difference.place)) {
                Some(at) => used[at] = true,
                None => wrong.push(format!("{} | {difference}", sample.name)),
            }
        }
        cloud.names.learn(&sample.answer, &reply.body());
    }
    let stale = allowed.iter().zip(&used).filter(|(line, used)| !**used && !line.sometimes);
    wrong.extend(stale.map(|(line, _)| format!("differences.txt: {line}: no such difference any more")));
    ensure!(wrong.is_empty(), "{} of {} samples:\n{}", wrong.len(), samples.len(), wrong.join("\n"));
    Ok(())
}
