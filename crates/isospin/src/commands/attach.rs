//! `isospin attach` and `detach`: a network namespace in the place of a machine.
//!
//! Does what a hypervisor does: binds the port to this host and makes its tap, here
//! the host end of a veth pair, with the port's MAC and MTU on the inner end.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use isospin_client::Session;
use isospin_host_io::{BridgeSpec, LinkChange, Links, Namespace, Place, Tools, VethSpec, sysctl};
use isospin_types::{MacAddr, PortId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::state_dir::{StateDir, read_json, write_json, write_private};
use crate::{cli, cloud};

/// Where `ip netns exec` finds files that take the place of those in /etc.
const RESOLVERS: &str = "/etc/netns";

/// What `detach` must undo.
#[derive(Debug, Serialize, Deserialize)]
struct Attachment {
    port_id: PortId,
    netns: String,
    device: String,
    made_namespace: bool,
    gave_owner: bool,
}

pub async fn attach(arguments: cli::Attach) -> Result<()> {
    let state = StateDir::new(arguments.place.state_dir)?;
    require_root()?;
    if arguments.dhcp {
        Tools::require(&["ip", "udhcpc"])?;
    }
    let session = cloud::admin(&state).await?;
    let port = cloud::find(&session, "ports", "port", &arguments.port).await?;
    let device = plug(&state, &session, &port, &arguments.netns).await?;
    cloud::wait_active(&session, "ports", "port", text(&port, "id")?).await?;
    if arguments.dhcp {
        configure(&state, &arguments.netns, &device).await?;
    }
    say(&arguments.netns, &device).await
}

pub async fn detach(arguments: cli::Detach) -> Result<()> {
    let state = StateDir::new(arguments.place.state_dir)?;
    require_root()?;
    let session = cloud::admin(&state).await?;
    let id = match arguments.port.parse::<PortId>() {
        Ok(id) => id,
        Err(_) => text(&cloud::find(&session, "ports", "port", &arguments.port).await?, "id")?.parse()?,
    };
    unplug(&state, &session, id).await
}

/// Binds the port to this host and plugs it into the namespace; the inner device's name.
pub async fn plug(state: &StateDir, session: &Session, port: &Value, netns: &str) -> Result<String> {
    let id: PortId = text(port, "id")?.parse()?;
    let path = record_path(state, id);
    if read_json::<Attachment>(&path)?.is_some() {
        bail!("port {id} is attached already: `isospin detach {id}` first");
    }
    let mtu =
        session.get(&format!("/networks/{}?fields=mtu", text(port, "network_id")?)).await?["network"]["mtu"]
            .as_u64()
            .and_then(|mtu| u32::try_from(mtu).ok())
            .context("the network has no MTU")?;
    let mac: MacAddr = text(port, "mac_address")?.parse()?;

    let existing = Namespace::open(netns)?;
    let made_namespace = existing.is_none();
    let namespace = match existing {
        Some(namespace) => namespace,
        None => Namespace::create(netns)?,
    };
    let inside = Links::open(&Place::Namespace(namespace.clone())).await?;
    let device = free_name(&inside).await?;
    let gave_owner = text(port, "device_owner")?.is_empty();
    write_json(
        &path,
        &Attachment {
            port_id: id,
            netns: netns.to_owned(),
            device: device.clone(),
            made_namespace,
            gave_owner,
        },
    )?;
    let mut change = json!({"binding:host_id": cloud::host(state)?});
    if gave_owner {
        change["device_owner"] = json!("compute:nova");
    }
    if text(port, "device_id")?.is_empty() {
        change["device_id"] = json!(uuid::Uuid::new_v4().to_string());
    }
    let bound = session.put(&format!("/ports/{id}"), json!({"port": change})).await?;
    if bound["port"]["binding:vif_type"] == "binding_failed" {
        bail!("port {id} cannot be bound to this host: its agent cannot wire the port's network");
    }
    let details = &bound["port"]["binding:vif_details"];
    let in_userspace = details["datapath_type"] == "netdev";
    let is_hybrid = details["ovs_hybrid_plug"] == true;
    let host = Links::open(&Place::Host).await?.with_software_checksums(in_userspace);
    wire(&host, &inside, namespace, &device, id, mac, mtu).await?;
    if is_hybrid {
        join(&host, id, mtu).await?;
    }
    Ok(device)
}

/// Puts the tap on a kernel bridge of its own, with a pair to the switch, as os-vif does
/// for drivers with hybrid plugging; the agent takes the far end into the switch.
async fn join(host: &Links, id: PortId, mtu: u32) -> Result<()> {
    let [tap, bridge, near, far] = ["tap", "qbr", "qvb", "qvo"].map(|prefix| device_of(prefix, id));
    let spec = BridgeSpec {
        mtu: Some(mtu),
        ageing: Some(0),
        multicast_snooping: Some(false),
        ..BridgeSpec::default()
    };
    host.create_bridge(&bridge, &spec).await?;
    host.create_veth(&VethSpec {
        name: near.clone(),
        mac: None,
        mtu: Some(mtu),
        alias: None,
        peer_name: far,
        peer_mac: None,
        peer_namespace: None,
    })
    .await?;
    for device in [&bridge, &near] {
        // A kernel without IPv6 has no such setting.
        let _ = sysctl::set(&Place::Host, &format!("net/ipv6/conf/{device}/disable_ipv6"), "1").await;
    }
    let up = LinkChange { up: Some(true), ..LinkChange::default() };
    let inside = LinkChange { master: Some(Some(bridge.clone())), ..up.clone() };
    host.set(&bridge, &up).await?;
    host.set(&near, &inside).await?;
    host.set(&tap, &inside).await?;
    Ok(())
}

/// The name of a device of a port.
fn device_of(prefix: &str, id: PortId) -> String {
    format!("{prefix}{}", id.device_suffix())
}

async fn wire(
    host: &Links,
    inside: &Links,
    namespace: Namespace,
    device: &str,
    id: PortId,
    mac: MacAddr,
    mtu: u32,
) -> Result<()> {
    let tap = device_of("tap", id);
    host.create_veth(&VethSpec {
        name: tap.clone(),
        mac: None,
        mtu: Some(mtu),
        alias: None,
        peer_name: device.to_owned(),
        peer_mac: Some(mac),
        peer_namespace: Some(namespace),
    })
    .await?;
    for link in ["lo", device] {
        inside.set(link, &LinkChange { up: Some(true), ..LinkChange::default() }).await?;
    }
    host.set(&tap, &LinkChange { up: Some(true), ..LinkChange::default() }).await?;
    Ok(())
}

/// Takes the port out of its namespace, and the namespace away if it was made for it.
pub async fn unplug(state: &StateDir, session: &Session, id: PortId) -> Result<()> {
    let path = record_path(state, id);
    let Some(attachment) = read_json::<Attachment>(&path)? else {
        bail!("port {id} is not attached on this host");
    };
    let host = Links::open(&Place::Host).await?;
    // A pair goes with its first end; what is absent was never made.
    for prefix in ["tap", "qvb", "qbr"] {
        host.delete(&device_of(prefix, id)).await?;
    }
    let mut change = json!({"binding:host_id": ""});
    if attachment.gave_owner {
        change["device_owner"] = json!("");
        change["device_id"] = json!("");
    }
    match session.put(&format!("/ports/{id}"), json!({"port": change})).await {
        Ok(_) => {}
        Err(error) if error.status() == Some(404) => {}
        Err(error) => return Err(error.into()),
    }
    if attachment.made_namespace && !still_used(state, &attachment)? {
        Namespace::delete(&attachment.netns)?;
        forget_resolver(&attachment.netns)?;
    }
    std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
}

/// Removes what the DHCP client's script wrote for the namespace.
fn forget_resolver(netns: &str) -> Result<()> {
    let folder = Path::new(RESOLVERS).join(netns);
    match std::fs::remove_file(folder.join("resolv.conf")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}/resolv.conf", folder.display()));
        }
        _ => {}
    }
    // Other files of the namespace are not ours: then the folders stay.
    let _ = std::fs::remove_dir(&folder).and_then(|()| std::fs::remove_dir(RESOLVERS));
    Ok(())
}

