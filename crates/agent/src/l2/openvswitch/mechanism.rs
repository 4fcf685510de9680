//! The "l2" mechanism of a host with Open vSwitch.
//!
//! One pass: look, change the flows of each bridge in one bundle, then the rows of the
//! database: a switch that makes a device of a port takes no flows meanwhile. A port without
//! flows is closed, so the order cannot leave one open; one that is to come has its flows before
//! ([`super::numbers`]). The number the switch gives a port wakes the next pass, for which the
//! port is up; one it cannot take stays without and holds up no other (N30).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use isospin_feed::facts::{FactKey, Facts, Port};
use isospin_host_io::openflow::Layers;
use isospin_host_io::{HostError, Link, LinkChange, Links, Nft, Place, Switch, sysctl};
use isospin_types::{NetworkId, SecurityGroupRuleId};

use super::flows::{self, Numbered, View};
use super::guard;
use super::hybrid::{self, Hybrid};
use super::intent::{self, Intent};
use super::items::{items, left_out, rule_failed};
use super::layers::{Layer, Made};
use super::names::{self, HybridNames};
use super::numbers::numbers;
use super::observe::Observed;
use super::plan;
use super::programmer::{COOKIE, Limited, Programmer};
use super::shaping::Shaping;
use super::tunnels;
use super::watch::Database;
use super::{OpenVSwitchConfig, SwitchFirewall};
use crate::config::AgentConfig;
use crate::converge::{Item, ItemState, Mechanism, PassReport, Scope};
use crate::firewall::openflow::inexpressible;
use crate::firewall::policy::{Folds, Kept, Policy};
use crate::host_notices::HostNotices;
use crate::l2::barrier::{self, Barrier, Side};
use crate::l2::{Wiring as _, failed, masquerade};

/// Local VLANs (reference/agents-and-dataplane §2.2).
const VLANS: std::ops::RangeInclusive<u16> = 1..=4094;

/// Devices looked at one by one; when more have changed, all are listed at once.
const FEW: usize = 32;

/// Switches, tunnels and ports, and their flows.
pub struct OpenVSwitch {
    config: AgentConfig,
    switch: OpenVSwitchConfig,
    place: Place,
    notices: HostNotices,
    links: Option<Links>,
    database: Option<Database>,
    programmer: Programmer,
    integration: Made<flows::Part>,
    tunnels: Made<tunnels::Part>,
    folds: Folds,
    /// Rules that no flow can say; `None` while nothing is known of what the facts were.
    inexpressible: Option<BTreeMap<SecurityGroupRuleId, String>>,
    nft: Nft,
    guarded: Option<guard::Rules>,
    /// With a switch in userspace only.
    early: Option<guard::Early>,
    /// Devices of the host, and what the barrier is at them.
    devices: Option<(BTreeMap<String, Link>, Barrier)>,
    /// Those of ports that give themselves no addresses, with their numbers.
    silent: BTreeMap<String, u32>,
    /// Where flows do not filter.
    hybrid: Option<Hybrid>,
}

impl OpenVSwitch {
    /// For a host that is a namespace, or this one.
    #[must_use]
    pub fn at(config: &AgentConfig, switch: &OpenVSwitchConfig, place: Place, notices: HostNotices) -> Self {
        Self {
            config: config.clone(),
            programmer: Programmer::new(
                Switch::open(&switch.run_dir),
                &switch.integration_bridge,
                notices.clone(),
            ),
            switch: switch.clone(),
            hybrid: (switch.firewall == SwitchFirewall::Hybrid).then(|| Hybrid::open(place.clone())),
            nft: Nft::open(place.clone()),
            place,
            notices,
            links: None,
            database: None,
            folds: Folds::default(),
            integration: Made::default(),
            tunnels: Made::default(),
            inexpressible: None,
            guarded: None,
            early: None,
            devices: None,
            silent: BTreeMap::new(),
        }
    }

