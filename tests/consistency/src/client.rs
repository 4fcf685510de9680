//! A client that makes and removes things, and writes down what it was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use isospin_client::{ClientError, Session};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::history::{Asked, Event, Kind, Moment, Told};

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all clients share.
pub struct Run {
    pub began: Instant,
    /// Requests still to be made.
    pub left: AtomicU64,
    /// Network all ports are made on.
    pub network_id: String,
    /// Network all subnets are made on, and the pool they come from.
    pub pooled_network_id: String,
    pub subnetpool_id: String,
}

impl Run {
    fn moment(&self) -> Moment {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(Moment::MAX)
    }

    /// Whether one more request is to be made.
    fn next(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// An object this client has.
struct Thing {
    kind: Kind,
    name: String,
    id: String,
}

/// Makes requests until none is left; what it was told.
pub async fn work(run: Arc<Run>, session: Session, number: u64) -> Vec<Event> {
    let mut random = StdRng::seed_from_u64(number);
    let mut events = Vec::new();
    let mut things: Vec<Thing> = Vec::new();
    let mut made = 0_u64;
    while run.next() {
        // About a dozen things at a time, so that all clients together use up what is shared.
        let remove = !things.is_empty() && random.random_range(0..24) < things.len();
        if remove {
            let at = random.random_range(0..things.len());
            let thing = things.swap_remove(at);
            let (event, gone) = delete(&run, &session, &thing).await;
            if !gone {
                things.push(thing);
            }
            events.push(event);
        } else {
            made += 1;
            let name = format!("c{number}-{made}");
            let (event, thing) = create(&run, &session, kind(&mut random), name).await;
            things.extend(thing);
            events.push(event);
        }
    }
    events
}

fn kind(random: &mut StdRng) -> Kind {
    match random.next_u32() % 4 {
        0 => Kind::Network,
        1 => Kind::Subnet,
        _ => Kind::Port,
    }
}

async fn create(run: &Run, session: &Session, kind: Kind, name: String) -> (Event, Option<Thing>) {
    let (path, key, body) = match kind {
        Kind::Network => ("/networks", "network", json!({"name": name})),
        Kind::Subnet => (
            "/subnets",
            "subnet",
            json!({"name": name, "network_id": run.pooled_network_id, "ip_version": 4,
                "subnetpool_id": run.subnetpool_id}),
        ),
        Kind::Port => ("/ports", "port", json!({"name": name, "network_id": run.network_id})),
    };
    let began = run.moment();
    let answer = answered(session.post(path, json!({key: body}))).await;
    let ended = run.moment();
    let (told, thing) = match answer {
        Ok(answer) => {
            let object = &answer[key];
            let id = object["id"].as_str().unwrap_or_default().to_owned();
            (Told::Done(claims(kind, object)), Some(Thing { kind, name: name.clone(), id }))
        }
        Err(told) => (told, None),
    };
    (Event { asked: Asked::Create(kind, name), began, ended, told }, thing)
}

/// Removes the thing; whether it need not be thought of again.
async fn delete(run: &Run, session: &Session, thing: &Thing) -> (Event, bool) {
    let collection = match thing.kind {
        Kind::Network => "networks",
        Kind::Subnet => "subnets",
        Kind::Port => "ports",
    };
    let began = run.moment();
    let answer = answered(session.delete(&format!("/{collection}/{}", thing.id))).await;
    let told = answer.map_or_else(|told| told, |()| Told::Done(Vec::new()));
    let asked = Asked::Delete(thing.kind, thing.name.clone());
    let gone = !matches!(told, Told::Refused(_));
    (Event { asked, began, ended: run.moment(), told }, gone)
}

/// The answer, or what its absence tells. A refusal of the 400s is final; anything
/// else may have happened before or after the commit.
async fn answered<T>(call: impl Future<Output = Result<T, ClientError>>) -> Result<T, Told> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(ClientError::Refused { status, kind, .. })) if status < 500 && !kind.is_empty() => {
            Err(Told::Refused(kind))
        }
        Ok(Err(_)) | Err(_) => Err(Told::Nothing),
    }
}

/// What an object has that no other may have at the same time.
fn claims(kind: Kind, object: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match kind {
        Kind::Network => vec![format!("segment {}", text(&object["provider:segmentation_id"]))],
        Kind::Subnet => vec![format!("prefix {}", text(&object["cidr"]))],
        Kind::Port => {
            let addresses = object["fixed_ips"].as_array().into_iter().flatten();
            let addresses = addresses.map(|fixed_ip| format!("address {}", text(&fixed_ip["ip_address"])));
            addresses.chain([format!("MAC {}", text(&object["mac_address"]))]).collect()
        }
    }
}
