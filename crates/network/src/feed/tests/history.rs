//! Random histories, made through the API: what two hosts were told step by step
//! equals what the tables say they need, however the changes are cut into batches.

mod policies;

use isospin_store_kit::Engine;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::hub;
use super::super::session::compute;
use super::super::view::{Step, View};
use super::{Told, fresh, hello, join, roomy, tell};
use crate::feed::agents;
use crate::testing::TestApi;

/// Where ports may be; "" = nowhere. The first two are watched.
const HOSTS: [&str; 4] = ["h1", "h2", "h3", ""];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Network,
    External,
    Provider,
    Multi,
    Segment,
    DeleteSegment,
    ChangeNetwork,
    DeleteNetwork,
    Subnet,
    ChangeSubnet,
    DeleteSubnet,
    Port,
    BindPort,
    RegroupPort,
    PairPort,
    DeletePort,
    Group,
    DeleteGroup,
    Rule,
    RemoteRule,
    DeleteRule,
    AddressGroup,
    ChangeAddresses,
    AddressRule,
    DeleteAddressGroup,
    Router,
    Interface,
    Detach,
    Gateway,
    MoveRouter,
    DeleteRouter,
    FloatingIp,
    Associate,
    Disassociate,
    Forward,
    DeleteFloatingIp,
    Serve,
    Abandon,
    Tunnel,
    Policy,
    ChangeLimit,
    AskPolicy,
    Meter,
    MeterRule,
    DeleteMeter,
}

/// Kinds that lead somewhere more often than others.
const KINDS: &[Kind] = {
    use Kind::*;
    &[
        Network,
        Network,
        External,
        Provider,
        Multi,
        Multi,
        Segment,
        DeleteSegment,
        ChangeNetwork,
        DeleteNetwork,
        Subnet,
        Subnet,
        Subnet,
        ChangeSubnet,
        DeleteSubnet,
        Port,
        Port,
        Port,
        Port,
        Port,
        BindPort,
        BindPort,
        BindPort,
        RegroupPort,
        RegroupPort,
        PairPort,
        DeletePort,
        DeletePort,
        DeletePort,
        Group,
        Group,
        DeleteGroup,
        Rule,
        RemoteRule,
        RemoteRule,
        RemoteRule,
        DeleteRule,
        DeleteRule,
        AddressGroup,
        AddressGroup,
        ChangeAddresses,
        ChangeAddresses,
        AddressRule,
        AddressRule,
        DeleteAddressGroup,
        Router,
        Router,
        Interface,
        Interface,
        Detach,
        Gateway,
        MoveRouter,
        DeleteRouter,
        FloatingIp,
        FloatingIp,
        Associate,
        Associate,
        Forward,
        Forward,
        Disassociate,
        DeleteFloatingIp,
        Serve,
        Abandon,
        Tunnel,
        Policy,
        Policy,
        ChangeLimit,
        ChangeLimit,
        AskPolicy,
        AskPolicy,
        AskPolicy,
        Meter,
        MeterRule,
        DeleteMeter,
    ]
};

/// One change: what, and which of the objects there are.
#[derive(Debug, Clone, Copy)]
struct Change {
    kind: Kind,
    a: usize,
    b: usize,
}

/// Some changes, and how a host then hears of them: so many rows at a time, and from
/// so many versions before what it has seen.
#[derive(Debug, Clone)]
struct Episode {
    changes: Vec<Change>,
    rows: u32,
    repeated: u64,
}

fn episode() -> impl Strategy<Value = Episode> {
    let change = (prop::sample::select(KINDS), 0..64usize, 0..64usize);
    let change = change.prop_map(|(kind, a, b)| Change { kind, a, b });
    (prop::collection::vec(change, 1..10), prop::sample::select(&[1u32, 2, 5, 2000][..]), 0..6u64)
        .prop_map(|(changes, rows, repeated)| Episode { changes, rows, repeated })
}

