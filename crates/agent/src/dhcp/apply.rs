//! Carries out the steps of a plan.

use isospin_host_io::{HostError, LinkChange, Links, Namespace, VethSpec, sysctl};

use super::intent::NetworkIntent;
use super::observe::{Door, settings};
use super::plan::Step;

/// Carries out `steps` in order and returns how many were done. `door` is opened
/// when a step makes the namespace.
///
/// # Errors
/// At the first step that fails; the next pass sees what is missing still.
pub async fn apply(
    host: &Links,
    door: &mut Option<Door>,
    want: &NetworkIntent,
    steps: &[Step],
) -> Result<u64, HostError> {
    let mut done = 0;
    for step in steps {
        if *step == Step::CreateNamespace {
            Namespace::create(&want.namespace)?;
            *door = Door::open(&want.namespace).await?;
        } else if let Some(door) = door {
            one(host, door, want, step).await?;
        }
        done += 1;
    }
    Ok(done)
}

async fn one(host: &Links, door: &Door, want: &NetworkIntent, step: &Step) -> Result<(), HostError> {
    let inside = want.inside.as_str();
    match step {
        Step::CreateNamespace => Ok(()),
        Step::PrepareNamespace => {
            sysctl::set_all(&door.place(), &settings()).await?;
            let mark = LinkChange { up: Some(true), alias: Some(want.mark.clone()), ..LinkChange::default() };
            door.links.set("lo", &mark).await
        }
        Step::DeleteTap => host.delete(&want.tap).await,
        Step::DeleteInside => door.links.delete(inside).await,
        Step::CreateDevices => {
            let pair = VethSpec {
                name: want.tap.clone(),
                mac: None,
                mtu: Some(want.mtu),
                alias: None,
                peer_name: want.inside.clone(),
                peer_mac: Some(want.mac),
                peer_namespace: Some(door.namespace.clone()),
            };
            host.create_veth(&pair).await
        }
        Step::SetInside { mac, mtu, up } => {
            let change = LinkChange { up: Some(*up), mtu: *mtu, mac: *mac, ..LinkChange::default() };
            door.links.set(inside, &change).await
        }
        Step::SetTapMtu => {
            host.set(&want.tap, &LinkChange { mtu: Some(want.mtu), ..LinkChange::default() }).await
        }
        Step::AddAddress(net) => door.links.add_address(inside, *net).await,
        Step::RemoveAddress(net) => door.links.delete_address(inside, *net).await,
    }
}

/// Removes a namespace of ours with its device pair.
///
/// # Errors
/// When the kernel refuses; what is left is found by the next sweep.
pub async fn remove(door: Door) -> Result<(), HostError> {
    for link in door.links.list().await? {
        // A pair would live on as long as anything holds the namespace.
        if link.kind == "veth" {
            door.links.delete(&link.name).await?;
        }
    }
    Namespace::delete(door.namespace.name())
}
