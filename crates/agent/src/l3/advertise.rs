//! Router advertisements (RFC 4861) on internal ports with IPv6 subnets that ask
//! for them: one task per port, in process.
//!
//! Promises: a task that fails ends alone and is started again by the next pass;
//! solicitations cost a bounded number of answers; nothing here waits for
//! anything outside its own port. Agents that stop say no farewell, so hosts
//! keep their route while an agent restarts.

use std::net::Ipv6Addr;
use std::time::Duration;

use isospin_host_io::raw::{Icmp6Message, Icmp6Socket};
use isospin_host_io::{HostError, Place};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::intent::Advertisement;

const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// Bounds of the random time between unsolicited advertisements.
const INTERVAL: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(100));
/// The first few come quicker (MAX_INITIAL_RTR_ADVERTISEMENTS, RFC 4861 §10).
const INITIAL_COUNT: u32 = 3;
const INITIAL_INTERVAL: Duration = Duration::from_secs(16);
/// MIN_DELAY_BETWEEN_RAS: multicasts are never closer.
const MULTICAST_GAP: Duration = Duration::from_secs(3);
/// Answers to single hosts within one gap; more are left to the next multicast.
const ANSWERS_PER_GAP: u32 = 32;

/// Seconds a host keeps us as its default router: as long as RFC 4861 §6.2.1
/// allows, for it must outlast an agent that is down.
const ROUTER_LIFETIME: u16 = 9000;
/// Seconds; the defaults of RFC 4861 would be 30 and 7 days.
const PREFIX_VALID: u32 = 86_400;
const PREFIX_PREFERRED: u32 = 14_400;

/// A port's running advertiser.
#[derive(Debug)]
pub(super) struct Advertiser {
    wanted: watch::Sender<Option<Advertisement>>,
    task: JoinHandle<Result<(), HostError>>,
}

impl Advertiser {
    /// Starts advertising on a device that is up.
    ///
    /// # Errors
    /// When the device is gone or the kernel refuses.
    pub(super) async fn start(place: &Place, device: &str, wanted: Advertisement) -> Result<Self, HostError> {
        let socket = Icmp6Socket::open(place, device, SOLICITATION, ALL_ROUTERS).await?;
        let (sender, receiver) = watch::channel(Some(wanted));
        let task = tokio::spawn(serve(socket, receiver));
        Ok(Self { wanted: sender, task })
    }

    /// Changes what is advertised; nothing happens when it is the same.
    pub(super) fn update(&self, wanted: &Advertisement) {
        self.wanted.send_if_modified(|now| {
            let differs = now.as_ref() != Some(wanted);
            *now = Some(wanted.clone());
            differs
        });
    }

    /// Whether the task ended, which it does only by failing.
    pub(super) fn has_failed(&self) -> bool {
        self.task.is_finished()
    }

    /// Says farewell, so that hosts forget the route, and ends.
    pub(super) async fn finish(mut self) {
        let _ = self.wanted.send(None);
        // Sending one message takes no time; a task that hangs is dropped.
        let _ = tokio::time::timeout(Duration::from_millis(200), &mut self.task).await;
    }
}

impl Drop for Advertiser {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    socket: Icmp6Socket,
    mut wanted: watch::Receiver<Option<Advertisement>>,
) -> Result<(), HostError> {
    let mut schedule = Schedule::new(Instant::now());
    loop {
        let destination = tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() || wanted.borrow_and_update().is_none() {
                    return farewell(&socket);
                }
                schedule.restart(Instant::now());
                None
            }
            () = sleep_until(schedule.next_multicast()) => {
                schedule.sent(Instant::now());
                Some(ALL_NODES)
            }
            received = socket.receive() => {
                solicitor(&received?).and_then(|from| schedule.answer(Instant::now(), from))
            }
        };
        let body = wanted.borrow().as_ref().map(|wanted| message(wanted, ROUTER_LIFETIME));
        if let Some((destination, body)) = destination.zip(body) {
            tolerate(socket.send(destination, &body))?;
        }
    }
}