/// Ids of what there is.
#[derive(Default)]
struct World {
    networks: Vec<String>,
    subnets: Vec<String>,
    ports: Vec<String>,
    groups: Vec<String>,
    rules: Vec<String>,
    address_groups: Vec<String>,
    routers: Vec<String>,
    floating_ips: Vec<String>,
    segments: Vec<String>,
    policies: Vec<String>,
    /// Paths of rules.
    limits: Vec<String>,
    meters: Vec<String>,
    made: usize,
}

fn pick(ids: &[String], at: usize) -> String {
    // Nothing has the other id, so the request is refused.
    let unknown = || crate::testing::NOWHERE.to_owned();
    ids.get(at % ids.len().max(1)).cloned().unwrap_or_else(unknown)
}

impl World {
    async fn change(&mut self, api: &TestApi, change: Change) {
        let Change { kind, a, b } = change;
        self.made += 1;
        let n = self.made;
        match kind {
            Kind::Network => {
                self.networks.extend(post(api, "networks", "network", json!({"name": "n"})).await)
            }
            Kind::External => {
                let object = json!({"router:external": true});
                self.networks.extend(post(api, "networks", "network", object).await);
            }
            Kind::Provider => {
                let object = json!({"router:external": a % 2 == 0, "provider:network_type": "flat",
                    "provider:physical_network": format!("physical{n}")});
                self.networks.extend(post(api, "networks", "network", object).await);
            }
            Kind::Multi => {
                // Only some hosts are on the first; all are on the second.
                let object = json!({"router:external": b % 3 == 0, "segments": [
                    {"provider:network_type": "flat", "provider:physical_network": format!("rack{}", a % 3)},
                    {"provider:network_type": "vxlan"}]});
                self.networks.extend(post(api, "networks", "network", object).await);
            }
            Kind::Segment => {
                let object = json!({"network_id": pick(&self.networks, a), "network_type": "vxlan"});
                self.segments.extend(post(api, "segments", "segment", object).await);
            }
            Kind::DeleteSegment => delete(api, "segments", &mut self.segments, a).await,
            Kind::ChangeNetwork => {
                let object = match b % 3 {
                    0 => json!({"router:external": a % 2 == 0}),
                    1 => json!({"name": format!("network{n}")}),
                    _ => json!({"admin_state_up": a % 2 == 0}),
                };
                put(api, &format!("networks/{}", pick(&self.networks, a)), "network", object).await;
            }
            Kind::DeleteNetwork => delete(api, "networks", &mut self.networks, a).await,
            Kind::Subnet => {
                let object = json!({"network_id": pick(&self.networks, a), "ip_version": 4,
                    "cidr": format!("10.{}.{}.0/24", n / 200, n % 200), "enable_dhcp": b % 3 != 0});
                self.subnets.extend(post(api, "subnets", "subnet", object).await);
            }
            Kind::ChangeSubnet => {
                let object = match b % 2 {
                    0 => json!({"dns_nameservers": [format!("192.0.2.{}", n % 250)]}),
                    _ => json!({"enable_dhcp": a % 2 == 0}),
                };
                put(api, &format!("subnets/{}", pick(&self.subnets, a)), "subnet", object).await;
            }
            Kind::DeleteSubnet => delete(api, "subnets", &mut self.subnets, a).await,
            Kind::Port | Kind::BindPort | Kind::RegroupPort | Kind::PairPort => self.port(api, change).await,
            Kind::DeletePort => delete(api, "ports", &mut self.ports, a).await,
            Kind::Group => {
                let object = json!({"name": "g", "stateful": a % 2 == 0});
                self.groups.extend(post(api, "security-groups", "security_group", object).await);
            }
            Kind::DeleteGroup => delete(api, "security-groups", &mut self.groups, a).await,
            Kind::Rule | Kind::RemoteRule => {
                let remote = (kind == Kind::RemoteRule).then(|| pick(&self.groups, b));
                let object = json!({"security_group_id": pick(&self.groups, a), "direction": "ingress",
                    "protocol": "tcp", "port_range_min": 1 + n, "port_range_max": 1 + n,
                    "remote_group_id": remote});
                self.rules.extend(post(api, "security-group-rules", "security_group_rule", object).await);
            }
            Kind::AddressGroup => {
                let object = json!({"addresses": [format!("10.{}.0.0/16", n % 200)]});
                self.address_groups.extend(post(api, "address-groups", "address_group", object).await);
            }
            Kind::ChangeAddresses => {
                let action = if b % 3 == 0 { "remove" } else { "add" };
                let path = format!("address-groups/{}/{action}_addresses", pick(&self.address_groups, a));
                ask(api, "PUT", &path, json!({"addresses": [format!("192.0.2.{}/32", b % 4)]})).await;
            }
            Kind::AddressRule => {
                let object = json!({"security_group_id": pick(&self.groups, a), "direction": "egress",
                    "remote_address_group_id": pick(&self.address_groups, b)});
                self.rules.extend(post(api, "security-group-rules", "security_group_rule", object).await);
            }
            Kind::DeleteAddressGroup => delete(api, "address-groups", &mut self.address_groups, a).await,
            Kind::DeleteRule => delete(api, "security-group-rules", &mut self.rules, a).await,
            Kind::Policy
            | Kind::ChangeLimit
            | Kind::AskPolicy
            | Kind::Meter
            | Kind::MeterRule
            | Kind::DeleteMeter => self.policies(api, change).await,
            _ => self.routing(api, change).await,
        }
    }