/// Whether another attached port is in the same namespace.
fn still_used(state: &StateDir, gone: &Attachment) -> Result<bool> {
    for entry in std::fs::read_dir(state.attachments())? {
        let other: Option<Attachment> = read_json(&entry?.path())?;
        if other.is_some_and(|other| other.netns == gone.netns && other.port_id != gone.port_id) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs the DHCP client until it has a lease.
pub async fn configure(state: &StateDir, netns: &str, device: &str) -> Result<()> {
    let script = state.root().join("dhcp-script");
    write_private(&script, include_bytes!("dhcp-script.sh"))?;
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let output = tokio::process::Command::new("ip")
        .args(["netns", "exec", netns, "udhcpc", "-i", device, "-f", "-n", "-q", "-t", "8", "-T", "1", "-s"])
        .arg(&script)
        .arg("-O121")
        .env("ISOSPIN_NETNS", netns)
        .output()
        .await
        .context("cannot run udhcpc")?;
    if !output.status.success() {
        bail!("no DHCP lease on {device} in {netns}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is the command's answer")]
async fn say(netns: &str, device: &str) -> Result<()> {
    let namespace = Namespace::open(netns)?.with_context(|| format!("namespace {netns} has gone"))?;
    let links = Links::open(&Place::Namespace(namespace)).await?;
    let addresses: Vec<String> =
        links.addresses(Some(device)).await?.iter().map(|address| address.net.to_string()).collect();
    println!("{device} in {netns}: ACTIVE {}", addresses.join(" "));
    println!("ip netns exec {netns} bash");
    Ok(())
}

/// eth0, or the first ethN that is free.
async fn free_name(inside: &Links) -> Result<String> {
    let taken: Vec<String> = inside.list().await?.into_iter().map(|link| link.name).collect();
    (0..64)
        .map(|number| format!("eth{number}"))
        .find(|name| !taken.contains(name))
        .context("no free device name")
}

fn record_path(state: &StateDir, id: PortId) -> PathBuf {
    state.attachments().join(format!("{id}.json"))
}

fn text<'a>(object: &'a Value, key: &str) -> Result<&'a str> {
    object[key].as_str().with_context(|| format!("the API gave no {key}"))
}

fn require_root() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("attaching and detaching change devices of this host: run as root");
    }
    Ok(())
}
