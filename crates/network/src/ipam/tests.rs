//! Addresses against a model: a set of numbers.

use std::collections::BTreeSet;

use isospin_store_kit::Engine;
use isospin_types::{NetworkId, SubnetId};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::testing::TestApi;

/// First address of the test subnet; pools and moves are counted from here.
const BASE: u128 = 0xffff_0a00_0000;

#[derive(Debug, Clone)]
enum Move {
    TakeAny,
    Take(u128),
    GiveBack(u128),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => Just(Move::TakeAny),
        2 => (0u128..40).prop_map(Move::Take),
        3 => (0u128..40).prop_map(Move::GiveBack),
    ];
    prop::collection::vec(one, 1..60)
}

/// Two pools with a gap between them.
fn pools() -> Vec<Range> {
    vec![Range { first: BASE + 2, last: BASE + 12 }, Range { first: BASE + 20, last: BASE + 33 }]
}

async fn subnet(tx: &mut Tx) -> Result<SubnetId, StoreError> {
    let (network_id, subnet_id) = (NetworkId::random(), SubnetId::random());
    tx.execute(
        "INSERT INTO networks (id, project_id, name, description, admin_state_up, status, mtu, mtu_given, shared, \
         external, is_default, port_security_enabled, dns_domain, availability_zone_hints, \
         created_at, updated_at, revision_number) \
         VALUES ($1, '', '', '', TRUE, '', 0, FALSE, FALSE, FALSE, FALSE, FALSE, '', '[]', '', '', 1)",
        values![network_id],
    )
    .await?;
    tx.execute(
        "INSERT INTO subnets (id, project_id, network_id, name, description, ip_version, cidr, enable_dhcp, \
         dns_nameservers, host_routes, service_types, created_at, updated_at, revision_number) \
         VALUES ($1, '', $2, '', '', 4, '10.0.0.0/24', FALSE, '[]', '[]', '[]', '', '', 1)",
        values![subnet_id, network_id],
    )
    .await?;
    set_pools(tx, subnet_id, &pools()).await?;
    Ok(subnet_id)
}

/// The free addresses as stored, which must be disjoint and not adjacent.
async fn stored(tx: &mut Tx, subnet_id: SubnetId) -> Result<BTreeSet<u128>, StoreError> {
    let rows = tx
        .rows(
            "SELECT first_key, last_key FROM free_addresses WHERE subnet_id = $1 ORDER BY first_key",
            values![subnet_id],
        )
        .await?;
    let ranges = rows.into_iter().map(stored_range).collect::<Result<Vec<_>, _>>()?;
    assert!(ranges.windows(2).all(|pair| pair[0].last + 1 < pair[1].first), "{ranges:?}");
    Ok(ranges.iter().flat_map(|range| range.first..=range.last).collect())
}

async fn play(tx: &mut Tx, moves: Vec<Move>) -> Result<(), StoreError> {
    let subnet_id = subnet(tx).await?;
    let all: BTreeSet<u128> = pools().iter().flat_map(|pool| pool.first..=pool.last).collect();
    let mut free = all.clone();
    for step in moves {
        match step {
            Move::TakeAny => {
                let taken = take_any(tx, subnet_id).await?.map(number);
                assert_eq!(taken, free.pop_first());
            }
            Move::Take(offset) => {
                take(tx, subnet_id, from_number(BASE + offset)).await?;
                free.remove(&(BASE + offset));
            }
            Move::GiveBack(offset) => {
                give_back(tx, subnet_id, from_number(BASE + offset)).await?;
                free.extend(all.get(&(BASE + offset)));
            }
        }
        assert_eq!(stored(tx, subnet_id).await?, free);
    }
    Ok(())
}

fn play_many(engine: Engine, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let api = runtime.block_on(TestApi::new(engine));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&moves(), |moves| {
            runtime.block_on(api.write(move |tx| Box::pin(async move { Ok(play(tx, moves).await?) })));
            Ok(())
        })
        .expect("every sequence agrees with the model");
    runtime.block_on(async move { drop(api) });
}

#[test]
fn any_sequence_agrees_with_a_set_on_sqlite() {
    play_many(Engine::Sqlite, 64);
}

#[test]
fn any_sequence_agrees_with_a_set_on_postgresql() {
    play_many(Engine::Postgres, 8);
}

#[tokio::test]
async fn changed_pools_leave_out_what_ports_use() {
    TestApi::on_each_engine(|api| async move {
        api.write(|tx| {
            Box::pin(async move {
                let subnet_id = subnet(tx).await?;
                tx.execute(
                    "INSERT INTO ports (id, project_id, network_id, name, description, mac_address, \
                     admin_state_up, status, device_id, device_owner, port_security_enabled, dns_name, \
                     ip_allocation, allowed_address_pairs, extra_dhcp_opts, binding_host, binding_vnic_type, \
                     binding_profile, binding_vif_type, binding_vif_details, created_at, updated_at, \
                     revision_number) SELECT 'p', '', id, '', '', '', TRUE, '', '', '', TRUE, '', '', '', '', \
                     '', '', '', '', '', '', '', 1 FROM networks",
                    vec![],
                )
                .await?;
                for offset in [1, 5, 6] {
                    tx.execute(
                        "INSERT INTO port_addresses (subnet_id, address_key, port_id, network_id, ip_address, \
                         ordinal) VALUES ($1, $2, 'p', '', '', 0)",
                        values![subnet_id, bytes(BASE + offset)],
                    )
                    .await?;
                }
                set_pools(tx, subnet_id, &[Range { first: BASE + 1, last: BASE + 8 }]).await?;
                let expected = [2, 3, 4, 7, 8].map(|offset| BASE + offset);
                assert_eq!(stored(tx, subnet_id).await?, expected.into());
                let pools = pools_of(tx, &[subnet_id]).await?;
                assert_eq!(pools, [(subnet_id, Range { first: BASE + 1, last: BASE + 8 })]);
                Ok(())
            })
        })
        .await;
    })
    .await;
}

#[test]
fn keys_sort_as_addresses_do_and_lead_back() {
    let sorted =
        ["10.0.0.1", "10.0.0.255", "10.0.1.0", "192.168.0.1", "2001:db8::", "2001:db8::ff", "fd00::1"];
    let addresses: Vec<IpAddr> = sorted.iter().map(|text| text.parse().expect("an address")).collect();
    for address in &addresses {
        assert_eq!(super::address(&key(*address)), *address);
        assert_eq!(from_number(number(*address)), *address);
    }
    let of_family = |v4: bool| addresses.iter().filter(move |address| address.is_ipv4() == v4);
    for v4 in [true, false] {
        let keys: Vec<Vec<u8>> = of_family(v4).map(|address| key(*address)).collect();
        assert!(keys.is_sorted());
    }
}