    async fn port(&mut self, api: &TestApi, Change { kind, a, b }: Change) {
        let mut groups: Vec<String> = match self.groups.len() {
            0 => Vec::new(),
            _ if b % 5 == 0 => Vec::new(),
            _ => [pick(&self.groups, b), pick(&self.groups, b / 3)].into(),
        };
        groups.dedup();
        let object = match kind {
            Kind::Port => {
                let object = json!({"network_id": pick(&self.networks, a), "security_groups": groups,
                    "binding:host_id": HOSTS[b % 4], "device_owner": "compute:x", "device_id": "d"});
                self.ports.extend(post(api, "ports", "port", object).await);
                return;
            }
            Kind::BindPort => json!({"binding:host_id": HOSTS[b % 4]}),
            Kind::RegroupPort => json!({"security_groups": groups}),
            _ => json!({"allowed_address_pairs": [{"ip_address": format!("10.99.0.{}", 1 + b)}]}),
        };
        put(api, &format!("ports/{}", pick(&self.ports, a)), "port", object).await;
    }

    async fn routing(&mut self, api: &TestApi, Change { kind, a, b }: Change) {
        let router = pick(&self.routers, a);
        match kind {
            Kind::Router => self.routers.extend(post(api, "routers", "router", json!({"name": "r"})).await),
            Kind::Interface | Kind::Detach => {
                let action = if kind == Kind::Detach { "remove" } else { "add" };
                let object = json!({"subnet_id": pick(&self.subnets, b)});
                ask(api, "PUT", &format!("routers/{router}/{action}_router_interface"), object).await;
            }
            Kind::Gateway => {
                let to = json!({"network_id": pick(&self.networks, b)});
                let gateway = if b % 4 == 0 { Value::Null } else { to };
                put(api, &format!("routers/{router}"), "router", json!({"external_gateway_info": gateway}))
                    .await;
            }
            Kind::MoveRouter => {
                for host in HOSTS {
                    if let Some(agent) = agent(api, "L3 agent", host).await {
                        ask(api, "DELETE", &format!("agents/{agent}/l3-routers/{router}"), Value::Null).await;
                    }
                }
                if let Some(agent) = agent(api, "L3 agent", HOSTS[b % 4]).await {
                    ask(api, "POST", &format!("agents/{agent}/l3-routers"), json!({"router_id": router}))
                        .await;
                }
            }
            Kind::DeleteRouter => delete(api, "routers", &mut self.routers, a).await,
            Kind::FloatingIp => {
                let object = json!({"floating_network_id": pick(&self.networks, a)});
                self.floating_ips.extend(post(api, "floatingips", "floatingip", object).await);
            }
            Kind::Associate | Kind::Disassociate => {
                let port = (kind == Kind::Associate).then(|| pick(&self.ports, b));
                let path = format!("floatingips/{}", pick(&self.floating_ips, a));
                put(api, &path, "floatingip", json!({"port_id": port})).await;
            }
            Kind::Forward => {
                let port = pick(&self.ports, b);
                let Some(found) = ask(api, "GET", &format!("ports/{port}"), Value::Null).await else {
                    return;
                };
                let object = json!({
                    "protocol": "tcp", "internal_port_id": port, "internal_port": 22, "external_port": 22 + b,
                    "internal_ip_address": found["port"]["fixed_ips"][0]["ip_address"],
                });
                let path = format!("floatingips/{}/port_forwardings", pick(&self.floating_ips, a));
                post(api, &path, "port_forwarding", object).await;
            }
            Kind::DeleteFloatingIp => delete(api, "floatingips", &mut self.floating_ips, a).await,
            Kind::Serve | Kind::Abandon => {
                let network = pick(&self.networks, a);
                let Some(agent) = agent(api, "DHCP agent", HOSTS[b % 4]).await else { return };
                let path = format!("agents/{agent}/dhcp-networks");
                match kind {
                    Kind::Serve => ask(api, "POST", &path, json!({"network_id": network})).await,
                    _ => ask(api, "DELETE", &format!("{path}/{network}"), Value::Null).await,
                };
            }
            Kind::Tunnel => {
                let address =
                    if b % 5 == 0 { String::new() } else { format!("192.0.2.{}", 10 * (a % 3) + b % 3 + 1) };
                let hello = hello(HOSTS[a % 3], &["l2"], &address);
                agents::register(&api.app, hello).await.expect("registered");
            }
            other => unreachable!("{other:?} is not about routing"),
        }
    }
}

