//! From validated bodies to what the store makes.

use std::sync::Arc;

use isospin_api_kit::{Body, Fault, FaultType};
use isospin_types::SecurityGroupId;
use serde_json::{Map, Value};

use super::model::{Addresses, Card, DhcpOption, NewAddressPair, NewPort, WantedIp};
use crate::Settings;
use crate::resources::network::model::Network;

/// Tags a resource may have.
const TAGS: usize = 50;

/// The port a POST asks for.
///
/// # Errors
/// 400 for values that are wrong together or under these settings.
pub fn new_port(
    settings: &Settings,
    body: &Body,
    network: Arc<Network>,
    project_id: String,
) -> Result<NewPort, Fault> {
    let text = |name: &str| body.text(name).unwrap_or_default().to_owned();
    let tags = body.texts("tags").unwrap_or_default();
    if tags.len() > TAGS {
        return Err(Fault::invalid_attribute(
            "tags",
            format!("The number of tags exceeds the maximum {TAGS}"),
        ));
    }
    Ok(NewPort {
        name: text("name"),
        description: text("description"),
        mac_address: body.parsed("mac_address"),
        addresses: addresses(body).unwrap_or(Addresses::Automatic),
        device_id: text("device_id"),
        device_owner: text("device_owner"),
        admin_state_up: body.flag("admin_state_up").unwrap_or(true),
        port_security: body.flag("port_security_enabled"),
        security_groups: security_groups(body),
        allowed_address_pairs: address_pairs(body)?,
        extra_dhcp_opts: options(body)
            .into_iter()
            .filter_map(|(option, kept)| kept.then_some(option))
            .collect(),
        qos_policy_id: body.parsed("qos_policy_id"),
        dns_name: dns_name(settings, body)?,
        dns_domain: text("dns_domain"),
        host: text("binding:host_id"),
        vnic_type: text("binding:vnic_type"),
        profile: profile(body),
        card: card(Card::default(), body),
        tags,
        ..NewPort::on(network, project_id)
    })
}

/// The groups named, if any are.
#[must_use]
pub fn security_groups(body: &Body) -> Option<Vec<SecurityGroupId>> {
    let texts = body.texts("security_groups")?;
    Some(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

/// The wanted addresses, if the body names them.
#[must_use]
pub fn addresses(body: &Body) -> Option<Addresses> {
    let items = body.list("fixed_ips")?;
    let text = |item: &Value, key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
    let wanted = |item: &Value| WantedIp {
        subnet_id: text(item, "subnet_id").and_then(|id| id.parse().ok()),
        ip: text(item, "ip_address").and_then(|address| address.parse().ok()),
    };
    Some(Addresses::Exactly(items.iter().map(wanted).collect()))
}

/// The wanted address pairs.
///
/// # Errors
/// 400 `AllowedAddressPairsMissingIP`.
pub fn address_pairs(body: &Body) -> Result<Vec<NewAddressPair>, Fault> {
    let pair = |item: &Value| {
        let text = |key: &str| item.get(key).and_then(Value::as_str);
        let ip_address = text("ip_address").and_then(|text| text.parse().ok()).ok_or_else(|| {
            Fault::new(FaultType::AllowedAddressPairsMissingIP, "AllowedAddressPair must contain ip_address")
        })?;
        Ok(NewAddressPair { ip_address, mac_address: text("mac_address").and_then(|text| text.parse().ok()) })
    };
    body.list("allowed_address_pairs").unwrap_or_default().iter().map(pair).collect()
}

/// The DHCP options named; false = without value, which means "remove" in a PUT.
#[must_use]
pub fn options(body: &Body) -> Vec<(DhcpOption, bool)> {
    let option = |item: &Value| {
        let text = |key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
        let version =
            item.get("ip_version").and_then(Value::as_u64).and_then(|version| u8::try_from(version).ok());
        let value = text("opt_value");
        let kept = value.is_some();
        let name = text("opt_name").unwrap_or_default();
        (DhcpOption { name, value: value.unwrap_or_default(), ip_version: version.unwrap_or(4) }, kept)
    };
    body.list("extra_dhcp_opts").unwrap_or_default().iter().map(option).collect()
}

/// The binding profile named.
#[must_use]
pub fn profile(body: &Body) -> Map<String, Value> {
    body.get("binding:profile").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The card with what the body says of it.
#[must_use]
pub fn card(mut card: Card, body: &Body) -> Card {
    for (name, text) in [
        ("device_profile", &mut card.device_profile),
        ("hardware_offload_type", &mut card.hardware_offload_type),
        ("numa_affinity_policy", &mut card.numa_affinity_policy),
    ] {
        if body.has(name) {
            *text = body.text(name).map(str::to_owned);
        }
    }
    if body.has("hints") {
        card.hints = body.get("hints").and_then(Value::as_object).cloned();
    }
    if body.has("trusted") {
        card.trusted = body.flag("trusted");
    }
    if let Some(propagate) = body.flag("propagate_uplink_status") {
        card.propagate_uplink_status = propagate;
    }
    card
}

/// The host part of the DNS name named.
///
/// # Errors
/// 400 for an absolute name outside the server's domain.
pub fn dns_name(settings: &Settings, body: &Body) -> Result<String, Fault> {
    let name = body.text("dns_name").unwrap_or_default();
    let Some(absolute) = name.strip_suffix('.') else { return Ok(name.to_owned()) };
    let domain = settings.dns_domain.to_lowercase();
    absolute
        .strip_suffix(&domain)
        .and_then(|host| host.strip_suffix('.'))
        .filter(|host| !host.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| {
            Fault::invalid_attribute(
                "dns_name",
                format!("'{name}' is a FQDN outside of the domain '{domain}'"),
            )
        })
}