    async fn run(&mut self, facts: &Facts, scope: &Scope, may_sweep: bool) -> Result<PassReport, HostError> {
        let mut report = PassReport::default();
        let observed = self.look(scope).await?;
        let switch = self.switch.clone();
        let intent = intent::of(facts, &self.config, &switch);
        report.changes += self.silence(&intent).await?;
        let vlans = vlans(&intent, &observed.vlans());
        let numbers = numbers(&intent, &observed, &switch.integration_bridge);
        let plan = plan::plan(&intent, &observed, &switch, (&vlans, &numbers), may_sweep);
        self.folds.look(facts, scope.facts());
        // Before the switch lets anything pass.
        let bridges = self.bridges(facts, scope, may_sweep, &mut report).await?;
        let policy = self.policy(facts, &intent);
        let begun = Instant::now();
        // Before anything that waits for the switch: it may hang.
        let guarded = self.guard(&intent, &observed, (scope, may_sweep), bridges.sides).await?;
        report.changes += guarded.changes;
        // No facts have come yet: flows of an earlier life go on carrying its ports.
        let fresh = !may_sweep && facts.ports.is_empty();
        let mut shaping = Shaping::of(facts, &intent);
        let limited = match fresh || observed.ofport(&switch.integration_bridge).is_none() {
            true => Some(Limited::default()),
            false => self.programmer.limit(shaping.meters.clone()).await?,
        };
        let unlimited = limited.as_ref().map(|limited| shaping.without(&limited.refused)).unwrap_or_default();
        let view = View {
            intent: &intent,
            observed: &observed,
            switch: &switch,
            vlans: &vlans,
            numbers: &numbers,
            policy: &policy,
            shaping: &shaping,
        };
        let numbered = view.numbered();
        if !fresh {
            let told = self.tell(&view, &numbered, facts, limited).await?;
            report.goes_on = told.is_none();
            report.changes += told.unwrap_or_default();
        }
        let failures = self.open(&intent, &mut report.changes).await?;
        self.change_rows(plan, &mut report).await?;
        report.changes += self.addresses(&observed).await?;
        report.applying += begun.elapsed();
        report.retry |= guarded.retry || !failures.is_empty();
        report.items = items(&view, &numbered, &failures, &unlimited);
        if report.goes_on {
            // The switch is still to be told: nobody knows what is up or down.
            report.items.retain(|item| matches!(item.state, ItemState::Failed(_)));
        }
        report.items.extend(match &bridges.policy {
            Some(policy) => left_out(policy),
            None => self.refused(facts, &policy, scope),
        });
        if let Some(database) = &mut self.database {
            database.give_back(observed);
        }
        Ok(report)
    }

    /// Changes the database. What it is then, and what the switch makes of it, comes as an
    /// event, for which the next pass looks at the ports that are new.
    async fn change_rows(&self, plan: plan::Plan, report: &mut PassReport) -> Result<(), HostError> {
        if plan.changes == 0 {
            return Ok(());
        }
        if let Some(database) = &self.database {
            database.ovsdb.transact(plan.operations).await?;
        }
        report.changes += plan.changes;
        report.swept += plan.swept;
        Ok(())
    }

    /// The host as it is.
    async fn look(&mut self, scope: &Scope) -> Result<Observed, HostError> {
        let links = match &self.links {
            Some(links) => links.clone(),
            None => self.links.insert(Links::open(&self.place).await?).clone(),
        };
        if self.hears_taps() && self.early.as_ref().is_none_or(guard::Early::is_over) {
            self.early = Some(guard::Early::watch(&links, self.nft.clone()).await?);
        }
        if self.database.as_ref().is_none_or(|database| database.ovsdb.has_ended()) {
            self.database = None;
            let socket = self.switch.run_dir.join("db.sock");
            self.database = Some(Database::open(socket, self.notices.clone()).await?);
        }
        if *scope == Scope::Everything {
            self.silent.clear();
            self.programmer.doubt();
        }
        self.look_at_devices(&links, scope).await?;
        let devices = self.devices.iter().flat_map(|(present, _)| present.keys().cloned()).collect();
        Ok(match &mut self.database {
            Some(database) => database.look(devices),
            None => Observed { devices, ..Observed::default() },
        })
    }

