//! What stands in for the hypervisor of a host: makes devices by netlink, without a process
//! for each.

use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use isospin_host_io::{LinkChange, Links, Namespace, Place, VethSpec, checksums_in_software};
use isospin_testkit::lab::Machine;
use isospin_types::MacAddr;

/// A port as the hypervisor is told of it.
#[derive(Debug, Clone)]
pub struct Nic {
    /// The instance's namespace.
    pub netns: String,
    pub tap: String,
    pub mac: MacAddr,
    pub address: Ipv4Addr,
    pub mtu: u32,
}

#[derive(Debug)]
enum Work {
    /// Puts eth0 into each instance; its other end has a name nobody looks for.
    Build(Vec<Nic>),
    /// Gives the other ends their names.
    Plug(Vec<String>),
    /// A cable between two, with nothing of ours in it.
    Cable([(String, Ipv4Addr); 2]),
    /// Takes devices away.
    Unplug(Vec<String>),
}

type Job = (Work, Sender<Result<()>>);

/// The thread that does it, on the machine.
#[derive(Debug)]
pub struct Hypervisor {
    machine: Machine,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Hypervisor {
    /// Starts it. Behind a switch in userspace, instances compute checksums themselves, unless
    /// it passes large packets on.
    pub fn start(machine: &Machine, software_checksums: bool) -> Self {
        let (jobs, inbox) = channel();
        let on = machine.clone();
        let thread =
            std::thread::spawn(move || on.in_network_and_files(move || serve(&inbox, software_checksums)));
        Self { machine: machine.clone(), jobs: Some(jobs), thread: Some(thread) }
    }

    /// Makes namespaces for instances, before anything is measured.
    pub fn boot(&self, names: &[String]) -> Result<()> {
        let line = |name: &String| format!("ip netns add {name}\nip -n {name} link set lo up\n");
        self.machine.script(&names.iter().map(line).collect::<String>())?;
        Ok(())
    }

    /// Makes the devices of instances, before anything is measured.
    pub fn build(&self, nics: Vec<Nic>) -> Result<()> {
        self.ask(Work::Build(nics))
    }

    /// Plugs them in: from here on the agent can see them.
    pub fn plug(&self, taps: Vec<String>) -> Result<()> {
        self.ask(Work::Plug(taps))
    }

    pub fn cable(&self, ends: [(String, Ipv4Addr); 2]) -> Result<()> {
        self.ask(Work::Cable(ends))
    }

    pub fn unplug(&self, taps: Vec<String>) -> Result<()> {
        self.ask(Work::Unplug(taps))
    }

    fn ask(&self, work: Work) -> Result<()> {
        let (reply, answer) = channel();
        let gone = || anyhow!("the hypervisor has ended");
        self.jobs.as_ref().ok_or_else(gone)?.send((work, reply)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

impl Drop for Hypervisor {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // What went wrong was said to whoever asked for it.
            let _ = thread.join();
        }
    }
}

fn serve(inbox: &Receiver<Job>, software_checksums: bool) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let links = runtime.block_on(Links::open(&Place::Host))?;
    let links = links.with_software_checksums(software_checksums);
    while let Ok((work, reply)) = inbox.recv() {
        // Nobody waits any more when this fails.
        let _ = reply.send(runtime.block_on(carry_out(&links, software_checksums, work)));
    }
    Ok(())
}

async fn carry_out(links: &Links, software_checksums: bool, work: Work) -> Result<()> {
    match work {
        Work::Build(nics) => {
            for nic in nics {
                build(links, &nic).await?;
            }
        }
        Work::Plug(taps) => {
            for tap in taps {
                let name = Some(tap.clone());
                links.set(&unplugged(&tap), &LinkChange { name, ..LinkChange::default() }).await?;
                links.set(&tap, &up()).await?;
            }
        }
        Work::Cable([(left, left_ip), (right, right_ip)]) => {
            let (left, right) = (open(&left)?, open(&right)?);
            let inside = Links::open(&Place::Namespace(left.clone())).await?;
            inside.create_veth(&veth("cable0", "cable0", None, 1500, right.clone())).await?;
            for (end, ip) in [(left, left_ip), (right, right_ip)] {
                let place = Place::Namespace(end);
                if software_checksums {
                    checksums_in_software(&place, "cable0").await?;
                }
                let inside = Links::open(&place).await?;
                inside.add_address("cable0", format!("{ip}/24").parse()?).await?;
                inside.set("cable0", &up()).await?;
            }
        }
        Work::Unplug(taps) => {
            for tap in taps {
                links.delete(&tap).await?;
            }
        }
    }
    Ok(())
}

async fn build(links: &Links, nic: &Nic) -> Result<()> {
    let netns = open(&nic.netns)?;
    let name = unplugged(&nic.tap);
    links.create_veth(&veth(&name, "eth0", Some(nic.mac), nic.mtu, netns.clone())).await?;
    let inside = Links::open(&Place::Namespace(netns)).await?;
    inside.add_address("eth0", format!("{}/16", nic.address).parse()?).await?;
    inside.set("eth0", &up()).await?;
    Ok(())
}

/// What a tap is called before it is plugged in.
fn unplugged(tap: &str) -> String {
    tap.replacen("tap", "vif", 1)
}

fn veth(name: &str, peer: &str, mac: Option<MacAddr>, mtu: u32, netns: Namespace) -> VethSpec {
    VethSpec {
        name: name.to_owned(),
        mac: None,
        mtu: Some(mtu),
        alias: None,
        peer_name: peer.to_owned(),
        peer_mac: mac,
        peer_namespace: Some(netns),
    }
}

fn up() -> LinkChange {
    LinkChange { up: Some(true), ..LinkChange::default() }
}

fn open(name: &str) -> Result<Namespace> {
    Namespace::open(name)?.with_context(|| format!("no namespace {name}"))
}
