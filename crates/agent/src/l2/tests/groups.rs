//! Security groups with real connections.

use isospin_feed::facts::{Direction, FactKey, Remote, Segment};
use isospin_host_io::sysctl;

use super::facts::{allow_port, change, config, default_group, group, network, port, rule};
use super::lab::{Backend, Lab, carries, eventually, state};
use crate::converge::ItemState;
use crate::firewall::rule::TCP;

#[tokio::test(flavor = "multi_thread")]
async fn the_default_group_lets_its_members_in_and_answers_out() {
    if !super::can_run() {
        return;
    }
    for backend in Backend::all() {
        default_group_and_answers(backend).await;
    }
}

async fn default_group_and_answers(backend: Backend) {
    let mut facts = Default::default();
    let net = network(&mut facts, Segment::Local);
    let ours = default_group(&mut facts);
    let theirs = default_group(&mut facts);
    let a = port(&mut facts, net, &["10.0.0.1", "fd00::1"], &[ours]);
    let b = port(&mut facts, net, &["10.0.0.2", "fd00::2"], &[ours]);
    let c = port(&mut facts, net, &["10.0.0.3", "fd00::3"], &[theirs]);
    let mut lab = Lab::on(backend, config(), facts).await;
    let [ga, gb, gc] = lab.start([a, b, c]).await;
    assert!(ga.reaches("10.0.0.2").await && gb.reaches("10.0.0.1").await);
    assert!(ga.reaches("fd00::2").await);
    assert!(gc.misses("10.0.0.1").await, "not a member");
    assert!(gc.misses("fd00::1").await, "not a member");
    // A new member is one element of one set.
    change(&mut lab.facts, c, |port| {
        port.security_group_ids.insert(ours);
    });
    let member = isospin_feed::facts::SecurityGroupMember {
        security_group_id: ours,
        port_id: c,
        addresses: ["10.0.0.3/32".parse().expect("net")].into(),
    };
    lab.facts.security_group_members.insert((ours, c), member.into());
    lab.pass(&[FactKey::Port(c), FactKey::SecurityGroupMember(ours, c)], &[]).await;
    assert!(gc.reaches("10.0.0.1").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn n29_a_rule_opens_a_port_and_closing_it_cuts_the_connection() {
    if !super::can_run() {
        return;
    }
    for backend in Backend::all() {
        a_rule_opens_a_port_and_closing_it_cuts_the_connection(backend).await;
    }
}

async fn a_rule_opens_a_port_and_closing_it_cuts_the_connection(backend: Backend) {
    let mut facts = Default::default();
    let net = network(&mut facts, Segment::Local);
    let [servers, clients] = [default_group(&mut facts), default_group(&mut facts)];
    let server = port(&mut facts, net, &["10.0.0.1"], &[servers]);
    let client = port(&mut facts, net, &["10.0.0.2"], &[clients]);
    let mut lab = Lab::on(backend, config(), facts).await;
    let [gs, gc] = lab.start([server, client]).await;
    let [closed, kept] = [gs.listen(80).await, gs.listen(81).await];
    assert!(gc.connect("10.0.0.1", 80).await.is_none(), "no rule yet");

    let web = allow_port(&mut lab.facts, servers, TCP, 80);
    let other = allow_port(&mut lab.facts, servers, TCP, 81);
    lab.pass(&[web, other].map(FactKey::SecurityGroupRule), &[]).await;
    let mut near = gc.opens("10.0.0.1", 80).await;
    let (mut far, _) = closed.accept().expect("accepted");
    let mut near_kept = gc.opens("10.0.0.1", 81).await;
    let (mut far_kept, _) = kept.accept().expect("accepted");
    assert!(carries(&mut near, &mut far) && carries(&mut far, &mut near));

    let rule = lab.facts.security_group_rules.remove(&web).expect("rule");
    let report = lab.pass(&[FactKey::SecurityGroupRule(web)], &[]).await;
    assert!(report.changes > 0 && !report.retry, "{report:?}");
    // Both ways: an answer must not open the connection anew from the other side.
    assert!(!carries(&mut far, &mut near), "the server's side is cut");
    assert!(!carries(&mut near, &mut far), "the client's side is cut");
    assert!(
        carries(&mut near_kept, &mut far_kept) && carries(&mut far_kept, &mut near_kept),
        "others run on"
    );
    assert!(gc.connect("10.0.0.1", 80).await.is_none(), "and no new one comes up");

    // The rule comes back: TCP tries again by itself, and what was held back arrives.
    lab.facts.security_group_rules.insert(web, rule);
    lab.pass(&[FactKey::SecurityGroupRule(web)], &[]).await;
    let (near, far) = (std::cell::RefCell::new(near), std::cell::RefCell::new(far));
    assert!(eventually(|| async { carries(&mut near.borrow_mut(), &mut far.borrow_mut()) }).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn n29_an_answer_does_not_open_a_cut_connection_again() {
    if !super::can_run() {
        return;
    }
    for backend in Backend::all() {
        an_answer_does_not_open_a_cut_connection_again(backend).await;
    }
}

async fn an_answer_does_not_open_a_cut_connection_again(backend: Backend) {
    let mut facts = Default::default();
    let net = network(&mut facts, Segment::Local);
    let servers = default_group(&mut facts);
    let web = allow_port(&mut facts, servers, TCP, 80);
    let server = port(&mut facts, net, &["10.0.0.1"], &[servers]);
    // A router's port: whatever the server sends it is let in, as the first packet too.
    let router = port(&mut facts, net, &["10.0.0.2"], &[]);
    change(&mut facts, router, |port| port.device_owner = "network:router_interface".to_owned());
    let mut lab = Lab::on(backend, config(), facts).await;
    let [gs, gr] = lab.start([server, router]).await;
    let listener = gs.listen(80).await;
    let mut near = gr.opens("10.0.0.1", 80).await;
    let (mut far, _) = listener.accept().expect("accepted");
    assert!(carries(&mut near, &mut far));
    lab.facts.security_group_rules.remove(&web);
    lab.pass(&[FactKey::SecurityGroupRule(web)], &[]).await;
    assert!(!carries(&mut far, &mut near), "the server talks on, and is not heard");
    assert!(!carries(&mut near, &mut far), "nor is it reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn n14_packets_stop_when_the_bridge_no_longer_calls_the_firewall() {
    if !super::can_run() {
        return;
    }
    let mut facts = Default::default();
    let net = network(&mut facts, Segment::Local);
    let ours = default_group(&mut facts);
    let a = port(&mut facts, net, &["10.0.0.1", "fd00::1"], &[ours]);
    let b = port(&mut facts, net, &["10.0.0.2", "fd00::2"], &[ours]);
    // One without filters: nothing is checked where it sends, so it must be where others receive.
    let c = port(&mut facts, net, &["10.0.0.3"], &[ours]);
    change(&mut facts, c, |port| port.port_security_enabled = false);
    let mut lab = Lab::new(config(), facts).await;
    let [ga, _gb, gc] = lab.start([a, b, c]).await;
    assert!(ga.reaches("10.0.0.2").await && ga.reaches("fd00::2").await && gc.reaches("10.0.0.1").await);
    let tap = format!("oifname \"{}\"", lab.tap(a));
    let watch = format!(
        "nft 'add table bridge watch; add chain bridge watch post {{ type filter hook postrouting priority 50; }}; \
         add rule bridge watch post {} ip protocol icmp counter'",
        tap
    );
    lab.shell(&watch).await;
    for name in ["iptables", "ip6tables"] {
        let key = format!("net.bridge.bridge-nf-call-{name}");
        assert!(sysctl::set(&lab.host.place(), &key, "0").await.expect("reset"));
    }
    assert!(ga.misses("10.0.0.2").await && ga.misses("fd00::2").await, "closed, not open");
    assert!(gc.misses("10.0.0.1").await);
    let seen = lab.shell("nft list table bridge watch").await;
    assert!(seen.contains("counter packets 0"), "no echo request came out to the filtered port: {seen}");
    let report = lab.pass(&[], &[]).await;
    assert_eq!(report.changes, 2, "the next pass, of any scope, sets them again");
    assert!(ga.reaches("10.0.0.2").await && ga.reaches("fd00::2").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn n14_a_lost_table_closes_and_the_next_full_pass_heals() {
    if !super::can_run() {
        return;
    }
    let mut facts = Default::default();
    let net = network(&mut facts, Segment::Local);
    let [ours, theirs] = [default_group(&mut facts), default_group(&mut facts)];
    let a = port(&mut facts, net, &["10.0.0.1"], &[ours]);
    let b = port(&mut facts, net, &["10.0.0.2"], &[ours]);
    let c = port(&mut facts, net, &["10.0.0.3"], &[theirs]);
    let mut lab = Lab::new(config(), facts).await;
    let [ga, _gb, gc] = lab.start([a, b, c]).await;
    lab.shell("nft delete table inet isospin_fw").await;
    assert!(ga.misses("10.0.0.2").await, "closed without the inet table");
    assert!(lab.full_pass().await.changes > 0);
    assert!(ga.reaches("10.0.0.2").await);
    lab.shell("nft flush table bridge isospin_fw; nft flush chain inet isospin_fw always_in").await;
    assert!(lab.full_pass().await.changes > 0);
    assert!(ga.reaches("10.0.0.2").await && gc.misses("10.0.0.1").await);
    assert_eq!(lab.full_pass().await.changes, 0, "a healthy host is left alone");
    lab.restart();
    assert_eq!(lab.full_pass().await.changes, 0, "also by an agent that knows nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn n17_a_rule_that_cannot_be_programmed_stops_no_other() {
    if !super::can_run() {
        return;
    }
    for backend in Backend::all() {
        a_rule_that_cannot_be_programmed_stops_no_other(backend).await;
    }
}

async fn a_rule_that_cannot_be_programmed_stops_no_other(backend: Backend) {
    let mut facts = Default::default();
    let net = network(&mut facts, Segment::Local);
    let [servers, clients] = [default_group(&mut facts), default_group(&mut facts)];
    let bad = rule(&mut facts, servers, |rule| {
        rule.protocol = Some(112);
        rule.port_range_min = Some(1);
        rule.port_range_max = Some(9);
    });
    // N18: overlapping ranges, from prefixes inside each other.
    for (prefix, first, last) in [("0.0.0.0/0", 70, 85), ("10.0.0.0/8", 80, 90), ("10.0.0.0/24", 60, 100)] {
        rule(&mut facts, servers, |rule| {
            rule.protocol = Some(TCP);
            (rule.port_range_min, rule.port_range_max) = (Some(first), Some(last));
            rule.remote = Remote::Prefix(prefix.parse().expect("prefix"));
        });
    }
    let server = port(&mut facts, net, &["10.0.0.1"], &[servers]);
    let client = port(&mut facts, net, &["10.0.0.2"], &[clients]);
    let mut lab = Lab::on(backend, config(), facts).await;
    let [gs, gc] = [lab.plug(server).await, lab.plug(client).await];
    let report = lab.full_pass().await;
    assert_eq!(state(&report, server), Some(ItemState::Up));
    let failed = report.items.iter().find(|item| item.key == FactKey::SecurityGroupRule(bad));
    let reason = failed.map(|item| item.state.clone());
    assert_eq!(reason, Some(ItemState::Failed("protocol 112 has no ports to match".to_owned())));
    for port in [60, 75, 100] {
        let _listener = gs.listen(port).await;
        gc.opens("10.0.0.1", port).await;
    }
    let _listener = gs.listen(101).await;
    assert!(gc.connect("10.0.0.1", 101).await.is_none());
    assert_eq!(lab.full_pass().await.changes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stateless_group_needs_a_rule_for_the_answer() {
    if !super::can_run() {
        return;
    }
    for backend in Backend::all() {
        stateless_group(backend).await;
    }
}

async fn stateless_group(backend: Backend) {
    let mut facts = Default::default();
    let net = network(&mut facts, Segment::Local);
    let open = group(&mut facts);
    for direction in [Direction::Ingress, Direction::Egress] {
        rule(&mut facts, open, |rule| rule.direction = direction);
    }
    let stateless = group(&mut facts);
    let info = facts.security_groups.get_mut(&stateless).expect("group");
    std::sync::Arc::make_mut(info).stateful = false;
    rule(&mut facts, stateless, |rule| rule.direction = Direction::Egress);
    let a = port(&mut facts, net, &["10.0.0.1"], &[open]);
    let b = port(&mut facts, net, &["10.0.0.2"], &[stateless]);
    let mut lab = Lab::on(backend, config(), facts).await;
    let [_ga, gb] = lab.start([a, b]).await;
    assert!(gb.misses("10.0.0.1").await, "the answer has no rule");
    let icmp = rule(&mut lab.facts, stateless, |rule| rule.protocol = Some(1));
    lab.pass(&[FactKey::SecurityGroupRule(icmp)], &[]).await;
    assert!(gb.reaches("10.0.0.1").await);
}
