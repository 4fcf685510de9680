//! One router through observe, plan and apply, and its end.

use std::collections::BTreeMap;

use isospin_feed::facts::FactKey;
use isospin_host_io::{HostError, Links, Namespace};
use isospin_types::{MeteringLabelId, RouterId};

use super::advertise::Advertiser;
use super::apply::{self, Outcome};
use super::intent::RouterIntent;
use super::metering::Count;
use super::observe::{self, Doors, Observed};
use super::owned;
use super::plan::{self, Step};
use crate::converge::{Item, ItemState};
use crate::status::Metered;

/// What the agent keeps of a router between passes. Losing it costs time only.
#[derive(Debug, Default)]
pub(super) struct Running {
    doors: Option<Doors>,
    /// The intent the host was last made equal to; `None` after a failure, and
    /// as long as things nobody wants may not go.
    applied: Option<RouterIntent>,
    /// By device.
    advertisers: BTreeMap<String, Advertiser>,
    /// What was counted under each label, when it was last looked at.
    counts: BTreeMap<MeteringLabelId, Count>,
}

/// What all routers of a pass share.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// Where the host's ends of pairs are.
    pub(super) links: Links,
    /// Devices there, by name, with their MTU.
    pub(super) taps: BTreeMap<String, u32>,
    pub(super) mark: String,
    /// Whether things nobody wants may go.
    pub(super) may_remove: bool,
}

/// What came of looking at a router.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) changes: u64,
    pub(super) items: Vec<Item>,
    pub(super) retry: bool,
}

impl Running {
    /// Whether the router was made equal to `intent` and its namespace is still
    /// the one that was made.
    pub(super) fn is_settled(&self, intent: &RouterIntent) -> bool {
        let inode = self.doors.as_ref().map(|doors| doors.namespace.inode());
        self.applied.as_ref() == Some(intent)
            && inode == Namespace::current_inode(&owned::namespace_name(intent.id))
            && !self.advertisers.values().any(Advertiser::has_failed)
    }

    /// What was counted for this router, when it was last looked at.
    pub(super) fn metered(&self, router: RouterId) -> impl Iterator<Item = Metered> {
        self.counts.iter().map(move |(label, count)| Metered {
            router: router.to_string(),
            label: label.to_string(),
            packets: count.packets,
            bytes: count.bytes,
        })
    }

    /// Opens the doors into the namespace that is there now. Those into one that
    /// was deleted are closed, which lets it end.
    async fn refresh_doors(&mut self, id: RouterId) -> Result<(), HostError> {
        let now = Namespace::open(&owned::namespace_name(id))?;
        let known = self.doors.as_ref().map(|doors| doors.namespace.inode());
        if now.as_ref().map(Namespace::inode) == known {
            return Ok(());
        }
        self.advertisers.clear();
        self.doors = match now {
            Some(namespace) => Some(Doors::open(namespace).await?),
            None => None,
        };
        Ok(())
    }
}

/// Makes the router what `intent` says.
pub(super) async fn converge(
    mut running: Running,
    intent: RouterIntent,
    around: &Surroundings,
) -> (Running, Looked) {
    let outcome = match make_equal(&mut running, &intent, around).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome { fatal: Some(error.reason()), ..Outcome::default() },
    };
    let failure = outcome.failure();
    let looked =
        Looked { changes: outcome.changes, items: items(&intent, &outcome), retry: failure.is_some() };
    running.applied = (failure.is_none() && around.may_remove).then_some(intent);
    (running, looked)
}

