//! The DHCPv4 server without its sockets: a request in, an answer out (RFC 2131 §4.3).
//!
//! Leases are fixed: the server never remembers what it said. A client gets one
//! of its port's addresses; any other address it asks for is refused; clients
//! of no port are left to other servers. Relayed requests are ignored, for a
//! network is one segment; so is BOOTP.

use std::net::Ipv4Addr;

use isospin_types::MacAddr;

use super::encode;
use super::extra::{Effect, Extra};
use super::leases::{INFINITE, Lease, Leases, Subnet4};
use super::wire4::{Kind, RawOption, Reply, Request, code};

/// An answer and where it goes. The frame always goes to the client's own
/// Ethernet address, also when the IP destination is broadcast: other ports
/// have no business with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub client: MacAddr,
    pub payload: Vec<u8>,
}

/// What a request led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Answer(Answer),
    /// The client found its address in use by somebody else.
    Declined(Ipv4Addr),
    Ignored,
}

/// Answers one UDP payload that came from the Ethernet address `sender`.
#[must_use]
pub fn answer(leases: &Leases, sender: MacAddr, payload: &[u8]) -> Outcome {
    let Ok(request) = Request::parse(payload) else { return Outcome::Ignored };
    if request.chaddr != sender {
        return Outcome::Ignored;
    }
    let Some(lease) = leases.get(sender) else { return Outcome::Ignored };
    let reply = match request.kind {
        Kind::Discover => offer(leases, lease, &request),
        Kind::Request => confirm(leases, lease, &request),
        Kind::Inform => inform(leases, lease, &request),
        Kind::Decline => {
            let address = request.address(code::REQUESTED_ADDRESS).unwrap_or(Ipv4Addr::UNSPECIFIED);
            return Outcome::Declined(address);
        }
        // A fixed lease is there again for the next request.
        Kind::Release | Kind::Offer | Kind::Ack | Kind::Nak => None,
    };
    reply.map_or(Outcome::Ignored, Outcome::Answer)
}

/// The address asked for when it is the client's, else its first.
fn offer(leases: &Leases, lease: &Lease, request: &Request) -> Option<Answer> {
    let wanted = request.address(code::REQUESTED_ADDRESS);
    let (subnet, address) = leases
        .addresses4(lease)
        .find(|(_, address)| Some(*address) == wanted)
        .or_else(|| leases.addresses4(lease).next())?;
    Some(grant(leases, lease, request, Kind::Offer, subnet, address))
}

/// SELECTING, INIT-REBOOT, RENEWING and REBINDING differ in where the address
/// stands (RFC 2131 §4.3.2).
fn confirm(leases: &Leases, lease: &Lease, request: &Request) -> Option<Answer> {
    let served = || leases.service().subnets4.values();
    if let Some(chosen) = request.address(code::SERVER_ID)
        && !served().any(|subnet| subnet.server == chosen)
    {
        return None;
    }
    let wanted = request.address(code::REQUESTED_ADDRESS).unwrap_or(request.ciaddr);
    if wanted.is_unspecified() {
        return None;
    }
    match leases.addresses4(lease).find(|(_, address)| *address == wanted) {
        Some((subnet, address)) => Some(grant(leases, lease, request, Kind::Ack, subnet, address)),
        None => {
            let (subnet, _) = leases.addresses4(lease).next()?;
            Some(refuse(request, subnet.server))
        }
    }
}

/// Options for a client that has its address from elsewhere; no lease.
fn inform(leases: &Leases, lease: &Lease, request: &Request) -> Option<Answer> {
    let (subnet, _) = leases
        .addresses4(lease)
        .find(|(subnet, address)| *address == request.ciaddr || subnet.prefix.contains(&request.ciaddr))?;
    let mut reply = blank(request, Kind::Ack);
    fill(&mut reply, leases, lease, request, subnet, request.ciaddr);
    Some(addressed(leases, request, reply, subnet.server))
}

fn grant(
    leases: &Leases,
    lease: &Lease,
    request: &Request,
    kind: Kind,
    subnet: &Subnet4,
    address: Ipv4Addr,
) -> Answer {
    let mut reply = blank(request, kind);
    reply.yiaddr = address;
    reply.options.extend(times(leases.service().server.lease_time));
    fill(&mut reply, leases, lease, request, subnet, address);
    addressed(leases, request, reply, subnet.server)
}

