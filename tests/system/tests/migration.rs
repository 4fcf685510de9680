//! Live migration as Nova does it: a second binding, the instance plugged in at the
//! destination, the binding activated, the old one deleted; on both drivers.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use isospin_conformance::Api;
use isospin_system::{Guest, Ping, Region, until};
use isospin_testkit::lab::{Capture, Driver, Instance, Plug, addresses, ends};
use serde_json::{Value, json};

/// Two of each driver, and one that is pinged from.
const HOSTS: [Driver; 5] =
    [Driver::OpenVSwitch, Driver::OpenVSwitch, Driver::LinuxBridge, Driver::LinuxBridge, Driver::LinuxBridge];
const WATCHER: usize = 4;
/// Answers a moved instance may owe, of one in a millisecond, on slow machines.
const LOST: usize = 2000;
const PATIENCE: Duration = Duration::from_secs(30);
/// What no group lets in.
const CLOSED: u16 = 6000;
const MARK: &[u8] = b"isospin-forbidden";

#[test]
fn traffic_follows_an_instance_to_another_host() -> Result<()> {
    let Some(region) = Region::start("live migration", &HOSTS)? else { return Ok(()) };
    let nova = nova(&region)?;
    let network = region.network(1, &json!({"network_type": "vxlan"}))?;
    let other = region.network(2, &json!({"network_type": "vxlan"}))?;
    let group = region.admin.create("security-groups", "security_group", &json!({"name": "icmp only"}))?;
    let rule = json!({"security_group_id": group["id"], "direction": "ingress", "protocol": "icmp"});
    region.admin.create("security-group-rules", "security_group_rule", &rule)?;
    let grouped = json!({"security_groups": [group["id"]]});
    let watcher = region.guest(&network, WATCHER, addresses(1, 1), &grouped)?;
    for (octet, from, to) in [(2, 0, 1), (3, 2, 3)] {
        let guest = region.guest(&network, from, addresses(1, octet), &grouped)?;
        let stranger = region.guest(&other, to, addresses(2, octet), &json!({}))?;
        region.settled()?;
        Move { region: &region, nova: &nova, network: &network, watcher: &watcher, guest, stranger, to }
            .check()?;
    }
    Ok(())
}

/// The administrator, who is a service as well.
fn nova(region: &Region) -> Result<Api> {
    let admin = &region.admin;
    let id = |path: &str, key: &str| -> Result<String> {
        let found = admin.identity("GET", path, "")?.body();
        found[key][0]["id"].as_str().map(str::to_owned).with_context(|| format!("{path}: {found}"))
    };
    let (role, user) = (id("/v3/roles?name=service", "roles")?, id("/v3/users?name=admin", "users")?);
    let project = id("/v3/projects?name=admin", "projects")?;
    let grant = format!("/v3/projects/{project}/users/{user}/roles/{role}");
    let reply = admin.identity("PUT", &grant, "")?;
    ensure!(reply.status == 204, "{grant}: {}", reply.status);
    let controller = &region.lab.controller;
    let api = Api::at(&controller.identity(), "admin", &controller.password("admin")?, "admin")?;
    Ok(Api { network: controller.network(), ..api })
}

struct Move<'a> {
    region: &'a Region,
    nova: &'a Api,
    network: &'a Value,
    watcher: &'a Guest,
    guest: Guest,
    /// On another network of the destination.
    stranger: Guest,
    to: usize,
}

impl Move<'_> {
    fn check(&self) -> Result<()> {
        let host = self.region.lab.hosts.get(self.to).context("no such host")?.name();
        let bindings = format!("/ports/{}/bindings", self.guest.id);
        self.asked("POST", &bindings, &json!({"binding": {"host": host}}).to_string(), 201)?;
        let arrived = self.plug()?;
        let watched = self.watcher.ips[0];
        ensure!(arrived.misses(watched), "nothing passes at the destination before");
        // What the instance knew of others moves with its memory.
        let mac = &self.watcher.mac;
        arrived.run(&format!("ip neighbour replace {watched} lladdr {mac} dev eth0 nud permanent"))?;

        let [ip @ IpAddr::V4(v4), _] = self.guest.ips else { anyhow::bail!("no IPv4 address") };
        let mut inside = arrived.within(Capture::open)?;
        let mut beside = self.stranger.instance.within(Capture::open)?;
        let forbidden = Forbidden::start(self.watcher, v4)?;
        let ping = Ping::from(self.watcher, v4)?;
        ensure!(self.watcher.instance.reaches(ip), "it answers where it is");
        self.asked("PUT", &format!("{bindings}/{host}/activate"), "{}", 200)?;
        let path = format!("/ports/{}", self.guest.id);
        until("the port is ACTIVE", PATIENCE, || {
            let port = self.nova.network("GET", &path, "").ok()?.body();
            (port["port"]["status"] == "ACTIVE").then_some(())
        })?;
        ensure!(self.watcher.instance.reaches(ip), "it answers where it went");
        let pinged = ping.finish()?;
        forbidden.finish()?;
        let (lost, sent) = (pinged.lost.len(), pinged.sent);
        println!("host {} to {}: {lost} of {sent} lost, one in a millisecond", self.guest.host, self.to);
        ensure!(lost < LOST, "{lost} of {sent} lost");
        let heard = inside.frames();
        ensure!(!heard.is_empty(), "the instance hears at the destination");
        let closed = heard.iter().filter(|frame| frame.windows(MARK.len()).any(|part| part == MARK)).count();
        ensure!(closed == 0, "{closed} packets passed that no rule allows");
        let foreign = |frame: &&Vec<u8>| ends(frame).contains(&ip);
        let frames = beside.frames();
        ensure!(!frames.iter().any(|frame| foreign(&frame)), "frames on another network");
        ensure!(self.guest.instance.misses(watched), "nothing passes at the source any more");
        self.asked("DELETE", &format!("{bindings}/{}", self.source()?), "", 204)?;
        self.guest.instance.unplug()?;
        ensure!(self.watcher.instance.reaches(ip), "it answers when the source is gone");
        self.region.settled()
    }

    fn source(&self) -> Result<&str> {
        Ok(self.region.lab.hosts.get(self.guest.host).context("no such host")?.name())
    }

    /// The instance at the destination, as the hypervisor there plugs it in.
    fn plug(&self) -> Result<Instance> {
        let short = self.guest.id.get(..11).context("a short id")?;
        let plug = Plug {
            name: &format!("to-{short}"),
            tap: &format!("tap{short}"),
            mac: &self.guest.mac,
            mtu: u32::try_from(self.network["mtu"].as_u64().context("no MTU")?)?,
            addresses: &self.guest.ips,
        };
        self.region.lab.hosts.get(self.to).context("no such host")?.plug(&plug)
    }

    fn asked(&self, method: &str, path: &str, body: &str, status: u16) -> Result<()> {
        let reply = self.nova.network(method, path, body)?;
        ensure!(reply.status == status, "{method} {path}: {} {}", reply.status, reply.body());
        Ok(())
    }
}

/// Packets no rule lets in, all the time.
struct Forbidden {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Forbidden {
    fn start(from: &Guest, to: Ipv4Addr) -> Result<Self> {
        let socket = from.instance.within(|| Ok(UdpSocket::bind(("0.0.0.0", 0))?))?;
        socket.set_read_timeout(Some(Duration::from_millis(1)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                // What cannot be sent does not arrive.
                let _ = socket.send_to(MARK, (to, CLOSED));
                // Nobody answers: this is the pace.
                let _ = socket.recv(&mut [0]);
            }
        });
        Ok(Self { stop, thread })
    }

    fn finish(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the sender panicked"))
    }
}