async fn make_equal(
    running: &mut Running,
    intent: &RouterIntent,
    around: &Surroundings,
) -> Result<Outcome, HostError> {
    running.refresh_doors(intent.id).await?;
    let inside = match &running.doors {
        Some(doors) => Some(observe::inside(doors, &plan::setting_keys(intent)).await?),
        None => None,
    };
    let counted = inside.as_ref().and_then(|inside| inside.metering.as_ref());
    let count = |label: &MeteringLabelId| counted.map(|counted| counted.count(*label)).unwrap_or_default();
    running.counts = intent.metering.keys().map(|label| (*label, count(label))).collect();
    let observed = Observed { inside, taps: around.taps.clone() };
    let mut steps = plan::plan(intent, &observed, &around.mark, around.may_remove);
    if around.may_remove {
        let forgets = steps.iter().any(|step| matches!(step, Step::ForgetFlows(_)));
        if running.applied.is_none() && !forgets {
            // An earlier life may have ended between new rules and this.
            steps.push(Step::ForgetFlows(intent.nat.clone()));
        }
        silence(running, intent).await;
    }
    let mut outcome = apply::apply(intent.id, steps, &around.links, &mut running.doors).await;
    advertise(running, intent, &mut outcome).await;
    Ok(outcome)
}

/// Ends advertisers nobody wants, with a farewell while their device is there.
async fn silence(running: &mut Running, intent: &RouterIntent) {
    let unwanted =
        running.advertisers.extract_if(.., |device, _| !intent.advertisements.contains_key(device));
    let unwanted: Vec<Advertiser> = unwanted.map(|(_, advertiser)| advertiser).collect();
    for advertiser in unwanted {
        advertiser.finish().await;
    }
}

/// Keeps one advertiser running for every port that wants one.
async fn advertise(running: &mut Running, intent: &RouterIntent, outcome: &mut Outcome) {
    let Some(doors) = running.doors.as_ref().filter(|_| outcome.fatal.is_none()) else { return };
    running.advertisers.retain(|device, advertiser| {
        !advertiser.has_failed() && !outcome.made.contains(device) && !outcome.devices.contains_key(device)
    });
    for (device, wanted) in &intent.advertisements {
        if outcome.devices.contains_key(device) {
            continue;
        }
        if let Some(advertiser) = running.advertisers.get(device) {
            advertiser.update(wanted);
            continue;
        }
        match Advertiser::start(&doors.place(), device, wanted.clone()).await {
            Ok(advertiser) => {
                running.advertisers.insert(device.clone(), advertiser);
            }
            Err(error) => {
                tracing::warn!(router = %intent.id, device, error = %error.reason(), "no router advertisements");
                outcome.others.push(error.reason());
            }
        }
    }
}

fn items(intent: &RouterIntent, outcome: &Outcome) -> Vec<Item> {
    let mut reasons = intent.problems.clone();
    reasons.extend(outcome.failure());
    let gateway = intent.nat.gateway.as_ref().map(|gateway| gateway.device.as_str());
    let spoiled = outcome.fatal.as_ref().or_else(|| outcome.devices.get(gateway?));
    let floating = intent.floating_ips.iter().map(|(id, fit)| {
        let state = match (fit, spoiled) {
            (Err(reason), _) | (Ok(_), Some(reason)) => ItemState::Failed(reason.clone()),
            (Ok(_), None) => ItemState::Up,
        };
        Item { key: FactKey::FloatingIp(*id), state }
    });
    let state = if reasons.is_empty() { ItemState::Up } else { ItemState::Failed(reasons.join("; ")) };
    floating.chain([Item { key: FactKey::Router(intent.id), state }]).collect()
}

/// Removes a router, if its namespace bears our mark; returns whether it did.
pub(super) async fn remove(
    id: RouterId,
    mut running: Running,
    around: &Surroundings,
) -> Result<bool, HostError> {
    running.refresh_doors(id).await?;
    let Some(doors) = &running.doors else { return Ok(false) };
    let inside = observe::inside(doors, &[]).await?;
    if inside.mark.as_deref() != Some(around.mark.as_str()) {
        return Ok(false);
    }
    for (_, advertiser) in std::mem::take(&mut running.advertisers) {
        advertiser.finish().await;
    }
    // The pairs first: others may hold the namespace open, and with it the devices.
    for device in inside.devices.keys() {
        let tap = owned::tap_of(device);
        if around.taps.contains_key(&tap) {
            around.links.delete(&tap).await?;
        }
    }
    Namespace::delete(&owned::namespace_name(id))?;
    Ok(true)
}
