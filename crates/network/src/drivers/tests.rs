//! Segments against a model, and what each type accepts.

use std::collections::{BTreeMap, BTreeSet};

use isospin_store_kit::{Engine, values};
use isospin_types::NetworkId;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::SegmentRange;
use crate::resources::segment;
use crate::resources::segment::model::NetworkSegment;
use crate::testing::TestApi;

const VXLAN: &tunnel::Tunnel = &tunnel::TUNNELS[0];

fn settings() -> Settings {
    Settings {
        tenant_network_types: vec!["vlan".to_owned(), "vxlan".to_owned()],
        vxlan_ranges: vec![SegmentRange { first: 10, last: 14 }, SegmentRange { first: 20, last: 22 }],
        vlan_ranges: BTreeMap::from([
            ("physnet1".to_owned(), vec![SegmentRange { first: 100, last: 101 }]),
            ("physnet2".to_owned(), Vec::new()),
        ]),
        flat_networks: ["public".to_owned()].into(),
        ..Settings::default()
    }
}

/// A project without ranges of its own.
const PROJECT: &str = "somebody";

/// A network on the segment, as far as segments care.
async fn hold(tx: &mut Tx, segment: &Segment) -> Result<(), StoreError> {
    let network_id = NetworkId::random();
    tx.execute(
        "INSERT INTO networks (id, project_id, name, description, admin_state_up, status, mtu, mtu_given, shared, \
         external, is_default, port_security_enabled, dns_domain, availability_zone_hints, created_at, updated_at, \
         revision_number) VALUES ($1, '', '', '', TRUE, '', 0, FALSE, FALSE, FALSE, FALSE, FALSE, '', '[]', '', \
         '', 1)",
        values![network_id],
    )
    .await?;
    let segment = NetworkSegment::new(network_id, 0, segment.clone(), "");
    segment::store::create(tx, &segment).await
}

async fn let_go(tx: &mut Tx, id: u32) -> Result<(), StoreError> {
    tx.execute("DELETE FROM segments WHERE network_type = 'vxlan' AND segmentation_id = $1", values![id])
        .await?;
    Ok(())
}

#[derive(Debug, Clone)]
enum Move {
    Any,
    Named(u32),
    Release(u32),
}

/// Plays the moves on VXLAN ids and compares each outcome with two sets.
async fn play(tx: &mut Tx, moves: Vec<Move>) -> Result<(), Fault> {
    tx.execute("DELETE FROM networks", vec![]).await?;
    tx.execute("DELETE FROM network_segment_ranges", vec![]).await?;
    sync_ranges(tx, &settings()).await?;
    let configured: BTreeSet<u32> = (10..=14).chain(20..=22).collect();
    let mut used = BTreeSet::new();
    for step in moves {
        match step {
            Move::Any => {
                let expected = configured.difference(&used).min().copied();
                let found = VXLAN.reserve_any(tx, PROJECT).await?;
                assert_eq!(found.as_ref().and_then(|segment| segment.segmentation_id), expected);
                if let Some(segment) = found {
                    hold(tx, &segment).await?;
                    used.extend(segment.segmentation_id);
                }
            }
            Move::Named(id) => match VXLAN.take(tx, id.into()).await {
                Ok(segment) => {
                    assert!(used.insert(id), "{id} was in use");
                    hold(tx, &segment).await?;
                }
                Err(fault) => {
                    assert_eq!(fault.kind, FaultType::TunnelIdInUse);
                    assert!(used.contains(&id), "{id} was free");
                }
            },
            Move::Release(id) if used.remove(&id) => {
                let_go(tx, id).await?;
                let segment = Segment {
                    network_type: NetworkType::Vxlan,
                    physical_network: None,
                    segmentation_id: Some(id),
                };
                release(tx, &segment).await?;
            }
            Move::Release(_) => {}
        }
    }
    // What is free can be taken; nothing else can.
    let mut left = BTreeSet::new();
    while let Some(segment) = VXLAN.reserve_any(tx, PROJECT).await? {
        left.extend(segment.segmentation_id);
    }
    assert_eq!(left, configured.difference(&used).copied().collect());
    Ok(())
}

