//! Checks and decisions about networks, without database.

mod places;

use isospin_api_kit::attribute::check;
use isospin_api_kit::{Body, Fault, FaultType};
use isospin_types::{NetworkId, PortId};
use serde_json::Value;

pub use places::{check_drivers, segmentation_id, segments, wanted_segments};

use super::model::{ACTIVE, Network};
use crate::Settings;
use crate::drivers::{self, Segment};
use crate::resources::segment::model::NetworkSegment;

/// 404 for a network that is not there, or hidden from the caller.
pub fn not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::NetworkNotFound, format!("Network {id} could not be found."))
}

/// A DNS domain with its final dot, or nothing (reference §23).
pub fn dns_domain(value: &Value) -> Result<Value, String> {
    let text = check::text(value, 255)?.to_lowercase();
    let refused = |why: &str| Err(format!("'{}' not a valid DNS domain name: {why}", check::plain(value)));
    if text.is_empty() {
        return Ok(Value::String(text));
    }
    let Some(name) = text.strip_suffix('.') else { return refused("it must end with '.'") };
    for label in name.split('.') {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if label.is_empty() || label.len() > 63 || !label.bytes().all(plain) {
            return refused("each label has 1 to 63 letters, digits and hyphens");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return refused("no label starts or ends with a hyphen");
        }
    }
    if name.rsplit('.').next().is_some_and(|top| top.bytes().all(|byte| byte.is_ascii_digit())) {
        return refused("the last label is not a number");
    }
    Ok(Value::String(text))
}

/// The network a POST describes, on its segments.
///
/// # Errors
/// 400 for an MTU the segments cannot carry, or a default network that leads nowhere.
pub fn create(
    body: &Body,
    project_id: String,
    segments: &[Segment],
    settings: &Settings,
    now: String,
) -> Result<Network, Fault> {
    let most = max_mtu(settings, segments.iter());
    let mtu_given = chosen_mtu(body, most)?.flatten();
    let network = Network {
        id: NetworkId::random(),
        project_id,
        name: body.text("name").unwrap_or_default().to_owned(),
        description: body.text("description").unwrap_or_default().to_owned(),
        admin_state_up: body.flag("admin_state_up").unwrap_or(true),
        status: ACTIVE.to_owned(),
        mtu: mtu_given.unwrap_or(most),
        mtu_given: mtu_given.is_some(),
        shared: body.flag("shared").unwrap_or(false),
        external: body.flag("router:external").unwrap_or(false),
        is_default: body.flag("is_default").unwrap_or(false),
        port_security_enabled: body.flag("port_security_enabled").unwrap_or(true),
        // Named, or the default of the project: the caller's to find out.
        qos_policy_id: None,
        dns_domain: body.text("dns_domain").unwrap_or_default().to_owned(),
        availability_zone_hints: body.texts("availability_zone_hints").unwrap_or_default(),
        created_at: now.clone(),
        updated_at: now,
        revision_number: 1,
    };
    default_leads_outside(&network)?;
    Ok(network)
}

/// The network as a PUT wants it, with the revision it has now. Whether others use
/// it in a way that forbids the change is the caller's to find out.
///
/// # Errors
/// 400 for an MTU the segments cannot carry, or a default network that leads nowhere.
pub fn update(
    current: &Network,
    segments: &[NetworkSegment],
    body: &Body,
    settings: &Settings,
) -> Result<Network, Fault> {
    let mut network = current.clone();
    let set = |name: &str, flag: &mut bool| {
        if let Some(value) = body.flag(name) {
            *flag = value;
        }
    };
    set("admin_state_up", &mut network.admin_state_up);
    set("shared", &mut network.shared);
    set("router:external", &mut network.external);
    set("is_default", &mut network.is_default);
    set("port_security_enabled", &mut network.port_security_enabled);
    for (name, text) in [
        ("name", &mut network.name),
        ("description", &mut network.description),
        ("dns_domain", &mut network.dns_domain),
    ] {
        if let Some(value) = body.text(name) {
            value.clone_into(text);
        }
    }
    if let Some(policy_id) = body.change("qos_policy_id") {
        network.qos_policy_id = policy_id;
    }
    if current.external && !network.external && body.flag("is_default").is_none() {
        network.is_default = false;
    }
    default_leads_outside(&network)?;
    let most = max_mtu(settings, segments.iter().map(|segment| &segment.place));
    match chosen_mtu(body, most)? {
        // Said as it is, it is not chosen.
        Some(Some(mtu)) if mtu == current.mtu => {}
        Some(mtu) => {
            network.mtu = mtu.unwrap_or(most);
            network.mtu_given = mtu.is_some();
        }
        None => {}
    }
    Ok(network)
}

/// What the segment that carries least lets through.
fn max_mtu<'s>(settings: &Settings, segments: impl Iterator<Item = &'s Segment>) -> u32 {
    let largest = segments.map(|segment| drivers::max_mtu(settings, segment.network_type)).min();
    largest.unwrap_or(settings.global_physnet_mtu)
}

/// `None` when the client said nothing, `Some(None)` when it left the choice to us (0).
fn chosen_mtu(body: &Body, most: u32) -> Result<Option<Option<u32>>, Fault> {
    let Some(mtu) = body.int("mtu") else { return Ok(None) };
    match u32::try_from(mtu) {
        Ok(0) => Ok(Some(None)),
        Ok(mtu) if mtu <= most => Ok(Some(Some(mtu))),
        _ => Err(Fault::invalid_input(format!("Requested MTU is too big, maximum is {most}"))),
    }
}

fn default_leads_outside(network: &Network) -> Result<(), Fault> {
    if network.is_default && !network.external {
        return Err(Fault::invalid_attribute("is_default", "only an external network can be the default"));
    }
    Ok(())
}

/// Owners of ports that go with their network.
const GOES_WITH_NETWORK: [&str; 3] =
    ["network:dhcp", "network:distributed", "network:floatingip_agent_gateway"];

/// Whether a port of this owner does not keep its network from being deleted.
#[must_use]
pub fn goes_with_network(device_owner: &str) -> bool {
    GOES_WITH_NETWORK.contains(&device_owner)
}

/// 409: these ports keep the network.
#[must_use]
pub fn in_use(id: NetworkId, ports: &[PortId]) -> Fault {
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    Fault::new(
        FaultType::NetworkInUse,
        format!(
            "Unable to complete operation on network {id}. There are one or more ports still in use on the \
             network, id for these ports is: {}.",
            ports.join(",")
        ),
    )
}

/// Refuses to close a network to projects that rely on it being open.
///
/// # Errors
/// 409 naming their ports and subnets.
pub fn check_unshared(network: &Network, users: &[String]) -> Result<(), Fault> {
    if users.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Unable to reconfigure sharing settings for network {}. Multiple tenants are using it.",
        network.id
    );
    Err(Fault::new(FaultType::InvalidSharedSetting, message).blocked(users.iter().cloned()))
}

/// Refuses to make a network internal that routers have their gateway on.
///
/// # Errors
/// 409 naming them.
pub fn check_no_gateways(network: &Network, routers: &[String]) -> Result<(), Fault> {
    if routers.is_empty() {
        return Ok(());
    }
    let message = format!(
        "External network {} cannot be updated to be made non-external, since it has existing gateway ports.",
        network.id
    );
    Err(Fault::new(FaultType::ExternalNetworkInUse, message).blocked(routers.iter().cloned()))
}

/// 409: there can be one default only.
#[must_use]
pub fn default_exists(other: NetworkId) -> Fault {
    Fault::new(
        FaultType::DefaultExternalNetworkExists,
        format!("A default external network already exists: {other}."),
    )
}