/// Asks as the administrator. A refusal is an answer too; a failure is none.
async fn ask(api: &TestApi, method: &str, path: &str, body: Value) -> Option<Value> {
    let (status, _, answer) = api.request("admin", method, &format!("/v2.0/{path}"), body).await;
    assert!(status < 500, "{method} {path}: {answer}");
    (status < 300).then_some(answer)
}

async fn post(api: &TestApi, collection: &str, key: &str, object: Value) -> Option<String> {
    let answer = ask(api, "POST", collection, json!({ key: object })).await?;
    Some(answer[key]["id"].as_str().expect("an id").to_owned())
}

async fn put(api: &TestApi, path: &str, key: &str, object: Value) {
    ask(api, "PUT", path, json!({ key: object })).await;
}

async fn delete(api: &TestApi, collection: &str, ids: &mut Vec<String>, at: usize) {
    let id = pick(ids, at);
    if ask(api, "DELETE", &format!("{collection}/{id}"), Value::Null).await.is_some() {
        ids.retain(|known| *known != id);
    }
}

async fn agent(api: &TestApi, kind: &str, host: &str) -> Option<String> {
    let path = format!("agents?agent_type={}&host={host}&fields=id", kind.replace(' ', "%20"));
    let answer = ask(api, "GET", &path, Value::Null).await.expect("a list");
    if host.is_empty() { None } else { answer["agents"][0]["id"].as_str().map(str::to_owned) }
}

/// One host that follows.
struct Follower {
    host: &'static str,
    view: View,
    told: Told,
    seen: u64,
    /// Batches told without a new computation.
    steps: usize,
}

impl Follower {
    async fn new(api: &TestApi, host: &'static str) -> Self {
        let snapshot = compute(api.store(), host).await.expect("a snapshot");
        let mut view = View::new(host);
        let mut told = Told::new();
        let seen = snapshot.version;
        tell(&mut told, view.adopt(&snapshot));
        Self { host, view, told, seen, steps: 0 }
    }