    /// Devices, and the filters at them: all, or those that changed.
    async fn look_at_devices(&mut self, links: &Links, scope: &Scope) -> Result<(), HostError> {
        if let (Some((present, barrier)), Scope::Touched { links: touched, .. }) = (&mut self.devices, scope)
            && touched.len() <= FEW
        {
            for name in touched {
                let link = links.get(name).await?;
                barrier.read_device(links, name, link.as_ref()).await?;
                match link {
                    Some(link) => present.insert(name.clone(), link),
                    None => present.remove(name),
                };
            }
            return Ok(());
        }
        let listed = links.list().await?;
        let present = listed.into_iter().map(|link| (link.name.clone(), link)).collect();
        let barrier = Barrier::read(links, &present).await?;
        self.devices = Some((present, barrier));
        Ok(())
    }

    /// The firewall of bridges between taps and the switch, where there are such.
    async fn bridges(
        &mut self,
        facts: &Facts,
        scope: &Scope,
        may_sweep: bool,
        report: &mut PassReport,
    ) -> Result<Bridges, HostError> {
        let (Some(hybrid), Some((present, _))) = (&mut self.hybrid, &self.devices) else {
            return Ok(Bridges::default());
        };
        let how = (&self.config, &mut self.folds);
        let policy = hybrid.keep(facts, how, present, (scope, may_sweep), report).await?;
        let sides = policy.as_deref().map(|policy| hybrid::sides(policy, facts)).unwrap_or_default();
        Ok(Bridges { policy, sides })
    }

    /// What flows must let through; the switch is one bridge, its networks are not.
    fn policy(&mut self, facts: &Facts, intent: &Intent) -> Arc<Policy> {
        if self.hybrid.is_some() {
            return Arc::new(hybrid::carried(intent));
        }
        let bridge_of =
            |port: &Port| intent.networks.contains_key(&port.network_id).then(|| port.network_id.to_string());
        let (foreign, kept) = (BTreeSet::new(), Kept::default());
        Arc::new(Policy::of(facts, &self.config, bridge_of, foreign, &kept, &mut self.folds))
    }

    fn flows(
        &mut self,
        view: &View<'_>,
        numbered: &[Numbered],
        facts: &Facts,
    ) -> BTreeMap<String, Layers<Layer>> {
        let integration = self.integration.layers(flows::integration(view, numbered));
        let mut wanted = BTreeMap::from([(self.switch.integration_bridge.clone(), integration)]);
        if self.config.tunnel_ip.is_some() {
            let answers_nd = self.switch.is_in_userspace();
            let tunnel = self.tunnels.layers(tunnels::tunnel(view, facts, COOKIE, answers_nd));
            wanted.insert(self.switch.tunnel_bridge.clone(), tunnel);
        }
        for physical in self.config.physical_networks.values() {
            let flows = Arc::new(flows::physical(view, &physical.bridge));
            wanted.insert(physical.bridge.clone(), Layers(BTreeMap::from([(Layer::Base, flows)])));
        }
        wanted
    }

    /// Tells the switch the flows, once it has the meters they name; how many of both changed,
    /// `None` when it needs longer.
    async fn tell(
        &mut self,
        view: &View<'_>,
        numbered: &[Numbered],
        facts: &Facts,
        limited: Option<Limited>,
    ) -> Result<Option<u64>, HostError> {
        let Some(limited) = limited else { return Ok(None) };
        let mut wanted = self.flows(view, numbered, facts);
        // The switch has not made the others yet; their numbers will come as events.
        wanted.retain(|bridge, _| view.observed.ofport(bridge).is_some());
        let changed = self.programmer.program(wanted, limited.obsolete).await?;
        Ok(changed.map(|changed| changed + limited.changes))
    }

    /// Rules that were left out, each with the reason.
    fn refused(&mut self, facts: &Facts, policy: &Policy, scope: &Scope) -> Vec<Item> {
        let beyond = match (&mut self.inexpressible, scope.facts()) {
            (Some(known), Some(touched)) => {
                for key in touched {
                    let FactKey::SecurityGroupRule(id) = key else { continue };
                    match facts.security_group_rules.get(id).and_then(|rule| inexpressible(rule)) {
                        Some(reason) => known.insert(*id, reason),
                        None => known.remove(id),
                    };
                }
                known
            }
            (known, _) => {
                let rules = facts.security_group_rules.values();
                known.insert(rules.filter_map(|rule| Some((rule.id, inexpressible(rule)?))).collect())
            }
        };
        let beyond = beyond.iter().map(|(id, reason)| rule_failed(*id, reason.clone()));
        left_out(policy).into_iter().chain(beyond).collect()
    }

