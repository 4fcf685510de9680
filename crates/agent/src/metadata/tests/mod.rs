//! Tests over more than one file of this folder.

mod documents;
mod host;
mod identity;

use std::collections::BTreeSet;
use std::sync::Arc;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use isospin_feed::facts::{Fixed, FloatingIp, Router};
use isospin_types::{FloatingIpId, NetworkId, PortId, RouterId};
use parking_lot::RwLock;

use super::index::{Door, Index};
use super::listener::{Shared, answer};
use super::responder::Site;
use crate::dhcp::testing::Cloud;

/// A router with these legs.
fn add_router(cloud: &mut Cloud, legs: &[PortId]) -> RouterId {
    let id = RouterId::random();
    let router = Router {
        id,
        name: "demo-router".to_owned(),
        project_id: "project".to_owned(),
        admin_state_up: true,
        enable_snat: true,
        gateway_port_id: None,
        interface_port_ids: legs.iter().copied().collect::<BTreeSet<_>>(),
        routes: Vec::new(),
        conntrack_helpers: BTreeSet::new(),
        gateway_qos: Default::default(),
        metering: Default::default(),
    };
    cloud.facts.routers.insert(id, Arc::new(router));
    id
}

fn add_floating(cloud: &mut Cloud, port: PortId, address: &str) -> FloatingIpId {
    let floating = FloatingIp {
        id: FloatingIpId::random(),
        router_id: RouterId::random(),
        floating_ip_address: address.parse().expect("address"),
        fixed: Some(Fixed { ip_address: "10.0.0.5".parse().expect("address"), port_id: port }),
        floating_network_id: NetworkId::random(),
        port_forwardings: Vec::new(),
        qos: Default::default(),
    };
    let id = floating.id;
    cloud.facts.floating_ips.insert(id, Arc::new(floating));
    id
}

fn shared(cloud: &Cloud) -> Shared {
    let site = Site { availability_zone: "nova".to_owned(), domain: "openstacklocal".to_owned() };
    Shared { index: RwLock::new(Index::of(&cloud.facts)), site }
}

/// The body of a found document; `None` for 404.
fn get(shared: &Shared, door: Door, source: &str, path: &str) -> Option<String> {
    let response = answer(&Method::GET, path, door, source.parse().expect("address"), shared);
    if response.status() == StatusCode::NOT_FOUND {
        return None;
    }
    assert_eq!(response.status(), StatusCode::OK);
    let body = futures::executor::block_on(response.into_body().collect()).expect("body");
    Some(String::from_utf8(body.to_bytes().to_vec()).expect("text"))
}
