//! Carries out the plan of one router through the doors of the host. No
//! decisions but one: what still makes sense after a step has failed.

use std::collections::{BTreeMap, BTreeSet};

use isospin_host_io::{HostError, LinkChange, Links, Namespace, VethSpec, sysctl};
use isospin_types::RouterId;

use super::announce;
use super::flows;
use super::observe::Doors;
use super::owned;
use super::plan::Step;

/// What came of a plan.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Steps that changed the host.
    pub(super) changes: u64,
    /// First failure of what the whole router needs; nothing after it was tried.
    pub(super) fatal: Option<String>,
    /// First failure of each device; its later steps were not tried.
    pub(super) devices: BTreeMap<String, String>,
    /// Failures of anything else.
    pub(super) others: Vec<String>,
    /// Devices made anew.
    pub(super) made: BTreeSet<String>,
}

impl Outcome {
    /// All failures on one line; `None` when there are none.
    pub(super) fn failure(&self) -> Option<String> {
        let all: Vec<&str> =
            self.fatal.iter().chain(self.devices.values()).chain(&self.others).map(String::as_str).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// Carries out `steps`. `doors` is filled when a step makes the namespace.
pub(super) async fn apply(
    router: RouterId,
    steps: Vec<Step>,
    host: &Links,
    doors: &mut Option<Doors>,
) -> Outcome {
    let mut outcome = Outcome::default();
    for step in steps {
        if step.device().is_some_and(|device| outcome.devices.contains_key(device)) {
            continue;
        }
        let change = step.is_change();
        match one(router, &step, host, doors).await {
            Ok(()) => {
                outcome.changes += u64::from(change);
                if let Step::CreatePair { device, .. } = step {
                    outcome.made.insert(device);
                }
            }
            Err(error) => {
                tracing::warn!(%router, step = step.name(), error = %error.reason(), "a step failed");
                if note(&mut outcome, &step, error.reason()) {
                    break;
                }
            }
        }
    }
    outcome
}

/// Notes a failure; true when the rest of the plan must not be tried: without
/// namespace, settings and rules no traffic may flow.
fn note(outcome: &mut Outcome, step: &Step, reason: String) -> bool {
    match step {
        Step::CreateNamespace | Step::Claim(_) | Step::Settings(_) | Step::Rules(_) | Step::Scopes(_) => {
            outcome.fatal = Some(reason);
            true
        }
        // Neighbours find the address by asking.
        Step::Announce { .. } => false,
        // One route that leads nowhere does not spoil its device, and one helper or limit the
        // kernel lacks not the router.
        Step::PutRoute(_)
        | Step::RemoveRoute(_)
        | Step::ForgetFlows(_)
        | Step::Helper(_)
        | Step::Qos(_)
        | Step::Metering(_) => {
            outcome.others.push(reason);
            false
        }
        other => {
            outcome.devices.extend(other.device().map(|device| (device.to_owned(), reason)));
            false
        }
    }
}

async fn one(
    router: RouterId,
    step: &Step,
    host: &Links,
    doors: &mut Option<Doors>,
) -> Result<(), HostError> {
    if matches!(step, Step::CreateNamespace) {
        let name = owned::namespace_name(router);
        let made = tokio::task::spawn_blocking(move || Namespace::create(&name)).await;
        let lost = |_| HostError::Lost { namespace: owned::namespace_name(router) };
        *doors = Some(Doors::open(made.map_err(lost)??).await?);
        return Ok(());
    }
    let Some(doors) = doors else {
        return Err(HostError::Lost { namespace: owned::namespace_name(router) });
    };
    match step {
        Step::CreateNamespace => Ok(()),
        Step::Claim(mark) => {
            let change = LinkChange { alias: Some(mark.clone()), up: Some(true), ..LinkChange::default() };
            doors.links.set("lo", &change).await
        }
        Step::Settings(settings) => settings_that_exist(doors, settings).await,
        Step::Rules(script)
        | Step::Scopes(script)
        | Step::Helper(script)
        | Step::Qos(script)
        | Step::Metering(script) => doors.nft.apply(script).await,
        Step::RemovePair { device, tap } => {
            host.delete(tap).await?;
            doors.links.delete(device).await
        }
        Step::CreatePair { device, tap, mac, mtu } => {
            let spec = VethSpec {
                name: tap.clone(),
                mac: None,
                mtu: Some(*mtu),
                alias: None,
                peer_name: device.clone(),
                peer_mac: Some(*mac),
                peer_namespace: Some(doors.namespace.clone()),
            };
            host.create_veth(&spec).await?;
            host.set(tap, &LinkChange { up: Some(true), ..LinkChange::default() }).await
        }
        Step::Resize { device, tap, mtu } => {
            let change = LinkChange { mtu: Some(*mtu), ..LinkChange::default() };
            host.set(tap, &change).await?;
            doors.links.set(device, &change).await
        }
        Step::DeviceSetting { key, value, .. } => {
            settings_that_exist(doors, &[(key.clone(), value.clone())]).await
        }
        Step::RemoveAddress { device, net } => doors.links.delete_address(device, *net).await,
        Step::AddAddress { device, net } => doors.links.add_address(device, *net).await,
        Step::SetUp { device } => {
            doors.links.set(device, &LinkChange { up: Some(true), ..LinkChange::default() }).await
        }
        Step::RemoveRoute(route) => doors.links.delete_route(route).await,
        Step::PutRoute(route) => doors.links.replace_route(route).await,
        Step::ForgetFlows(nat) => {
            let nat = nat.clone();
            doors.conntrack.delete_where(move |flow| flows::contradicts(&nat, flow)).await.map(|_| ())
        }
        Step::Announce { device, mac, addresses } => {
            announce::announce(&doors.place(), device, *mac, addresses.clone()).await
        }
    }
}

/// Kernels without IPv6 or connection tracking lack settings and need none.
async fn settings_that_exist(doors: &Doors, settings: &[(String, String)]) -> Result<(), HostError> {
    let keys: Vec<String> = settings.iter().map(|(key, _)| key.clone()).collect();
    let values = sysctl::get_all(&doors.place(), &keys).await?;
    let known = settings.iter().zip(values).filter(|(_, value)| value.is_some());
    let known: Vec<_> = known.map(|(setting, _)| setting.clone()).collect();
    sysctl::set_all(&doors.place(), &known).await.map(|_| ())
}

impl Step {
    /// The inner device a step is about.
    fn device(&self) -> Option<&str> {
        match self {
            Self::RemovePair { device, .. }
            | Self::CreatePair { device, .. }
            | Self::Resize { device, .. }
            | Self::DeviceSetting { device, .. }
            | Self::RemoveAddress { device, .. }
            | Self::AddAddress { device, .. }
            | Self::SetUp { device }
            | Self::Announce { device, .. } => Some(device),
            Self::PutRoute(route) | Self::RemoveRoute(route) => route.link.as_deref(),
            Self::CreateNamespace
            | Self::Claim(_)
            | Self::Settings(_)
            | Self::Rules(_)
            | Self::Helper(_)
            | Self::Scopes(_)
            | Self::Qos(_)
            | Self::Metering(_)
            | Self::ForgetFlows(_) => None,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::CreateNamespace => "create namespace",
            Self::Claim(_) => "mark namespace",
            Self::Settings(_) => "kernel settings",
            Self::Rules(_) => "rules",
            Self::Helper(_) => "conntrack helper",
            Self::Scopes(_) => "address scopes",
            Self::Qos(_) => "limits",
            Self::Metering(_) => "counters",
            Self::RemovePair { .. } => "remove device",
            Self::CreatePair { .. } => "create device",
            Self::Resize { .. } => "set MTU",
            Self::DeviceSetting { .. } => "device setting",
            Self::RemoveAddress { .. } => "remove address",
            Self::AddAddress { .. } => "add address",
            Self::SetUp { .. } => "set up",
            Self::RemoveRoute(_) => "remove route",
            Self::PutRoute(_) => "add route",
            Self::ForgetFlows(_) => "forget connections",
            Self::Announce { .. } => "announce",
        }
    }
}
