//! The fixed part of the tables: the hooks and what they always check.
//!
//! Way of a frame from a tap of ours. `table bridge` knows the device but not
//! connections; `table inet`, called by br_netfilter in between, knows
//! connections but only the bridge. Packet marks carry the profile across.
//!
//! ```text
//! (before nftables)  mark = UNJUDGED, see `l2/barrier.rs`
//! bridge prerouting  sender checks (MAC, IP, ARP, ND, DHCP); mark = profile of the sender
//!   inet prerouting    rules of the sender;                  mark = EGRESS_OK
//! bridge forward     no EGRESS_OK: drop;                     mark = profile of the receiver
//!   inet forward       rules of the receiver;                mark = INGRESS_OK
//! bridge postrouting no INGRESS_OK: drop
//! (after nftables)   no INGRESS_OK: drop
//! ```
//!
//! So when the inet table is gone, or br_netfilter is switched off, IP packets from and
//! to filtered ports stop (N14). ARP carries the same marks; when both tables are gone,
//! what is outside of nftables lets nothing pass without them.

use super::values::Table;

/// Mark of a frame from a filtered port that no rule has looked at yet. Given outside of
/// nftables; dropped wherever it is met after the first chain.
pub const UNJUDGED: u32 = 0x1e80_0000;
/// Mark of a packet the sender's rules let pass.
pub const EGRESS_OK: u32 = 0x1ec0_0000;
/// Mark of a packet the receiver's rules let pass.
pub const INGRESS_OK: u32 = 0x1fc0_0000;
/// Added to a profile's number in the mark of a packet on its way to egress rules.
pub const EGRESS_BASE: u32 = 0x1e00_0000;
/// The same for ingress rules.
pub const INGRESS_BASE: u32 = 0x1f00_0000;
/// Bit in a connection's mark: it lost the rule that allowed it. Packets of its
/// original direction are judged anew, and the bit goes when they pass; until
/// then answers stop.
pub const CUT: u32 = 0x2000_0000;

/// Name of both tables.
pub const TABLE: &str = "isospin_fw";
/// An empty chain that names the version of this layout: a table without it is
/// replaced whole.
pub const LAYOUT: &str = "layout_1";

const IP: &str = "ether type { ip, ip6 }";

/// The bridge table without ports.
#[must_use]
pub fn bridge() -> Table {
    let mut table = Table::default();
    table.chain(LAYOUT, None, [""; 0]);
    for set in ["secured", "open", "foreign"] {
        table.declare(set, "set", "type ifname;");
    }
    table.declare("mac", "set", "type ifname . ether_addr;");
    table.declare("lladdr", "set", "typeof iifname . @th,208,48;");
    table.declare("pair4", "set", "type ifname . ether_addr . ipv4_addr;");
    table.declare("range4", "set", "type ifname . ether_addr . ipv4_addr; flags interval;");
    table.declare("pair6", "set", "type ifname . ether_addr . ipv6_addr;");
    table.declare("range6", "set", "type ifname . ether_addr . ipv6_addr; flags interval;");
    table.declare("nd6", "set", "typeof iifname . @th,64,128;");
    table.declare("ndrange6", "set", "typeof iifname . @th,64,128; flags interval;");
    table.declare("egress", "map", "type ifname : mark;");
    table.declare("ingress", "map", "type ifname : mark;");
    hooks(&mut table);
    senders(&mut table);
    neighbours(&mut table);
    receivers(&mut table);
    table
}

fn hooks(table: &mut Table) {
    let unknown = |device: &str| format!("{device} \"tap*\" drop");
    table.chain(
        "prerouting",
        Some("type filter hook prerouting priority -200;"),
        [
            "iifname @secured goto from_secured".to_owned(),
            "iifname @open accept".to_owned(),
            "iifname @foreign accept".to_owned(),
            unknown("iifname"),
        ],
    );
    table.chain(
        "input",
        Some("type filter hook input priority -200;"),
        [
            format!("iifname @secured meta mark != {EGRESS_OK:#x} drop"),
            "iifname @secured meta mark set 0".to_owned(),
        ],
    );
    table.chain(
        "forward",
        Some("type filter hook forward priority -200;"),
        [
            format!("iifname @secured meta mark != {EGRESS_OK:#x} drop"),
            "oifname @secured goto to_secured".to_owned(),
            "iifname @secured meta mark set 0".to_owned(),
            "oifname @open accept".to_owned(),
            "oifname @foreign accept".to_owned(),
            unknown("oifname"),
        ],
    );
    table.chain(
        "output",
        Some("type filter hook output priority -200;"),
        [
            "oifname @secured goto to_secured_from_host".to_owned(),
            "oifname @open accept".to_owned(),
            "oifname @foreign accept".to_owned(),
            unknown("oifname"),
        ],
    );
    table.chain(
        "postrouting",
        Some("type filter hook postrouting priority 0;"),
        [format!("oifname @secured meta mark != {INGRESS_OK:#x} drop")],
    );
}