    /// Keeps devices of ports from giving the host an address in the port's network. Each
    /// such address is a route more, for which a switch in userspace reads all routes
    /// again, and knows no way into a tunnel meanwhile.
    async fn silence(&mut self, intent: &Intent) -> Result<u64, HostError> {
        let Some((present, _)) = &self.devices else { return Ok(0) };
        self.silent.retain(|name, index| present.get(name).is_some_and(|link| link.index == *index));
        let devices = intent.taps.iter().map(|(id, tap)| (id, &tap.device)).chain(&intent.closed);
        let is_hybrid = self.hybrid.is_some();
        let loud: BTreeMap<String, u32> = devices
            .flat_map(|(id, device)| {
                let before_switch = is_hybrid.then(|| HybridNames::of(*id).before_switch());
                before_switch.into_iter().flatten().chain([device.clone()])
            })
            .filter(|name| !self.silent.contains_key(name))
            .filter_map(|name| present.get(&name).map(|link| link.index).map(|index| (name, index)))
            .collect();
        let mut changes = 0;
        for name in loud.keys() {
            // A kernel without IPv6 has no such setting, and one that has gone needs none.
            let silenced = sysctl::set(&self.place, &format!("net/ipv6/conf/{name}/disable_ipv6"), "1").await;
            changes += u64::from(silenced.unwrap_or(false));
        }
        self.silent.extend(loud);
        Ok(changes)
    }