    /// Reads as the hub does, and takes each batch as a session does.
    async fn follow(&mut self, api: &TestApi, rows: u32, repeated: u64) {
        let mut reader = api.store().reader().await.expect("a reader");
        let newest = *api.store().versions().borrow();
        let mut from = self.seen.saturating_sub(repeated);
        while let Some(batch) = hub::read(&mut reader, from, newest, rows).await.expect("changes") {
            from = batch.version;
            match self.view.step(&batch) {
                Step::Tell(difference) => {
                    self.steps += 1;
                    tell(&mut self.told, difference);
                }
                Step::Recompute => {
                    let snapshot = compute(api.store(), self.host).await.expect("a snapshot");
                    tell(&mut self.told, self.view.adopt(&snapshot));
                }
            }
        }
        self.seen = from.max(self.seen);
    }
}

async fn play(episodes: Vec<Episode>) -> usize {
    let api = roomy(Engine::Sqlite).await;
    for (n, host) in HOSTS[..3].iter().enumerate() {
        join(&api, host, &format!("192.0.2.{}", 10 * n + 1)).await;
        // Each is on two of three physical networks.
        let mut known = hello(host, &["l2"], &format!("192.0.2.{}", 10 * n + 1));
        known
            .bridge_mappings
            .extend([n % 3, (n + 1) % 3].map(|rack| (format!("rack{rack}"), "brrack".to_owned())));
        agents::register(&api.app, known).await.expect("registered");
    }
    let mut followers = [Follower::new(&api, "h1").await, Follower::new(&api, "h2").await];
    let mut world = World::default();
    for episode in &episodes {
        for change in &episode.changes {
            world.change(&api, *change).await;
        }
        for follower in &mut followers {
            follower.follow(&api, episode.rows, episode.repeated).await;
            let wanted = fresh(api.store(), follower.host).await;
            assert_eq!(follower.told, wanted, "{} after {episode:?}", follower.host);
        }
    }
    followers.iter().map(|follower| follower.steps).sum()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn what_a_host_is_told_is_what_it_needs(episodes in prop::collection::vec(episode(), 1..12)) {
        runtime().block_on(play(episodes));
    }
}

#[test]
fn most_changes_are_told_without_looking_at_everything_again() {
    let mut changes: Vec<Change> = [Kind::Network, Kind::Subnet, Kind::Group, Kind::RemoteRule]
        .into_iter()
        .map(|kind| Change { kind, a: 0, b: 0 })
        .collect();
    // Hosts and groups are taken in turn by the second number.
    changes.extend((1..40).map(|b| Change { kind: Kind::Port, a: 0, b }));
    let episodes: Vec<Episode> = changes
        .into_iter()
        .map(|change| Episode { changes: vec![change], rows: 2000, repeated: 0 })
        .collect();
    let steps = runtime().block_on(play(episodes));
    assert!(steps > 60, "only {steps} of about 90 batches were told step by step");
}

#[test]
fn needs_that_end_together_are_noticed() {
    let change = |kind, a, b| Change { kind, a, b };
    let all = |changes: Vec<Change>| Episode { changes, rows: 2000, repeated: 0 };
    let setup = vec![
        change(Kind::Network, 0, 0),
        change(Kind::Subnet, 0, 1),
        change(Kind::Group, 0, 0),
        change(Kind::RemoteRule, 0, 0),
        change(Kind::RemoteRule, 0, 0),
        change(Kind::Port, 0, 4),
        change(Kind::Port, 0, 8),
        change(Kind::Port, 0, 9),
    ];
    let setup = [setup, vec![change(Kind::AddressGroup, 0, 0), change(Kind::AddressRule, 0, 0)]].concat();
    let rules_go =
        vec![change(Kind::DeleteRule, 0, 0), change(Kind::DeleteRule, 0, 0), change(Kind::DeleteRule, 0, 0)];
    let ports_go = vec![change(Kind::DeletePort, 0, 0), change(Kind::DeletePort, 0, 0)];
    runtime().block_on(play(vec![all(setup), all(rules_go), all(ports_go)]));
}
