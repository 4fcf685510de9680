//! Every state a network's namespace and devices can be found in.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::dhcp::intent::NetworkIntent;
use crate::dhcp::plan::Step::{
    AddAddress, CreateDevices, CreateNamespace, DeleteInside, DeleteTap, PrepareNamespace, RemoveAddress,
    SetInside, SetTapMtu,
};
use crate::dhcp::plan::{Device, Foreign, Observed, Space, Step, Tap, plan};
use crate::dhcp::testing::{mac, service};

fn net(text: &str) -> IpNet {
    text.parse().expect("net")
}

fn want() -> NetworkIntent {
    NetworkIntent {
        namespace: "qdhcp-n".to_owned(),
        mark: "isospin dhcp host-a".to_owned(),
        tap: "tap0".to_owned(),
        inside: "ns-0".to_owned(),
        mac: mac("fa:16:3e:00:00:fe"),
        mtu: 1450,
        addresses: BTreeSet::from([net("10.0.0.2/24")]),
        service: service(),
    }
}

fn right() -> Observed {
    let want = want();
    let device = Device { index: 2, mac: Some(want.mac), mtu: 1450, up: true, addresses: want.addresses };
    let space = Space { ours: true, prepared: true, empty: false, device: Some(device) };
    Observed { space: Some(space), tap: Some(Tap { veth: true, mtu: 1450 }) }
}

fn check(change: impl FnOnce(&mut Observed), steps: &[Step]) {
    let mut have = right();
    change(&mut have);
    assert_eq!(plan(&want(), &have, true).as_deref(), Ok(steps), "{have:?}");
}

const UP: Step = SetInside { mac: None, mtu: None, up: true };

#[test]
fn a_right_network_is_left_alone() {
    check(|_| (), &[]);
}

#[test]
fn what_is_missing_is_made_in_order() {
    let address = AddAddress(net("10.0.0.2/24"));
    let devices = [CreateDevices, UP, address.clone()];
    check(|have| *have = Observed::default(), &[&[CreateNamespace, PrepareNamespace][..], &devices].concat());
    // The name was removed; sockets somewhere keep the old namespace and our pair.
    check(
        |have| have.space = None,
        &[&[CreateNamespace, PrepareNamespace, DeleteTap][..], &devices].concat(),
    );
    check(|have| device(have, |_| None), &[&[DeleteTap][..], &devices].concat());
    check(|have| have.tap = None, &[&[DeleteInside][..], &devices].concat());
    let stopped_halfway = |have: &mut Observed| {
        have.tap = None;
        have.space = Some(Space { ours: false, prepared: false, empty: true, device: None });
    };
    check(stopped_halfway, &[&[PrepareNamespace][..], &devices].concat());
    check(|have| device(have, |found| Some(Device { addresses: BTreeSet::new(), ..found })), &[address]);
}

fn device(have: &mut Observed, change: impl FnOnce(Device) -> Option<Device>) {
    let space = have.space.as_mut().expect("space");
    space.device = space.device.take().and_then(change);
}

#[test]
fn what_is_wrong_is_set_right() {
    let other = Some(mac("fa:16:3e:00:00:01"));
    let set = |mac, mtu| SetInside { mac, mtu, up: true };
    check(|have| device(have, |d| Some(Device { mac: other, ..d })), &[set(Some(want().mac), None)]);
    check(|have| device(have, |d| Some(Device { mtu: 1500, ..d })), &[set(None, Some(1450))]);
    check(|have| device(have, |d| Some(Device { up: false, ..d })), &[UP]);
    check(|have| have.tap = Some(Tap { veth: true, mtu: 1500 }), &[SetTapMtu]);
    check(|have| have.space.as_mut().expect("space").prepared = false, &[PrepareNamespace]);
}

#[test]
fn addresses_are_taken_away_only_when_that_is_allowed() {
    let mut have = right();
    device(&mut have, |mut found| {
        found.addresses.insert(net("169.254.169.254/32"));
        Some(found)
    });
    assert_eq!(plan(&want(), &have, true), Ok(vec![RemoveAddress(net("169.254.169.254/32"))]));
    assert_eq!(plan(&want(), &have, false), Ok(vec![]));
}

#[test]
fn what_is_not_ours_is_not_touched() {
    let mut have = right();
    have.space = Some(Space { ours: false, prepared: false, empty: false, device: None });
    assert_eq!(plan(&want(), &have, true), Err(Foreign::Namespace("qdhcp-n".to_owned())));
    let mut have = right();
    have.tap = Some(Tap { veth: false, mtu: 1450 });
    assert_eq!(plan(&want(), &have, true), Err(Foreign::Device("tap0".to_owned())));
}
