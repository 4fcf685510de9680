//! Counting what passes a gateway, with real packets.

use isospin_feed::facts::Direction;
use isospin_types::MeteringLabelId;

use super::qos::{DATAGRAMS, send};
use super::*;
use crate::l3::tests::facts::random;
use crate::l3::tests::metering::rule;

/// Bytes of one datagram with its IP header.
const SIZE: u64 = 1028;

impl Lab {
    /// Packets and bytes under the label, as the agent tells them now.
    async fn metered(&mut self, label: MeteringLabelId) -> (u64, u64) {
        let report = self.pass().await;
        assert_eq!(report.changes, 0, "a healthy host is left alone");
        let label = label.to_string();
        let of_label = report.metered.iter().find(|metered| metered.label == label).expect("counted");
        (of_label.packets, of_label.bytes)
    }

    /// Sends datagrams, and waits for them to be counted.
    async fn counts_after(&mut self, from: &Namespace, to: &'static str, label: MeteringLabelId) {
        let (packets, bytes) = self.metered(label).await;
        send(from, to).await;
        let wanted = (packets + DATAGRAMS, bytes + DATAGRAMS * SIZE);
        let mut counted = (packets, bytes);
        for _ in 0..50 {
            counted = self.metered(label).await;
            if counted.0 >= wanted.0 {
                break;
            }
        }
        assert_eq!(counted, wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_the_gateway_is_counted_under_its_labels() {
    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    let (out, in_): (MeteringLabelId, MeteringLabelId) = (random(), random());
    lab.world.change(usual.router, |router| {
        let egress = rule(Direction::Egress, false, "10.20.0.0/24", "");
        router.metering.insert(out, BTreeSet::from([egress]));
        router.metering.insert(in_, BTreeSet::from([rule(Direction::Ingress, false, "", "10.20.0.146/32")]));
    });
    lab.pass_and_plug(&usual).await;
    let outside = lab.machine("ext", "172.24.0.1/16", None).await;
    let floating = lab.machine("int", "10.20.0.146/24", Some("10.20.0.1")).await;
    let plain = lab.machine("int", "10.20.0.20/24", Some("10.20.0.1")).await;
    assert!(reaches(&plain, "172.24.0.1").await && reaches(&outside, "172.24.0.76").await);
    assert!(reaches(&floating, "172.24.0.1").await);

    // Refusals would count the other way.
    for machine in [&outside, &floating] {
        accept_nothing(machine).await;
    }
    lab.counts_after(&plain, "172.24.0.1", out).await;
    lab.counts_after(&floating, "172.24.0.1", out).await;
    lab.counts_after(&outside, "172.24.0.76", in_).await;

    // A rule that leaves something out; what was counted stays.
    let (before, _) = lab.metered(out).await;
    assert!(before >= 2 * DATAGRAMS);
    lab.world.change(usual.router, |router| {
        let without = rule(Direction::Egress, true, "10.20.0.20/32", "");
        router.metering.entry(out).or_default().insert(without);
    });
    assert!(lab.pass_over(&touched(), true).await.changes > 0);
    send(&plain, "172.24.0.1").await;
    lab.counts_after(&floating, "172.24.0.1", out).await;
    assert_eq!(lab.metered(out).await.0, before + DATAGRAMS, "what was left out is not counted");
    lab.restart_agent();
    assert_eq!(lab.metered(out).await.0, before + DATAGRAMS, "a fresh agent goes on counting");

    lab.world.change(usual.router, |router| router.metering.clear());
    let report = lab.pass_over(&touched(), true).await;
    assert!(report.changes > 0);
    assert_eq!(report.metered, []);
    let tables = Nft::open(lab.router(usual.router).into()).list_tables().await.expect("list");
    assert!(!tables.iter().any(|(_, name)| name == owned::METERING_TABLE), "{tables:?}");
}

/// Keeps the machine from answering what the test sends.
async fn accept_nothing(machine: &Namespace) {
    let rules =
        "table ip quiet {\n chain input {\n type filter hook input priority 0;\n udp dport 9 drop\n }\n}\n";
    Nft::open(machine.clone().into()).apply(rules).await.expect("rules");
}
