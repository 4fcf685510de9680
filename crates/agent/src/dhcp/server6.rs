//! The DHCPv6 server without its sockets (RFC 8415 §18.3).
//!
//! Clients are known by the Ethernet address their frame came from, not by the
//! identifier they claim. Addresses are the port's own; a client's first
//! association gets all of them, further ones get none. No prefixes, no
//! temporary addresses, no relays.

use std::net::Ipv6Addr;

use isospin_types::MacAddr;

use super::encode;
use super::extra::Effect;
use super::leases::{INFINITE, Lease, Leases};
use super::wire6::{Association, Kind, Message, Writer, code, status};

/// Answers one UDP payload from the Ethernet address `sender`; `multicast` is
/// whether it was sent to all servers. The answer goes back to its source.
#[must_use]
pub fn answer(leases: &Leases, sender: MacAddr, multicast: bool, payload: &[u8]) -> Option<Vec<u8>> {
    let request = Message::parse(payload)?;
    let lease = leases.get(sender)?;
    let server_id = server_id(leases.service().server.mac);
    check_identifiers(&request, &server_id)?;
    let base = |kind| {
        let start = Writer::message(kind, request.xid).option(code::SERVER_ID, &server_id);
        match request.option(code::CLIENT_ID) {
            Some(client) => start.option(code::CLIENT_ID, client),
            None => start,
        }
    };
    if !multicast {
        // RFC 8415 §16, §18.3.2: not without a server unicast option, which we never give.
        let told = request.option(code::SERVER_ID).is_some();
        return told.then(|| base(Kind::Reply).status(status::USE_MULTICAST, "use multicast").bytes());
    }
    let stateful = leases.addresses6(lease).any(|(subnet, _)| subnet.stateful);
    let rapid = request.option(code::RAPID_COMMIT).is_some();
    let answer = match request.kind {
        Kind::Solicit if !stateful => return None,
        Kind::Solicit if rapid => {
            let reply = base(Kind::Reply).option(code::RAPID_COMMIT, []);
            options(associations(reply, leases, lease, &request), leases, lease, &request)
        }
        Kind::Solicit => {
            options(associations(base(Kind::Advertise), leases, lease, &request), leases, lease, &request)
        }
        Kind::Request | Kind::Renew | Kind::Rebind => {
            options(associations(base(Kind::Reply), leases, lease, &request), leases, lease, &request)
        }
        Kind::Confirm => base(Kind::Reply).status(on_link(leases, &request)?, ""),
        Kind::Release | Kind::Decline => base(Kind::Reply).status(status::SUCCESS, ""),
        Kind::InformationRequest => {
            leases.addresses6(lease).next()?;
            options(base(Kind::Reply), leases, lease, &request)
        }
        Kind::Advertise | Kind::Reply => return None,
    };
    Some(answer.bytes())
}

/// DUID of link-layer form (RFC 8415 §11.4): the same for the port wherever it is served.
fn server_id(mac: MacAddr) -> Vec<u8> {
    [&[0, 3, 0, 1], &mac.octets()[..]].concat()
}

/// Which identifiers a message must and must not carry (RFC 8415 §16.2-16.12).
fn check_identifiers(request: &Message<'_>, own: &[u8]) -> Option<()> {
    let client = request.option(code::CLIENT_ID).is_some_and(|id| (1..=130).contains(&id.len()));
    let server = request.option(code::SERVER_ID);
    let right = match request.kind {
        Kind::Solicit | Kind::Confirm | Kind::Rebind => client && server.is_none(),
        Kind::Request | Kind::Renew | Kind::Release | Kind::Decline => client && server == Some(own),
        Kind::InformationRequest => server.is_none_or(|id| id == own),
        Kind::Advertise | Kind::Reply => false,
    };
    right.then_some(())
}

/// Whether all addresses the client holds belong to this link; `None` when it names none.
fn on_link(leases: &Leases, request: &Message<'_>) -> Option<u16> {
    let mut held = request
        .associations(code::IA_NA)
        .chain(request.associations(code::IA_TA))
        .flat_map(|association| association.addresses)
        .peekable();
    held.peek()?;
    let local =
        |address: Ipv6Addr| leases.service().subnets6.values().any(|subnet| subnet.prefix.contains(&address));
    Some(if held.all(local) { status::SUCCESS } else { status::NOT_ON_LINK })
}

fn associations(mut reply: Writer, leases: &Leases, lease: &Lease, request: &Message<'_>) -> Writer {
    let own: Vec<Ipv6Addr> =
        leases.addresses6(lease).filter(|(subnet, _)| subnet.stateful).map(|(_, address)| address).collect();
    let lifetime = leases.service().server.lease_time;
    for (index, association) in request.associations(code::IA_NA).enumerate() {
        let given = if index == 0 { own.as_slice() } else { &[] };
        reply = reply.option(code::IA_NA, addresses(&association, given, lifetime));
    }
    for association in request.associations(code::IA_TA) {
        let inside = Writer::fixed(association.id).status(status::NO_ADDRESSES, "no temporary addresses");
        reply = reply.option(code::IA_TA, inside.bytes());
    }
    for association in request.associations(code::IA_PD) {
        let inside = Writer::fixed([&association.id[..], &[0; 8]].concat());
        reply = reply.option(code::IA_PD, inside.status(status::NO_PREFIX, "no prefixes").bytes());
    }
    reply
}

/// The inside of an association: its addresses, and lifetime 0 for those the
/// client holds and should not.
fn addresses(association: &Association, given: &[Ipv6Addr], lifetime: u32) -> Vec<u8> {
    let (renew, rebind) =
        if lifetime == INFINITE { (lifetime, lifetime) } else { (lifetime / 2, lifetime / 5 * 4) };
    let head = [association.id, renew.to_be_bytes(), rebind.to_be_bytes()].concat();
    let mut inside = Writer::fixed(head);
    for address in given {
        inside = inside.address(*address, lifetime);
    }
    for stale in association.addresses.iter().filter(|held| !given.contains(held)) {
        inside = inside.address(*stale, 0);
    }
    if given.is_empty() {
        inside = inside.status(status::NO_ADDRESSES, "no address");
    }
    inside.bytes()
}

/// DNS servers and search list when asked for, and the port's own options.
fn options(mut reply: Writer, leases: &Leases, lease: &Lease, request: &Message<'_>) -> Writer {
    let sent = |code: u16| {
        let own = |effect: &Effect| matches!(effect, Effect::Send { code: c, .. } | Effect::Omit { code: c } if *c == code);
        lease.extra6.iter().any(|extra| own(&extra.effect))
    };
    let mut dns: Vec<Ipv6Addr> = Vec::new();
    for (subnet, _) in leases.addresses6(lease) {
        dns.extend(subnet.dns.iter().filter(|server| !dns.contains(server)).copied().collect::<Vec<_>>());
    }
    if request.wants(code::DNS_SERVERS) && !dns.is_empty() && !sent(code::DNS_SERVERS) {
        reply = reply.option(code::DNS_SERVERS, encode::addresses6(&dns));
    }
    let domain = encode::domain(&leases.service().server.domain);
    if let Some(domain) = domain.filter(|_| request.wants(code::DOMAIN_LIST) && !sent(code::DOMAIN_LIST)) {
        reply = reply.option(code::DOMAIN_LIST, domain);
    }
    for extra in &lease.extra6 {
        if let Effect::Send { code, value } = &extra.effect {
            reply = reply.option(*code, value);
        }
    }
    reply
}
