//! Bad requests: each gets the error clients know, and changes nothing.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use isospin_conformance::{Api, Client, Installation, Reply};
use serde_json::{Value, json};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// What everybody has, and what of the quota is used.
fn everything(admin: &Api, demo: &Api) -> Result<BTreeMap<String, Value>> {
    let mut all = admin.everything()?;
    for project in [&admin.project, &demo.project] {
        let reply = admin.network("GET", &format!("/quotas/{project}/details.json"), "")?;
        ensure!(reply.status == 200, "{}", reply.text);
        all.insert(format!("quotas/{project}"), reply.body());
    }
    Ok(all)
}

/// The type and the message of a fault of the Network API.
fn fault(reply: &Reply) -> Result<(String, String)> {
    let body = reply.body();
    let fault = &body["NeutronError"];
    let text = |name: &str| fault[name].as_str().map(str::to_owned).with_context(|| reply.text.clone());
    // One that is refused for what exists may say what to call next.
    ensure!(fault["detail"].is_string(), "{body}");
    Ok((text("type")?, text("message")?))
}

struct Lab {
    _installation: Installation,
    admin: Api,
    demo: Api,
    /// Ids by name.
    ids: BTreeMap<&'static str, String>,
}

impl Lab {
    /// A network of demo with two subnets, ports and a router; a network of somebody
    /// else; an external network.
    fn start() -> Result<Self> {
        let installation = Installation::start("none")?;
        let admin = Api::log_in(&installation, "admin")?;
        let demo = Api::log_in(&installation, "demo")?;
        let mut lab = Self { _installation: installation, admin, demo, ids: BTreeMap::new() };
        let demo = lab.demo.clone();
        let admin = lab.admin.clone();
        lab.make(&demo, "net", "networks", "network", json!({"name": "net"}))?;
        let net = lab.id("net");
        let subnet = |cidr: &str| json!({"network_id": net, "ip_version": 4, "cidr": cidr});
        lab.make(&demo, "subnet", "subnets", "subnet", subnet("10.5.0.0/24"))?;
        lab.make(&demo, "other-subnet", "subnets", "subnet", subnet("10.6.0.0/24"))?;
        let fixed = json!([{"ip_address": "10.5.0.50"}]);
        lab.make(&demo, "port", "ports", "port", json!({"network_id": net, "fixed_ips": fixed}))?;
        lab.make(&demo, "group", "security-groups", "security_group", json!({"name": "g"}))?;
        let member = json!({"network_id": net, "security_groups": [lab.id("group")]});
        lab.make(&demo, "member", "ports", "port", member)?;
        lab.make(
            &admin,
            "public",
            "networks",
            "network",
            json!({"name": "public", "router:external": true}),
        )?;
        let public = json!({"network_id": lab.id("public"), "ip_version": 4, "cidr": "10.77.0.0/24"});
        lab.make(&admin, "public-subnet", "subnets", "subnet", public)?;
        let gateway = json!({"name": "r", "external_gateway_info": {"network_id": lab.id("public")}});
        lab.make(&demo, "router", "routers", "router", gateway)?;
        let path = format!("/routers/{}/add_router_interface", lab.id("router"));
        let reply = demo.network("PUT", &path, &json!({"subnet_id": lab.id("subnet")}).to_string())?;
        ensure!(reply.status == 200, "{}", reply.text);
        let interface = reply.body()["port_id"].as_str().context("no port")?.to_owned();
        lab.ids.insert("interface", interface);
        let floating = json!({"floating_network_id": lab.id("public"), "port_id": lab.id("port")});
        lab.make(&demo, "floating", "floatingips", "floatingip", floating)?;
        lab.make(&admin, "foreign", "networks", "network", json!({"name": "foreign"}))?;
        let foreign = json!({"network_id": lab.id("foreign"), "ip_version": 4, "cidr": "10.9.0.0/24"});
        lab.make(&admin, "foreign-subnet", "subnets", "subnet", foreign)?;
        lab.make(&admin, "foreign-port", "ports", "port", json!({"network_id": lab.id("foreign")}))?;
        lab.make(&admin, "foreign-router", "routers", "router", json!({"name": "foreign"}))?;
        lab.make(&admin, "foreign-group", "security-groups", "security_group", json!({"name": "foreign"}))?;
        Ok(lab)
    }