const PASS: &str = "meta mark set iifname map @egress accept";

fn senders(table: &mut Table) {
    // A tag shows as ethertype 0x8100 or 0x88a8, so tagged frames end in the drop.
    table.chain(
        "from_secured",
        None,
        [
            "iifname . ether saddr != @mac drop",
            "ether type vmap { ip : goto from_secured4, ip6 : goto from_secured6, arp : goto from_secured_arp }",
            "drop",
        ],
    );
    // No rules of groups look at ARP.
    let sent = format!("meta mark set {EGRESS_OK:#x} accept");
    table.chain(
        "from_secured_arp",
        None,
        [
            // Other lengths would move the addresses away from where they are looked for.
            "arp htype != 1 drop".to_owned(),
            "arp ptype != ip drop".to_owned(),
            "arp hlen != 6 drop".to_owned(),
            "arp plen != 4 drop".to_owned(),
            format!("iifname . arp saddr ether . arp saddr ip @pair4 {sent}"),
            format!("iifname . arp saddr ether . arp saddr ip @range4 {sent}"),
            format!("arp operation request arp saddr ip 0.0.0.0 iifname . arp saddr ether @mac {sent}"),
            "drop".to_owned(),
        ],
    );
    let pair4 = "iifname . ether saddr . ip saddr";
    table.chain(
        "from_secured4",
        None,
        [
            "udp sport 67 udp dport 68 drop".to_owned(),
            format!("{pair4} @pair4 {PASS}"),
            format!("{pair4} @range4 {PASS}"),
            format!("ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 {PASS}"),
            "drop".to_owned(),
        ],
    );
    let pair6 = "iifname . ether saddr . ip6 saddr";
    table.chain(
        "from_secured6",
        None,
        [
            "udp sport 547 udp dport 546 drop".to_owned(),
            "icmpv6 type { 134, 137 } drop".to_owned(),
            "icmpv6 type { 133, 135, 136 } goto neighbour".to_owned(),
            // Headers hidden behind a fragment header would be seen whole only
            // after reassembly, past these checks (RFC 7112).
            "frag nexthdr { 0, 43, 44, 60, 135 } drop".to_owned(),
            format!("{pair6} @pair6 {PASS}"),
            format!("{pair6} @range6 {PASS}"),
            format!("ip6 saddr :: icmpv6 type {{ 131, 143 }} {PASS}"),
            "drop".to_owned(),
        ],
    );
}

/// Neighbour discovery in the plain form only: no extension headers (RFC 6980),
/// at most one option, and that at its place, so that fixed offsets find it.
fn neighbours(table: &mut Table) {
    let pair = "iifname . ether saddr . ip6 saddr";
    table.chain(
        "neighbour",
        None,
        [
            "ip6 nexthdr != 58 drop".to_owned(),
            "ip6 hoplimit != 255 drop".to_owned(),
            format!("{pair} @pair6 goto neighbour_claims"),
            format!("{pair} @range6 goto neighbour_claims"),
            "ip6 saddr :: icmpv6 type { 133, 135 } goto neighbour_claims".to_owned(),
            "drop".to_owned(),
        ],
    );
    // The option of a solicitation and of an advertisement starts 24 bytes into
    // ICMPv6; a router solicitation's 8 bytes into it.
    let option = |kind: &str, length: u8, at: u16, lladdr: u16| {
        format!(
            "icmpv6 type {kind} ip6 length {length} @th,{at},16 {{ 0x0101, 0x0201 }} iifname . @th,{lladdr},48 @lladdr {PASS}"
        )
    };
    table.chain(
        "neighbour_claims",
        None,
        [
            "icmpv6 type 136 goto neighbour_target".to_owned(),
            format!("icmpv6 type 133 ip6 length 8 {PASS}"),
            option("133", 16, 64, 80),
            format!("icmpv6 type 135 ip6 length 24 {PASS}"),
            option("135", 32, 192, 208),
            // A nonce (RFC 7527) instead: duplicate address detection.
            format!("icmpv6 type 135 ip6 length 32 @th,192,16 0x0e01 {PASS}"),
            "drop".to_owned(),
        ],
    );
    table.chain(
        "neighbour_target",
        None,
        [
            "iifname . @th,64,128 @nd6 goto neighbour_advert",
            "iifname . @th,64,128 @ndrange6 goto neighbour_advert",
            "drop",
        ],
    );
    table.chain(
        "neighbour_advert",
        None,
        [format!("ip6 length 24 {PASS}"), option("136", 32, 192, 208), "drop".to_owned()],
    );
}