fn refuse(request: &Request, server: Ipv4Addr) -> Answer {
    let mut reply = blank(request, Kind::Nak);
    reply.ciaddr = Ipv4Addr::UNSPECIFIED;
    reply.options.push(RawOption::new(code::SERVER_ID, server.octets()));
    reply.options.push(RawOption::new(code::MESSAGE, "address not available"));
    let payload = reply.to_bytes(request.payload_limit());
    Answer { source: server, destination: Ipv4Addr::BROADCAST, client: request.chaddr, payload }
}

/// Where the answer goes (RFC 2131 §4.1): to the client's address if it has one;
/// broadcast if it says it must; else to the address it is about to get.
fn addressed(leases: &Leases, request: &Request, reply: Reply, source: Ipv4Addr) -> Answer {
    let destination = if !request.ciaddr.is_unspecified() {
        request.ciaddr
    } else if request.broadcast {
        Ipv4Addr::BROADCAST
    } else {
        reply.yiaddr
    };
    let limit = request.payload_limit().min(usize::from(leases.service().server.mtu).saturating_sub(28));
    Answer { source, destination, client: request.chaddr, payload: reply.to_bytes(limit) }
}

fn blank(request: &Request, kind: Kind) -> Reply {
    Reply {
        kind,
        xid: request.xid,
        broadcast: request.broadcast,
        ciaddr: if kind == Kind::Offer { Ipv4Addr::UNSPECIFIED } else { request.ciaddr },
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: Ipv4Addr::UNSPECIFIED,
        chaddr: request.chaddr,
        boot_file: Vec::new(),
        options: Vec::new(),
    }
}

/// Lease time; renewal after a half, rebinding after seven eighths (RFC 2131 §4.4.5).
fn times(lease: u32) -> Vec<RawOption> {
    let option = |code, seconds: u32| RawOption::new(code, seconds.to_be_bytes());
    if lease == INFINITE {
        return vec![option(code::LEASE_TIME, lease)];
    }
    vec![
        option(code::LEASE_TIME, lease),
        option(code::RENEWAL_TIME, lease / 2),
        option(code::REBINDING_TIME, lease - lease / 8),
    ]
}

/// Sent whether asked for or not: without them the client's interface is wrong.
const ALWAYS: [u8; 3] = [code::SUBNET_MASK, code::BROADCAST, code::MTU];

/// Adds what the subnet and the port say to the times that are there already.
fn fill(
    reply: &mut Reply,
    leases: &Leases,
    lease: &Lease,
    request: &Request,
    subnet: &Subnet4,
    address: Ipv4Addr,
) {
    reply.options.insert(0, RawOption::new(code::SERVER_ID, subnet.server.octets()));
    let asked_by_number = request.option(code::PARAMETER_LIST).is_some();
    let wanted = |option: &&RawOption| match option.code {
        code if ALWAYS.contains(&code) => true,
        code::CLASSLESS_ROUTES_MS => asked_by_number && request.wants(option.code),
        code => request.wants(code),
    };
    reply.options.extend(subnet.options.iter().filter(wanted).cloned());
    if request.wants(code::HOST_NAME) {
        reply.options.push(RawOption::new(code::HOST_NAME, lease.host_name(address)));
    }
    let domain = &leases.service().server.domain;
    if request.wants(code::DOMAIN_NAME) && encode::is_name(domain) {
        reply.options.push(RawOption::new(code::DOMAIN_NAME, domain.trim_end_matches('.')));
    }
    let ipxe = request.option(code::IPXE).is_some();
    for extra in lease.extra4.iter().filter(|extra| extra.ipxe.is_none_or(|only| only == ipxe)) {
        apply(reply, request, extra);
    }
}

/// A port's own option replaces the server's, and is sent unasked: somebody
/// wants this client to have it.
fn apply(reply: &mut Reply, request: &Request, extra: &Extra) {
    match &extra.effect {
        Effect::NextServer(address) => reply.siaddr = *address,
        Effect::Omit { code } => reply.options.retain(|option| u16::from(option.code) != *code),
        Effect::Send { code, value } => {
            let Ok(code) = u8::try_from(*code) else { return };
            // Without a lease there are no times either.
            if code == code::LEASE_TIME && request.kind == Kind::Inform {
                return;
            }
            if code == code::BOOT_FILE && !request.wants(code) && value.len() < 128 {
                reply.boot_file.clone_from(value);
            }
            match reply.options.iter_mut().find(|option| option.code == code) {
                Some(option) => option.value.clone_from(value),
                None => reply.options.push(RawOption::new(code, value.clone())),
            }
        }
    }
}
