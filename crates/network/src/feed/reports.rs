//! What agents report, as rows: the status of ports, routers and floating IPs.
//!
//! A port is ACTIVE when every party that must act has reported: the parties
//! still missing are rows of `port_pending`. A host is believed only about what
//! is bound to it. Reports change no record of the feed, so they wake no host.

use isospin_feed::proto::{ItemStatus, Report, item_status::State};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Store, StoreError, Tx, Value, values};

use super::account;
use crate::background::nova::outbox::{self, Event};
use crate::resources::trunk::wiring;

/// Ids named in one statement at most; both engines take as many parameters.
const IDS: usize = 8192;

/// Stores one report: a constant number of statements for each kind of news.
/// With `nova_events` Nova is told of ports that come and go.
pub(super) async fn store(
    store: &Store,
    host: &str,
    report: Report,
    nova_events: bool,
) -> Result<(), StoreError> {
    if report.items.is_empty() {
        return Ok(());
    }
    account::failures(host, &report);
    let host = host.to_owned();
    store.write("", move |tx| Box::pin(async move { apply(tx, &host, &report, nova_events).await })).await
}

async fn apply(tx: &mut Tx, host: &str, report: &Report, nova_events: bool) -> Result<(), StoreError> {
    let reporter = Reporter { host, nova_events };
    for party in ["l2", "dhcp"] {
        for state in [State::Up, State::Down, State::Failed] {
            for ids in of(report, "port", party, state).chunks(IDS) {
                match (party, state) {
                    (_, State::Up) => port_up(tx, reporter, party, ids).await?,
                    ("l2", State::Down) => port_down(tx, reporter, ids, "DOWN").await?,
                    ("l2", State::Failed) => port_down(tx, reporter, ids, "ERROR").await?,
                    // DHCP that stops leaves a wired port working.
                    _ => {}
                }
            }
        }
    }
    let ports: Vec<Value> = named(report, "port").map(|item| Value::from(&item.id)).collect();
    wiring::restate(tx, &ports).await?;
    for (state, status) in [(State::Up, "ACTIVE"), (State::Down, "DOWN"), (State::Failed, "ERROR")] {
        for ids in of(report, "floating_ip", "l3", state).chunks(IDS) {
            let carried = "router_id IN (SELECT id FROM routers WHERE host = ?)";
            set_status(tx, "floating_ips", carried, host, ids, status).await?;
        }
        // A router that is not there is not an error: it may be administratively down.
        if state != State::Down {
            for ids in of(report, "router", "l3", state).chunks(IDS) {
                set_status(tx, "routers", "host = ?", host, ids, status).await?;
            }
        }
    }
    Ok(())
}

fn named<'r>(report: &'r Report, kind: &'r str) -> impl Iterator<Item = &'r ItemStatus> {
    report.items.iter().filter(move |item| item.kind == kind)
}

/// Who reports, and whether Nova is to hear of it.
#[derive(Clone, Copy)]
struct Reporter<'a> {
    host: &'a str,
    nova_events: bool,
}

fn of(report: &Report, kind: &str, party: &str, state: State) -> Vec<Value> {
    named(report, kind)
        .filter(|item| item.party == party && item.state() == state)
        .map(|item| Value::from(&item.id))
        .collect()
}

/// The named party is done; ports nobody else is missing for become ACTIVE.
async fn port_up(tx: &mut Tx, reporter: Reporter<'_>, party: &str, ids: &[Value]) -> Result<(), StoreError> {
    let Reporter { host, nova_events } = reporter;
    // DHCP may be served by another host than the port's own.
    let scope = match party {
        "dhcp" => "network_id IN (SELECT network_id FROM dhcp_bindings WHERE host = ?)",
        _ => "binding_host = ?",
    };
    let mut known = Select::new("id", "ports");
    let bound = known.bind(host);
    known.condition(scope.replace('?', &bound));
    known.one_of("id", ids.to_vec());
    let (known, mut known_values) = known.build();
    known_values.push(Value::from(party));
    let party_name = format!("${}", known_values.len());
    tx.execute_later(
        &format!("DELETE FROM port_pending WHERE port_id IN ({known}) AND party = {party_name}"),
        known_values,
    )
    .await?;
    let mut ready = Select::new("id", "ports");
    ready.one_of("id", ids.to_vec());
    ready.condition("NOT EXISTS (SELECT 1 FROM port_pending WHERE port_id = ports.id)");
    ready.condition("binding_host <> '' AND binding_vif_type NOT IN ('unbound', 'binding_failed')");
    ready.condition("admin_state_up AND status NOT IN ('ACTIVE', 'N/A')");
    let bound = ready.bind(host);
    ready.condition(scope.replace('?', &bound));
    let (ready, ready_values) = ready.build();
    if nova_events {
        outbox::note_among(tx, Event::Plugged, (&ready, &ready_values), "'DOWN', 'BUILD'").await?;
    }
    tx.execute_later(&format!("UPDATE ports SET status = 'ACTIVE' WHERE id IN ({ready})"), ready_values)
        .await?;
    Ok(())
}

/// The wiring of these ports has gone; they must be reported up again.
async fn port_down(
    tx: &mut Tx,
    reporter: Reporter<'_>,
    ids: &[Value],
    status: &str,
) -> Result<(), StoreError> {
    let Reporter { host, nova_events } = reporter;
    if nova_events {
        let mut bound = Select::new("id", "ports");
        bound.one_of("id", ids.to_vec());
        let here = bound.bind(host);
        bound.condition(format!("binding_host = {here}"));
        let (bound, values) = bound.build();
        let (event, from) = match status {
            "DOWN" => (Event::Unplugged, "'ACTIVE'"),
            _ => (Event::PlugFailed, "'DOWN', 'BUILD'"),
        };
        outbox::note_among(tx, event, (&bound, &values), from).await?;
    }
    set_status(tx, "ports", "binding_host = ? AND status <> 'N/A'", host, ids, status).await?;
    let mut lost = Select::new("id, 'l2'", "ports");
    lost.one_of("id", ids.to_vec());
    let bound = lost.bind(host);
    lost.condition(format!("binding_host = {bound}"));
    let (lost, lost_values) = lost.build();
    tx.execute_later(
        &format!("INSERT INTO port_pending (port_id, party) {lost} ON CONFLICT DO NOTHING"),
        lost_values,
    )
    .await?;
    Ok(())
}

async fn set_status(
    tx: &mut Tx,
    table: &str,
    scope: &str,
    host: &str,
    ids: &[Value],
    status: &str,
) -> Result<(), StoreError> {
    let mut which = Select::new("id", table);
    which.one_of("id", ids.to_vec());
    let bound = which.bind(host);
    which.condition(scope.replace('?', &bound));
    let (which, mut which_values) = which.build();
    which_values.extend(values![status]);
    let name = format!("${}", which_values.len());
    // A status that stays costs no write.
    tx.execute_later(
        &format!("UPDATE {table} SET status = {name} WHERE id IN ({which}) AND status <> {name}"),
        which_values,
    )
    .await?;
    Ok(())
}