/// Frames to a filtered port: addressed to it or to many, and of a known kind.
/// Unicast flooded by the bridge never shows a port what is for another (N16).
fn receivers(table: &mut Table) {
    let arp = format!("ether type arp meta mark set {INGRESS_OK:#x} accept");
    let stranger = "ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 oifname . ether daddr != @mac drop";
    table.chain(
        "to_secured",
        None,
        [
            stranger.to_owned(),
            arp.clone(),
            format!("{IP} meta mark set oifname map @ingress accept"),
            "drop".to_owned(),
        ],
    );
    table.chain(
        "to_secured_from_host",
        None,
        [stranger.to_owned(), arp, format!("{IP} meta mark {INGRESS_OK:#x} accept"), "drop".to_owned()],
    );
}

/// The inet table without ports and groups.
#[must_use]
pub fn inet() -> Table {
    let mut table = Table::default();
    table.chain(LAYOUT, None, [""; 0]);
    table.declare("zones", "map", "typeof iifname : ct zone;");
    table.declare("bridges", "set", "type ifname;");
    table.declare("egress", "map", "type mark : verdict;");
    table.declare("ingress", "map", "type mark : verdict;");
    table.declare("host4", "map", "type ifname . ipv4_addr : verdict;");
    table.declare("host6", "map", "type ifname . ipv6_addr : verdict;");
    // Before defragmentation (-400): fragments of two networks must not meet either.
    table.chain(
        "zone_in",
        Some("type filter hook prerouting priority -450;"),
        [format!("meta mark {UNJUDGED:#x} drop"), "ct zone set iifname map @zones".to_owned()],
    );
    table.chain(
        "zone_out",
        Some("type filter hook output priority -450;"),
        ["ct zone set oifname map @zones"],
    );
    table.chain("prerouting", Some("type filter hook prerouting priority 0;"), ["meta mark vmap @egress"]);
    table.chain("forward", Some("type filter hook forward priority 0;"), ["meta mark vmap @ingress"]);
    let forgive =
        format!("ct direction original ct mark & {CUT:#x} == {CUT:#x} ct mark set ct mark & {:#x}", !CUT);
    table.chain("input", Some("type filter hook input priority 0;"), [forgive.clone()]);
    table.chain(
        "postrouting",
        Some("type filter hook postrouting priority 0;"),
        [
            forgive,
            format!("meta mark {INGRESS_OK:#x} accept"),
            // What the host itself sends or routes to a port: no forward hook sees it on a bridge.
            "oifname . ip daddr vmap @host4".to_owned(),
            "oifname . ip6 daddr vmap @host6".to_owned(),
            format!(
                "oifname @bridges icmpv6 type {{ 130, 134, 135, 136 }} meta mark set {INGRESS_OK:#x} accept"
            ),
        ],
    );
    always(&mut table);
    table
}

/// What holds for every filtered port, whatever its groups.
fn always(table: &mut Table) {
    // Again after reassembly: the bridge table saw fragments.
    table.chain(
        "never_out",
        None,
        [
            "meta nfproto ipv4 udp sport 67 udp dport 68 drop",
            "meta nfproto ipv6 udp sport 547 udp dport 546 drop",
            "icmpv6 type { 134, 137 } drop",
        ],
    );
    table.chain(
        "always_out",
        None,
        [
            format!("meta nfproto ipv4 udp sport 68 udp dport 67 meta mark set {EGRESS_OK:#x} accept"),
            format!("meta nfproto ipv6 udp sport 546 udp dport 547 meta mark set {EGRESS_OK:#x} accept"),
            format!(
                "icmpv6 type {{ 130, 131, 132, 133, 135, 136, 143 }} meta mark set {EGRESS_OK:#x} accept"
            ),
        ],
    );
    table.chain(
        "always_in",
        None,
        [
            format!("meta nfproto ipv4 udp sport 67 udp dport 68 meta mark set {INGRESS_OK:#x} accept"),
            format!("meta nfproto ipv6 udp sport 547 udp dport 546 meta mark set {INGRESS_OK:#x} accept"),
            format!("icmpv6 type {{ 130, 134, 135, 136 }} meta mark set {INGRESS_OK:#x} accept"),
        ],
    );
}