fn play_many(engine: Engine, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let api = runtime.block_on(TestApi::new(engine));
    let one = prop_oneof![
        3 => Just(Move::Any),
        2 => (8u32..25).prop_map(Move::Named),
        3 => (8u32..25).prop_map(Move::Release),
    ];
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(one, 1..60), |moves| {
            runtime.block_on(api.write(move |tx| Box::pin(play(tx, moves))));
            Ok(())
        })
        .expect("every sequence agrees with the model");
    runtime.block_on(async move { drop(api) });
}

#[test]
fn any_sequence_agrees_with_sets_on_sqlite() {
    play_many(Engine::Sqlite, 64);
}

#[test]
fn any_sequence_agrees_with_sets_on_postgresql() {
    play_many(Engine::Postgres, 8);
}

fn wanted(network_type: &str, physical_network: Option<&str>, segmentation_id: Option<i64>) -> Wanted {
    Wanted {
        network_type: (!network_type.is_empty()).then(|| network_type.to_owned()),
        physical_network: physical_network.map(str::to_owned),
        segmentation_id,
    }
}

#[tokio::test]
async fn each_type_says_what_it_cannot_be() {
    let api = TestApi::with_settings(Engine::Sqlite, settings()).await;
    let cases = [
        (wanted("", Some("public"), None), "network_type required"),
        (wanted("token-ring", None, None), "network_type value 'token-ring' not supported"),
        (
            wanted("local", Some("public"), None),
            "provider:physical_network prohibited for local provider network",
        ),
        (wanted("local", None, Some(1)), "provider:segmentation_id prohibited for local provider network"),
        (wanted("flat", None, None), "physical_network required for flat provider network"),
        (wanted("flat", Some("x"), None), "physical_network 'x' unknown for flat provider network"),
        (
            wanted("flat", Some("public"), Some(1)),
            "provider:segmentation_id prohibited for flat provider network",
        ),
        (
            wanted("vlan", None, Some(7)),
            "segmentation_id requires physical_network for VLAN provider network",
        ),
        (wanted("vlan", Some("x"), None), "physical_network 'x' unknown for VLAN provider network"),
        (wanted("vlan", Some("physnet1"), Some(4095)), "segmentation_id out of range (1 through 4094)"),
        (wanted("vlan", Some("physnet1"), Some(0)), "segmentation_id out of range (1 through 4094)"),
        (
            wanted("vxlan", Some("public"), None),
            "provider:physical_network prohibited for vxlan provider network",
        ),
        (wanted("vxlan", None, Some(16_777_216)), "segmentation_id out of range (1 through 16777215)"),
    ];
    api.write(|tx| {
        Box::pin(async move {
            for (wanted, reason) in cases {
                let fault = reserve(tx, &settings(), PROJECT, &wanted).await.expect_err(reason);
                assert_eq!(fault.message, format!("Invalid input for operation: {reason}."));
            }
            Ok(())
        })
    })
    .await;
}