    /// Sizes and opens devices. Those a switch in userspace will read hear what is for others
    /// from then on, as it would have it: each device it changes itself makes it look at all of
    /// them once more.
    async fn open(
        &mut self,
        intent: &Intent,
        changes: &mut u64,
    ) -> Result<BTreeMap<String, String>, HostError> {
        let mut failures = BTreeMap::new();
        let hears_taps = self.hears_taps();
        let (Some(links), Some((present, _))) = (&self.links, &mut self.devices) else { return Ok(failures) };
        for tap in intent.taps.values() {
            let Some(link) = present.get_mut(&tap.device) else { continue };
            let change = LinkChange {
                mtu: (link.mtu != tap.mtu).then_some(tap.mtu),
                up: (!link.up).then_some(true),
                promiscuous: (!link.up && hears_taps).then_some(true),
                ..LinkChange::default()
            };
            if change == LinkChange::default() {
                continue;
            }
            match links.set(&tap.device, &change).await {
                Ok(()) => {
                    (link.mtu, link.up) = (tap.mtu, true);
                    *changes += 1;
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => {
                    failures.insert(tap.device.clone(), error.reason());
                }
            }
        }
        Ok(failures)
    }

    /// Addresses of the host on bridges of physical networks.
    async fn addresses(&self, observed: &Observed) -> Result<u64, HostError> {
        let Some(links) = &self.links else { return Ok(0) };
        let mut changes = sysctl::set_all(&self.place, &masquerade::settings(&self.config)).await?;
        for physical in self.config.physical_networks.values().filter(|it| !it.addresses.is_empty()) {
            // Its device follows the row of the bridge.
            if !observed.devices.contains(&physical.bridge) {
                continue;
            }
            let present: BTreeSet<_> = links
                .addresses(Some(physical.bridge.as_str()))
                .await?
                .into_iter()
                .map(|held| held.net)
                .collect();
            for net in physical.addresses.iter().filter(|net| !present.contains(*net)) {
                links.add_address(&physical.bridge, *net).await?;
                changes += 1;
            }
            let link = links.get(&physical.bridge).await?;
            if link.is_some_and(|link| !link.up) {
                links.set(&physical.bridge, &LinkChange { up: Some(true), ..LinkChange::default() }).await?;
                changes += 1;
            }
        }
        Ok(changes)
    }

    /// Whether the host's own IP hears taps, whatever the switch does. Those before a kernel
    /// bridge are for its firewall.
    fn hears_taps(&self) -> bool {
        self.switch.is_in_userspace() && self.hybrid.is_none()
    }

    /// Rules of the host's own IP.
    async fn guard(
        &mut self,
        intent: &Intent,
        observed: &Observed,
        (scope, may_sweep): (&Scope, bool),
        sides: BTreeMap<String, Side>,
    ) -> Result<PassReport, HostError> {
        let taps = intent.taps.values().filter(|tap| tap.carrier.is_none()).map(|tap| tap.device.clone());
        let taps = taps.chain(intent.closed.values().cloned());
        let ports = observed.ports.values().filter(|port| port.kind.is_empty()).map(|port| port.name.clone());
        let in_userspace = self.switch.is_in_userspace();
        // Taps no fact has come for.
        let unknown = observed.devices.iter().filter(|name| self.hears_taps() && names::is_tap(name));
        let devices = taps.chain(ports).chain(unknown.cloned());
        let devices: BTreeSet<String> = devices.filter(|_| in_userspace).collect();
        let rules = guard::Rules::new(devices.clone(), &masquerade::rules(&self.config));
        let held = self.guarded.take().filter(|_| *scope != Scope::Everything);
        let is_right = match &held {
            Some(held) => *held == rules,
            None => rules.are_present(&self.nft).await?,
        };
        match held {
            _ if is_right => {}
            Some(held) => rules.apply_since(&held, &self.nft).await?,
            None => rules.apply(&self.nft).await?,
        }
        self.guarded = Some(rules);
        let deaf = self.bar(&devices, sides, may_sweep).await?;
        Ok(PassReport {
            changes: u64::from(!is_right) + deaf.changes,
            retry: deaf.retry,
            ..PassReport::default()
        })
    }

    /// The same beside nftables: what a switch in userspace reads, the kernel does not hear.
    async fn bar(
        &mut self,
        devices: &BTreeSet<String>,
        mut wanted: BTreeMap<String, Side>,
        may_sweep: bool,
    ) -> Result<barrier::Outcome, HostError> {
        let (Some(links), Some((present, barrier))) = (&self.links, &mut self.devices) else {
            return Ok(barrier::Outcome::default());
        };
        wanted.extend(devices.iter().map(|device| (device.clone(), Side::Switched)));
        barrier.read_rules(links).await?;
        Ok(barrier.keep(links, present, &wanted, may_sweep).await)
    }
}

/// The local VLAN of each network: the one it has, else the lowest free.
pub(super) fn vlans(intent: &Intent, kept: &BTreeMap<NetworkId, u16>) -> BTreeMap<NetworkId, u16> {
    let mut taken: BTreeSet<u16> = BTreeSet::new();
    let mut vlans = BTreeMap::new();
    for id in intent.networks.keys() {
        if let Some(vlan) = kept.get(id).filter(|vlan| VLANS.contains(vlan) && taken.insert(**vlan)) {
            vlans.insert(*id, *vlan);
        }
    }
    for id in intent.networks.keys() {
        if !vlans.contains_key(id)
            && let Some(vlan) = VLANS.into_iter().find(|vlan| taken.insert(*vlan))
        {
            vlans.insert(*id, vlan);
        }
    }
    vlans
}

impl Mechanism for OpenVSwitch {
    fn party(&self) -> &'static str {
        "l2"
    }

    fn pass<'a>(
        &'a mut self,
        facts: &'a Facts,
        scope: &'a Scope,
        may_sweep: bool,
    ) -> BoxFuture<'a, PassReport> {
        async move {
            match self.run(facts, scope, may_sweep).await {
                Ok(report) => report,
                Err(error) => {
                    // Nothing remembered can be trusted; the switch keeps what it has.
                    self.programmer.doubt();
                    self.folds.forget();
                    self.inexpressible = None;
                    self.devices = None;
                    if let Some(hybrid) = &mut self.hybrid {
                        hybrid.forget();
                    }
                    failed(facts, &self.config, &error)
                }
            }
        }
        .boxed()
    }
}

/// The firewall beside the switch.
#[derive(Debug, Default)]
struct Bridges {
    policy: Option<Arc<Policy>>,
    sides: BTreeMap<String, Side>,
}
