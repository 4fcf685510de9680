//! What clients say of where a network is.

use isospin_api_kit::attribute::check;
use isospin_api_kit::{Body, Fault, FaultType};
use serde_json::{Map, Value};

use super::super::{PHYSICAL_NETWORK, SEGMENTATION_ID, TYPE_OF_SEGMENT};
use crate::drivers::{Segment, Wanted};
use crate::resources::segment::model::NetworkSegment;

/// `[{"provider:network_type"?, "provider:physical_network"?, "provider:segmentation_id"?}]`
pub fn segments(value: &Value) -> Result<Value, String> {
    let wrong = || format!("'{}' is not a list of segments", check::plain(value));
    let items = value.as_array().ok_or_else(wrong)?;
    let mut canonical = Vec::with_capacity(items.len());
    for item in items {
        let mut entry = Map::new();
        for (key, value) in item.as_object().ok_or_else(wrong)? {
            let value = match key.as_str() {
                TYPE_OF_SEGMENT | PHYSICAL_NETWORK | SEGMENTATION_ID if value.is_null() => continue,
                TYPE_OF_SEGMENT => Value::from(check::text(value, 32)?),
                PHYSICAL_NETWORK => Value::from(check::text(value, 64)?),
                SEGMENTATION_ID => Value::from(check::integer(value, 0, 4_294_967_295)?),
                other => return Err(format!("Unrecognized attribute(s) '{other}'")),
            };
            entry.insert(key.clone(), value);
        }
        canonical.push(Value::Object(entry));
    }
    Ok(Value::Array(canonical))
}

/// What a client said about the segments of a new network; one without a word when
/// it said nothing.
///
/// # Errors
/// 400 for words in both places.
pub fn wanted_segments(body: &Body) -> Result<Vec<Wanted>, Fault> {
    let given = body.list("segments").unwrap_or_default();
    let single = wanted(|key| body.get(key));
    if given.is_empty() {
        return Ok(vec![single]);
    }
    if !single.is_empty() {
        return Err(Fault::new(
            FaultType::SegmentsSetInConjunctionWithProviders,
            "Segments and provider values cannot both be set.",
        ));
    }
    Ok(given.iter().map(|item| wanted(|key| item.get(key))).collect())
}

fn wanted<'v>(word: impl Fn(&'static str) -> Option<&'v Value>) -> Wanted {
    let text = |key| word(key).and_then(Value::as_str).map(str::to_owned);
    Wanted {
        network_type: text(TYPE_OF_SEGMENT),
        physical_network: text(PHYSICAL_NETWORK),
        segmentation_id: word(SEGMENTATION_ID).and_then(Value::as_i64),
    }
}

/// Refuses what no driver here can do.
///
/// # Errors
/// 400.
pub fn check_drivers(body: &Body) -> Result<(), Fault> {
    let asks = |name: &str| body.flag(name) == Some(true);
    match (asks("vlan_transparent"), asks("qinq")) {
        (true, true) => Err(Fault::invalid_input("vlan_transparent and qinq cannot both be set")),
        (true, false) => Err(Fault::new(
            FaultType::VlanTransparencyDriverError,
            "Backend does not support VLAN Transparency.",
        )),
        (false, true) => Err(Fault::new(FaultType::QinqDriverError, "Backend does not support VLAN QinQ.")),
        (false, false) => Ok(()),
    }
}

/// The id a PUT gives the only segment of a network, when it gives another one. Type
/// and physical network stay, and so do several segments.
///
/// # Errors
/// 400 `InvalidInput` naming what cannot change.
pub fn segmentation_id(present: &[NetworkSegment], body: &Body) -> Result<Option<u32>, Fault> {
    let mut unsupported = Vec::new();
    let only = match present {
        [only] => Some(&only.place),
        _ => None,
    };
    let stored = |segment: &Segment, name: &str| match name {
        TYPE_OF_SEGMENT => Some(Value::from(segment.network_type.as_str())),
        PHYSICAL_NETWORK => segment.physical_network.clone().map(Value::from),
        _ => segment.segmentation_id.map(Value::from),
    };
    let mut moves = None;
    for name in [TYPE_OF_SEGMENT, PHYSICAL_NETWORK, SEGMENTATION_ID] {
        let wanted = body.get(name).filter(|value| !value.is_null()).cloned();
        let before = only.and_then(|segment| stored(segment, name));
        if !body.has(name) || wanted == before {
            continue;
        }
        match wanted.as_ref().and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()) {
            Some(id) if name == SEGMENTATION_ID && before.is_some() => moves = Some(id),
            _ => unsupported.push(name),
        }
    }
    let named = body.list("segments").unwrap_or_default();
    if !named.is_empty() && !are(present, named) {
        unsupported.push("segments");
    }
    if unsupported.is_empty() {
        return Ok(moves);
    }
    Err(Fault::invalid_input(format!(
        "Plugin does not support updating the following provider network attributes: {}",
        unsupported.join(", ")
    )))
}

/// Whether the segments named are those there are.
fn are(present: &[NetworkSegment], named: &[Value]) -> bool {
    let as_wanted = |segment: &NetworkSegment| Wanted {
        network_type: Some(segment.place.network_type.to_string()),
        physical_network: segment.place.physical_network.clone(),
        segmentation_id: segment.place.segmentation_id.map(i64::from),
    };
    present.iter().map(as_wanted).eq(named.iter().map(|item| wanted(|key| item.get(key))))
}