#[tokio::test]
async fn types_for_projects_are_tried_in_order_until_all_are_used_up() {
    TestApi::on_each_engine(|api| async move {
        api.write(|tx| {
            Box::pin(async move {
                tx.execute("DELETE FROM network_segment_ranges", vec![]).await?;
                sync_ranges(tx, &settings()).await?;
                let mut found = Vec::new();
                for _ in 0..10 {
                    let segment = reserve(tx, &settings(), PROJECT, &Wanted::default()).await?;
                    hold(tx, &segment).await?;
                    found.push((segment.network_type.as_str(), segment.segmentation_id.expect("an id")));
                }
                let vxlan = [10, 11, 12, 13, 14, 20, 21, 22].map(|id| ("vxlan", id));
                let expected: Vec<_> = [("vlan", 100), ("vlan", 101)].into_iter().chain(vxlan).collect();
                assert_eq!(found, expected);
                let fault = reserve(tx, &settings(), PROJECT, &Wanted::default()).await.expect_err("used up");
                assert_eq!(fault.kind, FaultType::NoNetworkAvailable);
                Ok(())
            })
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn changed_ranges_leave_out_what_networks_use() {
    TestApi::on_each_engine(|api| async move {
        api.write(|tx| {
            Box::pin(async move {
                let mut settings = settings();
                settings.vxlan_ranges = vec![SegmentRange { first: 1, last: 4 }];
                sync_ranges(tx, &settings).await?;
                for _ in 0..2 {
                    let segment = VXLAN.reserve_any(tx, PROJECT).await?.expect("a free id");
                    hold(tx, &segment).await?;
                }
                settings.vxlan_ranges = vec![SegmentRange { first: 2, last: 3 }];
                sync_ranges(tx, &settings).await?;
                // 1 is out of range now and does not come back; 2 is in use; 3 is free.
                let gone = Segment {
                    network_type: NetworkType::Vxlan,
                    physical_network: None,
                    segmentation_id: Some(1),
                };
                let_go(tx, 1).await?;
                release(tx, &gone).await?;
                let id = VXLAN.reserve_any(tx, PROJECT).await?.and_then(|segment| segment.segmentation_id);
                assert_eq!(id, Some(3));
                assert_eq!(VXLAN.reserve_any(tx, PROJECT).await?, None);
                Ok(())
            })
        })
        .await;
    })
    .await;
}

#[test]
fn mtus_leave_room_for_headers() {
    let mut settings = Settings { global_physnet_mtu: 9000, ..Settings::default() };
    assert_eq!(max_mtu(&settings, NetworkType::Flat), 9000);
    assert_eq!(max_mtu(&settings, NetworkType::Vxlan), 8950);
    settings.path_mtu = 1500;
    assert_eq!(max_mtu(&settings, NetworkType::Vxlan), 1450);
    assert_eq!(max_mtu(&settings, NetworkType::Vlan), 9000);
    assert_eq!(max_mtu(&settings, NetworkType::Gre), 1458);
    assert_eq!(max_mtu(&settings, NetworkType::Geneve), 1450);
    settings.global_physnet_mtu = 1400;
    assert_eq!(max_mtu(&settings, NetworkType::Vxlan), 1350);
}

#[test]
fn ids_of_gre_go_as_far_as_32_bits_do() {
    let lasts: Vec<(&str, i64)> =
        tunnel::TUNNELS.iter().map(|tunnel| (tunnel.network_type.as_str(), tunnel.last)).collect();
    assert_eq!(lasts, [("vxlan", 16_777_215), ("gre", 4_294_967_295), ("geneve", 16_777_215)]);
    assert_eq!(tunnel::NAMES.to_vec(), lasts.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn each_mechanism_binds_what_it_can_wire() {
    let agent = |mechanism: &str, configurations: serde_json::Value| HostAgent {
        mechanism: mechanism.to_owned(),
        configurations: configurations.to_string(),
    };
    let segment = |network_type: NetworkType, physical_network: Option<&str>| Segment {
        network_type,
        physical_network: physical_network.map(str::to_owned),
        segmentation_id: Some(7),
    };
    let said = serde_json::json!({
        "bridge_mappings": {"public": "br-ex"}, "tunnel_types": ["vxlan", "gre"], "tunneling_ip": "192.0.2.1",
        "integration_bridge": "br-int", "datapath_type": "netdev",
    });
    let mut hybrid = said.clone();
    hybrid["ovs_hybrid_plug"] = true.into();
    let (switch, bridge) = (agent("openvswitch", said.clone()), agent("linuxbridge", said));
    for (kind, physical, on_switch, on_bridge) in [
        (NetworkType::Local, None, true, true),
        (NetworkType::Flat, Some("public"), true, true),
        (NetworkType::Flat, Some("other"), false, false),
        (NetworkType::Vlan, Some("public"), true, false),
        (NetworkType::Vxlan, None, true, true),
        (NetworkType::Gre, None, true, false),
        (NetworkType::Geneve, None, false, false),
    ] {
        let segment = segment(kind, physical);
        assert_eq!(
            bind(&switch, &segment, "normal").map(|vif| vif.vif_type),
            on_switch.then_some("ovs"),
            "{kind}"
        );
        assert_eq!(
            bind(&bridge, &segment, "normal").map(|vif| vif.vif_type),
            on_bridge.then_some("bridge"),
            "{kind}"
        );
        assert_eq!(bind(&switch, &segment, "direct"), None);
    }
    let details = bind(&switch, &segment(NetworkType::Local, None), "normal").expect("bound").details;
    assert_eq!((&details["bridge_name"], &details["datapath_type"]), (&"br-int".into(), &"netdev".into()));
    for (agent, is_hybrid) in [(switch, false), (agent("openvswitch", hybrid), true)] {
        let details = bind(&agent, &segment(NetworkType::Local, None), "normal").expect("bound").details;
        assert_eq!((&details["ovs_hybrid_plug"], &details["port_filter"]), (&is_hybrid.into(), &true.into()));
    }
}