    fn make(
        &mut self,
        api: &Api,
        name: &'static str,
        collection: &str,
        key: &str,
        object: Value,
    ) -> Result<()> {
        let made = api.create(collection, key, &object)?;
        self.ids.insert(name, made["id"].as_str().context("no id")?.to_owned());
        Ok(())
    }

    fn id(&self, name: &str) -> String {
        self.ids.get(name).cloned().unwrap_or_default()
    }

    /// The text with `{name}` replaced by ids.
    fn fill(&self, text: &str) -> String {
        self.ids.iter().fold(text.replace("{unknown}", UNKNOWN), |text, (name, id)| {
            text.replace(&format!("{{{name}}}"), id)
        })
    }

    /// Sends requests that must be refused; after each everything is as before.
    fn refuse(&self, api: &Api, requests: &[Refused]) -> Result<()> {
        let before = everything(&self.admin, &self.demo)?;
        let mut wrong = Vec::new();
        for Refused(method, path, body, status, kind, message) in requests {
            let (path, body) = (self.fill(path), self.fill(body));
            let reply = api.network(method, &path, &body)?;
            let (got_kind, got_message) =
                fault(&reply).unwrap_or_else(|_| (String::new(), reply.text.clone()));
            if reply.status != *status || got_kind != *kind || !got_message.contains(&self.fill(message)) {
                wrong.push(format!(
                    "{method} {path} {body}\n  got  {} {got_kind}: {got_message}\n  want {status} {kind}: {message}",
                    reply.status
                ));
            }
            let after = everything(&self.admin, &self.demo)?;
            ensure!(after == before, "{method} {path} {body}: something was done");
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    }
}

/// Method, path, body; status, type and part of the message of the refusal.
struct Refused(&'static str, &'static str, &'static str, u16, &'static str, &'static str);

#[test]
fn bodies_that_make_no_sense() -> Result<()> {
    let lab = Lab::start()?;
    lab.refuse(
        &lab.demo,
        &[
            Refused("POST", "/networks", "{\"network\": {", 400, "HTTPBadRequest", ""),
            Refused("POST", "/networks", "not JSON", 400, "HTTPBadRequest", ""),
            Refused("POST", "/networks", "[]", 400, "HTTPBadRequest", "Body contains invalid data"),
            Refused(
                "POST",
                "/networks",
                "{}",
                400,
                "HTTPBadRequest",
                "Unable to find 'network' in request body",
            ),
            Refused("POST", "/networks", "{\"network\": []}", 400, "HTTPBadRequest", ""),
            Refused("POST", "/networks", "{\"networks\": []}", 400, "HTTPBadRequest", "Resources required"),
            Refused(
                "POST",
                "/networks",
                "{\"network\": {\"colour\": \"red\", \"shape\": 1}}",
                400,
                "HTTPBadRequest",
                "Unrecognized attribute(s) 'colour, shape'",
            ),
            Refused(
                "POST",
                "/networks",
                "{\"network\": {\"admin_state_up\": \"perhaps\"}}",
                400,
                "InvalidInput",
                "\'perhaps\' cannot be converted to boolean",
            ),
            Refused(
                "POST",
                "/networks",
                "{\"network\": {\"status\": \"DOWN\"}}",
                400,
                "HTTPBadRequest",
                "Attribute 'status' not allowed in POST",
            ),
            Refused(
                "POST",
                "/subnets",
                "{\"subnet\": {\"ip_version\": 4, \"cidr\": \"10.0.0.0/24\"}}",
                400,
                "HTTPBadRequest",
                "Failed to parse request. Required attribute 'network_id' not specified",
            ),
            Refused(
                "PUT",
                "/ports/{port}",
                "{\"port\": {\"network_id\": \"{net}\"}}",
                400,
                "HTTPBadRequest",
                "Cannot update read-only attribute network_id",
            ),
            Refused("GET", "/networks?colour=red", "", 400, "HTTPBadRequest", "colour"),
            Refused("GET", "/networks?limit=many", "", 400, "BadRequest", "limit"),
            Refused("GET", "/networks?sort_key=colour&sort_dir=asc", "", 400, "HTTPBadRequest", "colour"),
            Refused("GET", "/colours", "", 404, "HTTPNotFound", "The resource could not be found."),
            Refused("PATCH", "/networks", "{}", 405, "HTTPMethodNotAllowed", ""),
        ],
    )
}

#[test]
fn addresses_that_do_not_fit() -> Result<()> {
    let lab = Lab::start()?;
    lab.refuse(
        &lab.demo,
        &[
            Refused(
                "POST",
                "/subnets",
                "{\"subnet\": {\"network_id\": \"{net}\", \"ip_version\": 4, \"cidr\": \"10.5.0.128/25\"}}",
                400,
                "InvalidInput",
                "Requested subnet with cidr: 10.5.0.128/25 for network: {net} overlaps with another subnet",
            ),
            Refused(
                "POST",
                "/subnets",
                "{\"subnet\": {\"network_id\": \"{net}\", \"ip_version\": 4, \"cidr\": \"10.0.0.0/8\"}}",
                400,
                "InvalidInput",
                "overlaps with another subnet",
            ),
            Refused(
                "POST",
                "/subnets",
                "{\"subnet\": {\"network_id\": \"{net}\", \"ip_version\": 4, \"cidr\": \"10.8.0.300/24\"}}",
                400,
                "HTTPBadRequest",
                "Invalid input for cidr",
            ),
            Refused(
                "POST",
                "/subnets",
                "{\"subnet\": {\"network_id\": \"{net}\", \"ip_version\": 4, \"cidr\": \"10.8.0.0/24\", \
             \"allocation_pools\": [{\"start\": \"10.8.0.1\", \"end\": \"10.8.0.9\"}]}}",
                409,
                "GatewayConflictWithAllocationPools",
                "10.8.0.1",
            ),
            Refused(
                "POST",
                "/ports",
                "{\"port\": {\"network_id\": \"{net}\", \"fixed_ips\": [{\"ip_address\": \"192.0.2.1\"}]}}",
                400,
                "InvalidIpForNetwork",
                "192.0.2.1",
            ),
            Refused(
                "POST",
                "/ports",
                "{\"port\": {\"network_id\": \"{net}\", \"fixed_ips\": \
             [{\"subnet_id\": \"{subnet}\", \"ip_address\": \"10.6.0.9\"}]}}",
                400,
                "InvalidIpForSubnet",
                "10.6.0.9",
            ),
            Refused(
                "POST",
                "/ports",
                "{\"port\": {\"network_id\": \"{net}\", \"fixed_ips\": [{\"ip_address\": \"10.5.0.50\"}]}}",
                409,
                "IpAddressAlreadyAllocated",
                "10.5.0.50",
            ),
            Refused(
                "PUT",
                "/ports/{member}",
                "{\"port\": {\"fixed_ips\": [{\"ip_address\": \"10.5.0.50\"}]}}",
                409,
                "IpAddressAlreadyAllocated",
                "10.5.0.50",
            ),
            Refused(
                "POST",
                "/ports",
                "{\"port\": {\"network_id\": \"{net}\", \"mac_address\": \"fa:16\"}}",
                400,
                "HTTPBadRequest",
                "Invalid input for mac_address",
            ),
        ],
    )?;
    // Nothing was kept for the ports that were refused.
    let first = lab.demo.create("ports", "port", &json!({"network_id": lab.id("net")}))?;
    let expected = lab.demo.network("GET", &format!("/ports/{}", lab.id("member")), "")?.body();
    let of = |port: &Value| -> Option<u32> {
        let address: std::net::Ipv4Addr = port["fixed_ips"][0]["ip_address"].as_str()?.parse().ok()?;
        Some(address.to_bits())
    };
    assert_eq!(of(&first), of(&expected["port"]).map(|last| last + 1), "{first} after {expected}");
    Ok(())
}

#[test]
fn what_is_not_there_or_somebody_elses() -> Result<()> {
    let lab = Lab::start()?;
    let hidden = "could not be found";
    lab.refuse(
        &lab.demo,
        &[
            Refused(
                "GET",
                "/networks/{unknown}",
                "",
                404,
                "NetworkNotFound",
                "Network {unknown} could not be found",
            ),
            Refused("GET", "/subnets/{unknown}", "", 404, "SubnetNotFound", hidden),
            Refused("GET", "/ports/{unknown}", "", 404, "PortNotFound", hidden),
            Refused("GET", "/routers/{unknown}", "", 404, "RouterNotFound", hidden),
            Refused("GET", "/floatingips/{unknown}", "", 404, "FloatingIPNotFound", hidden),
            Refused("GET", "/security-groups/{unknown}", "", 404, "SecurityGroupNotFound", "does not exist"),
            Refused("DELETE", "/ports/{unknown}", "", 404, "PortNotFound", hidden),
            Refused("PUT", "/ports/{unknown}", "{\"port\": {\"name\": \"x\"}}", 404, "PortNotFound", hidden),
            Refused("GET", "/networks/{foreign}", "", 404, "NetworkNotFound", hidden),
            Refused(
                "PUT",
                "/networks/{foreign}",
                "{\"network\": {\"name\": \"x\"}}",
                404,
                "NetworkNotFound",
                hidden,
            ),
            Refused("DELETE", "/networks/{foreign}", "", 404, "NetworkNotFound", hidden),
            Refused("GET", "/subnets/{foreign-subnet}", "", 404, "SubnetNotFound", hidden),
            Refused("DELETE", "/ports/{foreign-port}", "", 404, "PortNotFound", hidden),
            Refused("DELETE", "/routers/{foreign-router}", "", 404, "RouterNotFound", hidden),
            Refused(
                "DELETE",
                "/security-groups/{foreign-group}",
                "",
                404,
                "SecurityGroupNotFound",
                "does not exist",
            ),
            Refused(
                "POST",
                "/ports",
                "{\"port\": {\"network_id\": \"{foreign}\"}}",
                404,
                "NetworkNotFound",
                "{foreign}",
            ),
            Refused(
                "POST",
                "/subnets",
                "{\"subnet\": {\"network_id\": \"{foreign}\", \"ip_version\": 4, \"cidr\": \"10.8.0.0/24\"}}",
                404,
                "NetworkNotFound",
                "{foreign}",
            ),
            Refused(
                "POST",
                "/ports",
                "{\"port\": {\"network_id\": \"{net}\", \"security_groups\": [\"{foreign-group}\"]}}",
                404,
                "SecurityGroupNotFound",
                "{foreign-group}",
            ),
            Refused(
                "PUT",
                "/routers/{router}/add_router_interface",
                "{\"subnet_id\": \"{foreign-subnet}\"}",
                404,
                "SubnetNotFound",
                "{foreign-subnet}",
            ),
            Refused(
                "POST",
                "/networks",
                "{\"network\": {\"shared\": true}}",
                403,
                "PolicyNotAuthorized",
                "is disallowed by policy",
            ),
            Refused(
                "POST",
                "/networks",
                "{\"network\": {\"provider:network_type\": \"vxlan\"}}",
                403,
                "PolicyNotAuthorized",
                "",
            ),
            Refused("DELETE", "/networks/{public}", "", 403, "PolicyNotAuthorized", "delete_network"),
            Refused(
                "POST",
                "/networks",
                "{\"network\": {\"project_id\": \"{unknown}\"}}",
                400,
                "HTTPBadRequest",
                "requires admin privileges",
            ),
        ],
    )
}

#[test]
fn what_is_in_use() -> Result<()> {
    let lab = Lab::start()?;
    lab.refuse(
        &lab.demo,
        &[
            Refused("DELETE", "/networks/{net}", "", 409, "NetworkInUse", "{net}"),
            Refused("DELETE", "/subnets/{subnet}", "", 409, "SubnetInUse", "{subnet}"),
            Refused("DELETE", "/ports/{interface}", "", 409, "ServicePortInUse", "{interface}"),
            Refused("DELETE", "/routers/{router}", "", 409, "RouterInUse", "{router}"),
            Refused("DELETE", "/security-groups/{group}", "", 409, "SecurityGroupInUse", "{group}"),
            Refused(
                "PUT",
                "/routers/{router}/remove_router_interface",
                "{\"subnet_id\": \"{subnet}\"}",
                409,
                "RouterInterfaceInUseByFloatingIP",
                "{router}",
            ),
            Refused(
                "PUT",
                "/routers/{router}/add_router_interface",
                "{\"subnet_id\": \"{subnet}\"}",
                400,
                "BadRequest",
                "Router already has a port on subnet {subnet}",
            ),
            Refused(
                "PUT",
                "/subnets/{subnet}",
                "{\"subnet\": {\"gateway_ip\": \"10.5.1.1\"}}",
                409,
                "GatewayIpInUse",
                "10.5.0.1",
            ),
            Refused(
                "POST",
                "/floatingips",
                "{\"floatingip\": {\"floating_network_id\": \"{public}\", \"port_id\": \"{port}\"}}",
                409,
                "FloatingIPPortAlreadyAssociated",
                "{public}",
            ),
            Refused(
                "POST",
                "/floatingips",
                "{\"floatingip\": {\"floating_network_id\": \"{net}\"}}",
                400,
                "BadRequest",
                "{net}",
            ),
        ],
    )?;
    let before = everything(&lab.admin, &lab.demo)?;
    let body = "{\"network\": {\"name\": \"late\"}}";
    let path = lab.fill("/networks/{net}");
    let reply = lab.demo.network_with("PUT", &path, &[("If-Match", "revision_number=99")], body)?;
    assert_eq!((reply.status, fault(&reply)?.0.as_str()), (412, "RevisionNumberConstraintFailed"));
    assert_eq!(everything(&lab.admin, &lab.demo)?, before);
    Ok(())
}

#[test]
fn over_quota_and_bulk_all_or_nothing() -> Result<()> {
    let lab = Lab::start()?;
    let quota = json!({"quota": {"network": 3, "port": 4, "subnet": 2, "security_group": 2}}).to_string();
    let reply = lab.admin.network("PUT", &format!("/quotas/{}", lab.demo.project), &quota)?;
    assert_eq!(reply.status, 200, "{}", reply.text);
    lab.refuse(
        &lab.demo,
        &[
            Refused(
                "POST",
                "/networks",
                "{\"networks\": [{\"name\": \"a\"}, {\"name\": \"b\"}, {\"name\": \"c\"}]}",
                409,
                "OverQuota",
                "Quota exceeded for resources: ['network'].",
            ),
            Refused(
                "POST",
                "/subnets",
                "{\"subnet\": {\"network_id\": \"{net}\", \"ip_version\": 4, \"cidr\": \"10.8.0.0/24\"}}",
                409,
                "OverQuota",
                "['subnet']",
            ),
            Refused(
                "POST",
                "/security-groups",
                "{\"security_group\": {\"name\": \"x\"}}",
                409,
                "OverQuota",
                "['security_group']",
            ),
            Refused(
                "POST",
                "/ports",
                "{\"ports\": [{\"network_id\": \"{net}\"}, {\"network_id\": \"{net}\"}]}",
                409,
                "OverQuota",
                "['port']",
            ),
            Refused(
                "POST",
                "/networks",
                "{\"networks\": [{\"name\": \"good\"}, {\"name\": \"bad\", \"mtu\": -1}]}",
                400,
                "HTTPBadRequest",
                "Invalid input for mtu",
            ),
        ],
    )?;
    // Two fit.
    let two = "{\"networks\": [{\"name\": \"a\"}, {\"name\": \"b\"}]}";
    assert_eq!(lab.demo.network("POST", "/networks", two)?.status, 201);
    Ok(())
}

#[test]
fn tokens_and_passwords_that_are_wrong() -> Result<()> {
    let lab = Lab::start()?;
    let mut nobody = lab.demo.clone();
    // In the middle: the last character holds bits that mean nothing.
    let (head, tail) = lab.demo.token.split_at(lab.demo.token.len() / 2);
    let other = if tail.starts_with('A') { "B" } else { "A" };
    let damaged = format!("{head}{other}{}", &tail[1..]);
    for token in ["", "nonsense", &damaged, &"x".repeat(100_000)] {
        token.clone_into(&mut nobody.token);
        let reply = nobody.network("GET", "/networks", "")?;
        if reply.status == 431 {
            continue;
        }
        assert_eq!(reply.status, 401, "{}", reply.text);
        let wanted = format!("Keystone uri=\"{}", nobody.identity);
        let offered = reply.headers.get("www-authenticate").cloned().unwrap_or_default();
        assert!(offered.starts_with(&wanted), "{offered}");
        let title = json!("Unauthorized");
        assert_eq!((&reply.body()["error"]["code"], &reply.body()["error"]["title"]), (&json!(401), &title));
    }
    let wrong = lab.demo.authenticate("demo", "wrong")?;
    let unknown = lab.demo.authenticate("nobody", "wrong")?;
    assert_eq!((wrong.status, unknown.status), (401, 401));
    assert_eq!(wrong.text, unknown.text, "whether a user exists must not show");
    for (body, status) in [("{", 400), ("{}", 400), ("{\"auth\": {\"identity\": {}}}", 400)] {
        let reply = lab.demo.identity("POST", "/v3/auth/tokens", body)?;
        assert_eq!(reply.status, status, "{body}: {}", reply.text);
        assert_eq!(reply.body()["error"]["code"], status, "{body}: {}", reply.text);
    }
    let long = lab.demo.authenticate("demo", &"x".repeat(1 << 20))?;
    assert!((400..500).contains(&long.status), "{}", long.status);
    Ok(())
}

#[test]
fn the_client_shows_what_is_wrong() -> Result<()> {
    let installation = Installation::start("none")?;
    let mut admin = Client::start(&installation, "isospin")?;
    let mut demo = Client::start(&installation, "isospin-demo")?;
    for line in ["network create net1", "subnet create --network net1 --subnet-range 10.5.0.0/24 subnet1"] {
        demo.ok(line)?;
    }
    admin.ok("network create foreign")?;
    admin.ok("quota set --networks 1 demo --force")?;
    for (line, expected) in [
        ("subnet create --network net1 --subnet-range 10.5.0.0/25 again", "overlaps with another subnet"),
        ("port create --network net1 --fixed-ip ip-address=10.6.0.1 p", "10.6.0.1"),
        ("port show 00000000-0000-4000-8000-000000000000", "No Port found"),
        ("network show foreign", "No Network found"),
        ("network create net2", "Quota exceeded for resources: ['network']"),
        ("router show nothing", "No Router found"),
    ] {
        let said = demo.refused(line)?;
        assert!(said.contains(expected), "openstack {line}: {said}");
    }
    Ok(())
}
