//! What a real switch holds after a change is what was sent.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use isospin_feed::facts::{Facts, Port};
use isospin_host_io::Switch as Door;
use isospin_host_io::openflow::{Action, Field, Flow, FlowTable, Layers, Part, Value, ethertype};
use isospin_testkit::lab::Switch;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use super::can_run;
use super::lab::Temporary;
use crate::firewall::openflow::{Judged, Placed, Rules, base};
use crate::firewall::policy::{Folds, Kept, Policy};
use crate::firewall::testing::{self, config, mac};

const COOKIE: u64 = 0xab;

/// The flows of a firewall for these facts, and one with each other action.
fn flows_of(facts: &Facts) -> Layers<u32> {
    let bridge_of = |port: &Port| Some(port.network_id.to_string());
    let kept = Kept::default();
    let policy = Policy::of(facts, &config(), bridge_of, Default::default(), &kept, &mut Folds::of(facts));
    let (mut fixed, mut rules, mut ports) = (others(), FlowTable::default(), FlowTable::default());
    base(&mut fixed);
    Rules::of(&policy).for_each(|(_, part)| part.add(&mut rules));
    for (number, port) in (1..).zip(facts.ports.values()) {
        if let Some(judged) = Judged::of(&policy, &port.tap_name()) {
            judged.add(&mut ports, Placed { number, vlan: 1 });
        }
    }
    Layers((0..).zip([fixed, rules, ports].map(Arc::new)).collect())
}

/// What the firewall does not use.
fn others() -> FlowTable {
    let (v4, v6) = (Ipv4Addr::new(10, 0, 0, 1), Ipv6Addr::LOCALHOST);
    let arp = vec![Field::EthType(ethertype::ARP), Field::Vlan(7), Field::ArpTarget(v4)];
    let nd = |kind| vec![Field::EthType(ethertype::IPV6), Field::Protocol(58), Field::IcmpType(kind)];
    let each = [
        (vec![Field::TunnelId(7)], vec![Action::PushVlan(7), Action::SetVlan(8), Action::StripVlan]),
        (vec![Field::ToGroup(true)], vec![Action::SetTunnel(7), Action::ForgetInPort, Action::Output(1)]),
        (vec![Field::ToGroup(false)], vec![Action::Normal]),
        (
            vec![Field::EthDst(mac(1))],
            vec![Action::LearnSenders { table: 20, seconds: 300, cookie: COOKIE }, Action::InPort],
        ),
        (vec![Field::EthType(ethertype::IPV4)], vec![Action::SetDscp(26), Action::Resubmit(8)]),
        (
            arp,
            vec![
                Action::Move(Part::EthSource, Part::EthDestination),
                Action::Set(Value::EthSource(mac(1))),
                Action::LoadPart(Part::ArpOp, 2),
                Action::Move(Part::ArpSenderMac, Part::ArpTargetMac),
                Action::Move(Part::ArpSender, Part::ArpTarget),
                Action::LoadPart(Part::ArpSenderMac, 7),
                Action::LoadPart(Part::ArpSender, u32::from(v4).into()),
            ],
        ),
        (
            nd(135),
            vec![
                Action::Set(Value::Icmp6Type(136)),
                Action::Set(Value::Icmp6Code(0)),
                Action::Set(Value::NdOptionsType(2)),
                Action::Set(Value::NdReserved(0x6000_0000)),
            ],
        ),
        (
            nd(136),
            vec![
                Action::Move(Part::Ipv6Source, Part::Ipv6Destination),
                Action::Set(Value::Ipv6Source(v6)),
                Action::Set(Value::NdTargetMac(mac(1))),
                Action::Clone(vec![Action::Load(9, 1), Action::Resubmit(8)]),
            ],
        ),
    ];
    let mut flows = FlowTable::default();
    for (fields, actions) in each {
        flows.add(Flow { table: 7, priority: 7, fields, actions });
    }
    flows
}

#[tokio::test(flavor = "multi_thread")]
async fn n18_a_switch_holds_what_was_sent_and_a_change_is_what_differs() {
    if !can_run() {
        return;
    }
    let host = Temporary::new("flows");
    let mut switch = Switch::in_namespace(host.0.name()).expect("switch");
    let bridge = "add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure \
         protocols=OpenFlow10,OpenFlow13,OpenFlow14";
    switch.vsctl(bridge).expect("bridge");
    let door = Door::open(switch.run_dir());
    let mut runner = TestRunner::deterministic();
    let mut before = Layers::default();
    for _ in 0..12 {
        let facts = testing::facts().new_tree(&mut runner).expect("facts").current();
        let wanted = flows_of(&facts);
        let by_look = door.compare("br0", COOKIE, &wanted).await.expect("compared");
        let by_memory = wanted.since(&before, COOKIE);
        // A flow that another layer takes over goes and comes back.
        assert!(by_look.len() <= by_memory.len());
        door.apply("br0", &by_memory).await.expect("changed");
        assert!(door.compare("br0", COOKIE, &wanted).await.expect("compared").is_empty());
        let count: usize = wanted.0.values().map(|layer| layer.len()).sum();
        assert_eq!(switch.flows("br0").expect("flows").lines().count(), count);
        before = wanted;
    }
    // What others change is mended, and theirs stays.
    switch.ofctl("del-flows", "br0", &["table=82"]).expect("deleted");
    switch.ofctl("add-flow", "br0", &["cookie=0xab,table=5,priority=1,actions=drop"]).expect("added");
    switch.ofctl("add-flow", "br0", &["cookie=0xcd,table=5,priority=2,actions=drop"]).expect("added");
    let needed = door.compare("br0", COOKIE, &before).await.expect("compared");
    assert_eq!(needed.removed(), 1);
    door.apply("br0", &needed).await.expect("mended");
    assert!(door.compare("br0", COOKIE, &before).await.expect("compared").is_empty());
    assert!(switch.flows("br0").expect("flows").contains("cookie=0xcd"));
    // One that was started again has ended the line that was kept.
    switch.restart().expect("switch");
    let needed = loop {
        match door.compare("br0", COOKIE, &before).await {
            Ok(needed) => break needed,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    assert!(!needed.is_empty());
    door.apply("br0", &needed).await.expect("made anew");
    assert!(door.compare("br0", COOKIE, &before).await.expect("compared").is_empty());
    // A bundle with something wrong in it changes nothing.
    let mut wrong = FlowTable::default();
    wrong.add(Flow { table: 5, priority: 7, fields: Vec::new(), actions: Vec::new() });
    let fields = vec![Field::ArpOp(1)];
    wrong.add(Flow { table: 5, priority: 8, fields, actions: Vec::new() });
    let wrong = Layers(BTreeMap::from([(0_u32, Arc::new(wrong))]));
    let error = door.apply("br0", &wrong.since(&Layers::default(), COOKIE)).await.expect_err("refused");
    assert!(error.reason().contains("OpenFlow error 4, 9"), "{}", error.reason());
    assert!(!switch.flows("br0").expect("flows").contains("priority=7 actions=drop"));
}