/// A full queue or a missing neighbour loses one message, as the wire may.
fn tolerate(sent: Result<(), HostError>) -> Result<(), HostError> {
    match sent {
        Err(error) if error.is_not_found() => Err(error),
        Err(error) => {
            tracing::debug!(error = %error.reason(), "a router advertisement was not sent");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn farewell(socket: &Icmp6Socket) -> Result<(), HostError> {
    // Router lifetime 0 alone: prefixes end by themselves.
    let mut body = vec![ADVERTISEMENT, 0, 0, 0];
    body.extend([0; 12]);
    tolerate(socket.send(ALL_NODES, &body))
}

/// When to send what.
#[derive(Debug)]
struct Schedule {
    next: Instant,
    last_multicast: Option<Instant>,
    initial_left: u32,
    gap_started: Instant,
    answers: u32,
}

impl Schedule {
    fn new(now: Instant) -> Self {
        Self { next: now, last_multicast: None, initial_left: INITIAL_COUNT, gap_started: now, answers: 0 }
    }

    fn next_multicast(&self) -> Instant {
        self.next
    }

    /// Something new is to be said: as soon as allowed.
    fn restart(&mut self, now: Instant) {
        self.initial_left = INITIAL_COUNT;
        self.soon(now);
    }

    fn soon(&mut self, now: Instant) {
        let earliest = self.last_multicast.map_or(now, |last| last + MULTICAST_GAP);
        self.next = self.next.min(earliest.max(now));
    }

    fn sent(&mut self, now: Instant) {
        self.last_multicast = Some(now);
        self.initial_left = self.initial_left.saturating_sub(1);
        self.next = now + if self.initial_left > 0 { INITIAL_INTERVAL } else { random_between(INTERVAL) };
    }

    /// Where to answer a solicitation; `None` when the next multicast will do it.
    fn answer(&mut self, now: Instant, from: Solicitor) -> Option<Ipv6Addr> {
        if now >= self.gap_started + MULTICAST_GAP {
            (self.gap_started, self.answers) = (now, 0);
        }
        match from {
            Solicitor::Host(ip) if self.answers < ANSWERS_PER_GAP => {
                self.answers += 1;
                Some(ip)
            }
            Solicitor::Host(_) | Solicitor::Unnamed => {
                self.soon(now);
                None
            }
        }
    }
}

fn random_between((from, to): (Duration, Duration)) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    from + (to - from).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Solicitor {
    /// A host with a link-local address.
    Host(Ipv6Addr),
    /// A host without an address we may answer from ours.
    Unnamed,
}

/// Who asks; `None` for a message that is not a valid solicitation (RFC 4861 §6.1.1).
fn solicitor(message: &Icmp6Message) -> Option<Solicitor> {
    let valid = message.hop_limit == 255
        && message.body.len() >= 8
        && message.body.starts_with(&[SOLICITATION, 0])
        && options_are_whole(&message.body[8..]);
    let host = message.source.is_unicast_link_local();
    valid.then_some(if host { Solicitor::Host(message.source) } else { Solicitor::Unnamed })
}

/// Every option has a length, and that length is there.
fn options_are_whole(mut options: &[u8]) -> bool {
    while !options.is_empty() {
        match options.get(1).map(|length| usize::from(*length) * 8) {
            Some(length) if length > 0 && length <= options.len() => options = &options[length..],
            _ => return false,
        }
    }
    true
}

/// The message, from its type on, with the checksum left to the kernel.
fn message(wanted: &Advertisement, lifetime: u16) -> Vec<u8> {
    let flags = if wanted.managed { 0x80 } else { 0 } | if wanted.other { 0x40 } else { 0 };
    // Type, code, checksum, hop limit, flags.
    let mut body = vec![ADVERTISEMENT, 0, 0, 0, 64, flags];
    body.extend(lifetime.to_be_bytes());
    // Reachable time and retransmission timer: not ours to say.
    body.extend([0; 8]);
    body.extend([1, 1]);
    body.extend(wanted.mac.octets());
    if wanted.mtu >= 1280 {
        body.extend([5, 1, 0, 0]);
        body.extend(wanted.mtu.to_be_bytes());
    }
    for (prefix, autonomous) in &wanted.prefixes {
        body.extend([3, 4, prefix.prefix_len(), 0x80 | if *autonomous { 0x40 } else { 0 }]);
        body.extend(PREFIX_VALID.to_be_bytes());
        body.extend(PREFIX_PREFERRED.to_be_bytes());
        body.extend([0; 4]);
        body.extend(prefix.network().octets());
    }
    if !wanted.dns.is_empty() {
        let length = u8::try_from(1 + 2 * wanted.dns.len()).unwrap_or(u8::MAX);
        body.extend([25, length, 0, 0]);
        body.extend(u32::from(ROUTER_LIFETIME).to_be_bytes());
        body.extend(wanted.dns.iter().flat_map(Ipv6Addr::octets));
    }
    body
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use isospin_types::MacAddr;

    use super::*;

    fn advertisement() -> Advertisement {
        Advertisement {
            mac: MacAddr::new([0xfa, 0x16, 0x3e, 1, 2, 3]),
            mtu: 1450,
            managed: false,
            other: true,
            prefixes: BTreeMap::from([("fd00:1::/64".parse().expect("prefix"), true)]),
            dns: vec!["fd00:1::53".parse().expect("ip")],
        }
    }

    #[test]
    fn the_message_is_what_the_rfc_says_octet_by_octet() {
        let body = message(&advertisement(), 9000);
        let hex: Vec<String> =
            body.chunks(8).map(|row| row.iter().map(|b| format!("{b:02x}")).collect()).collect();
        let wanted = [
            "8600000040402328", // type, code, checksum, hop limit 64, O, lifetime 9000
            "0000000000000000",
            "0101fa163e010203", // source link-layer address
            "05010000000005aa", // MTU 1450
            "030440c000015180", // prefix /64, L and A, valid 86400
            "0000384000000000", // preferred 14400
            "fd00000100000000",
            "0000000000000000",
            "1903000000002328", // RDNSS
            "fd00000100000000",
            "0000000000000053",
        ];
        assert_eq!(hex, wanted);
    }

    #[test]
    fn stateful_prefixes_are_on_link_only_and_small_mtus_are_not_told() {
        let mut wanted = advertisement();
        wanted.managed = true;
        wanted.other = false;
        wanted.mtu = 1200;
        wanted.prefixes.values_mut().for_each(|autonomous| *autonomous = false);
        wanted.dns.clear();
        let body = message(&wanted, 0);
        assert_eq!((body[5], &body[6..8]), (0x80, &[0, 0][..]));
        assert_eq!(body.len(), 16 + 8 + 32, "no MTU, no DNS");
        assert_eq!(body[24 + 3], 0x80);
    }

    #[test]
    fn only_valid_solicitations_are_answered() {
        let ask = |source: &str, hop_limit, body: &[u8]| {
            solicitor(&Icmp6Message { source: source.parse().expect("ip"), hop_limit, body: body.to_vec() })
        };
        let plain = [133, 0, 0, 0, 0, 0, 0, 0];
        let host = Solicitor::Host("fe80::1".parse().expect("ip"));
        assert_eq!(ask("fe80::1", 255, &plain), Some(host));
        assert_eq!(ask("::", 255, &plain), Some(Solicitor::Unnamed));
        assert_eq!(ask("fd00::1", 255, &plain), Some(Solicitor::Unnamed));
        assert_eq!(ask("fe80::1", 64, &plain), None, "it came through a router");
        assert_eq!(ask("fe80::1", 255, &plain[..7]), None);
        assert_eq!(ask("fe80::1", 255, &[&plain[..], &[1, 0]].concat()), None, "an option of no length");
        assert_eq!(ask("fe80::1", 255, &[&plain[..], &[1, 2, 0, 0, 0, 0, 0, 0]].concat()), None);
    }

    #[test]
    fn n10_a_flood_of_solicitations_costs_a_bounded_number_of_answers() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        schedule.sent(start);
        let host = Solicitor::Host("fe80::1".parse().expect("ip"));
        let answers = (0..10_000).filter(|_| schedule.answer(start, host).is_some()).count();
        assert_eq!(answers, ANSWERS_PER_GAP as usize);
        assert_eq!(schedule.next_multicast(), start + MULTICAST_GAP, "the rest get one multicast");
        assert!(schedule.answer(start + MULTICAST_GAP, host).is_some());
    }

    #[test]
    fn the_first_advertisements_come_quickly_then_at_random() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        assert_eq!(schedule.next_multicast(), start);
        for _ in 1..INITIAL_COUNT {
            schedule.sent(start);
            assert_eq!(schedule.next_multicast(), start + INITIAL_INTERVAL);
        }
        for _ in 0..100 {
            schedule.sent(start);
            let wait = schedule.next_multicast() - start;
            assert!(wait >= INTERVAL.0 && wait <= INTERVAL.1, "{wait:?}");
        }
        schedule.restart(start);
        assert_eq!(schedule.next_multicast(), start + MULTICAST_GAP, "a change is told as soon as allowed");
    }
}
