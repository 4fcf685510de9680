//! Prefixes against a model: the set of free addresses.

use std::collections::BTreeSet;

use isospin_store_kit::Engine;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::ipam::number;
use crate::testing::TestApi;

#[derive(Debug, Clone)]
enum Move {
    TakeAny(u8),
    Take { offset: u32, prefixlen: u8 },
    GiveBack(usize),
    Add(u32),
    Remove(u32),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        5 => (25_u8..=32).prop_map(Move::TakeAny),
        3 => (0_u32..512, 26_u8..=32).prop_map(|(offset, prefixlen)| Move::Take { offset, prefixlen }),
        4 => any::<usize>().prop_map(Move::GiveBack),
        1 => (0_u32..32).prop_map(Move::Add),
        1 => (0_u32..32).prop_map(Move::Remove),
    ];
    prop::collection::vec(one, 1..50)
}

fn net(offset: u32, prefixlen: u8) -> IpNet {
    let first = u32::from(std::net::Ipv4Addr::new(10, 0, 0, 0)) + offset;
    IpNet::new(std::net::Ipv4Addr::from(first).into(), prefixlen).expect("a length").trunc()
}

fn addresses(nets: &[IpNet]) -> BTreeSet<u128> {
    ranges_of(nets).iter().flat_map(|range| range.first..=range.last).collect()
}

async fn pool(tx: &mut Tx, prefixes: &[IpNet]) -> Result<SubnetPoolId, StoreError> {
    let id = SubnetPoolId::random();
    tx.execute(
        "INSERT INTO subnet_pools (id, project_id, name, description, ip_version, default_prefixlen, \
         min_prefixlen, max_prefixlen, is_default, created_at, updated_at, revision_number) \
         VALUES ($1, '', '', '', 4, 8, 8, 32, FALSE, '', '', 1)",
        values![id],
    )
    .await?;
    replace(tx, id, &[], prefixes, &[]).await?;
    Ok(id)
}

/// What is stored as free: the fewest blocks, and no address twice.
async fn stored(tx: &mut Tx, pool_id: SubnetPoolId) -> Result<BTreeSet<u128>, StoreError> {
    let free = free_of(tx, pool_id).await?;
    let fewest = blocks::cover(free.iter().map(|block| block.range()).collect());
    assert_eq!(free, fewest);
    Ok(free.iter().flat_map(|block| block.range().first..=block.range().last).collect())
}

/// A pool and what the model knows of it.
struct Played {
    pool_id: SubnetPoolId,
    prefixes: Vec<IpNet>,
    taken: Vec<IpNet>,
}

impl Played {
    fn free(&self) -> BTreeSet<u128> {
        addresses(&self.prefixes).difference(&addresses(&self.taken)).copied().collect()
    }

    async fn step(&mut self, tx: &mut Tx, step: Move) -> Result<(), StoreError> {
        let free = self.free();
        let is_free = |net: &IpNet| addresses(&[*net]).is_subset(&free);
        match step {
            Move::TakeAny(prefixlen) => {
                let size = 1 << (32 - u32::from(prefixlen));
                let fits = (0..1024).step_by(size).any(|offset| is_free(&net(offset, prefixlen)));
                let taken = take_any(tx, self.pool_id, true, prefixlen).await?;
                assert_eq!(taken.is_some(), fits, "a prefix is found whenever there is one");
                if let Some(taken) = taken {
                    assert!(is_free(&taken), "{taken} overlaps");
                    assert_eq!((taken.prefix_len(), taken), (prefixlen, taken.trunc()));
                    self.taken.push(taken);
                }
            }
            Move::Take { offset, prefixlen } => {
                let wanted = net(offset, prefixlen);
                assert_eq!(take(tx, self.pool_id, wanted).await?, is_free(&wanted));
                if is_free(&wanted) {
                    self.taken.push(wanted);
                }
            }
            Move::GiveBack(which) => {
                if !self.taken.is_empty() {
                    let gone = self.taken.swap_remove(which % self.taken.len());
                    give_back(tx, self.pool_id, gone).await?;
                }
            }
            Move::Add(which) => {
                let mut more = ranges_of(&self.prefixes);
                more.extend(ranges_of(&[net(which * 32, 27)]));
                self.set(tx, compact(more)).await?;
            }
            Move::Remove(which) => {
                let gone = net(which * 32, 27);
                let used = in_use(tx, self.pool_id, &[gone]).await?;
                let left = compact(ranges::difference(ranges_of(&self.prefixes), ranges_of(&[gone])));
                let in_pool = addresses(&self.prefixes).is_superset(&addresses(&[gone]));
                if in_pool {
                    assert_eq!(used.is_empty(), is_free(&gone));
                    if used.is_empty() {
                        self.set(tx, left).await?;
                    }
                }
            }
        }
        assert_eq!(stored(tx, self.pool_id).await?, self.free());
        let shown: Vec<IpNet> = of_pools(tx, [self.pool_id]).await?.into_iter().map(|(_, net)| net).collect();
        assert_eq!(shown, self.prefixes);
        Ok(())
    }

    async fn set(&mut self, tx: &mut Tx, prefixes: Vec<IpNet>) -> Result<(), StoreError> {
        replace(tx, self.pool_id, &self.prefixes, &prefixes, &[]).await?;
        self.prefixes = prefixes;
        Ok(())
    }
}

async fn play(tx: &mut Tx, moves: Vec<Move>) -> Result<(), StoreError> {
    let prefixes = vec![net(0, 25), net(256, 26)];
    let pool_id = pool(tx, &prefixes).await?;
    let mut played = Played { pool_id, prefixes, taken: Vec::new() };
    for step in moves {
        played.step(tx, step).await?;
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

/// The smallest block that fits is split, the lowest of equals.
#[tokio::test]
async fn small_gaps_are_filled_first() {
    TestApi::on_each_engine(|api| async move {
        api.write(|tx| {
            Box::pin(async move {
                let pool_id = pool(tx, &[net(0, 24), net(512, 26), net(1024, 26)]).await?;
                let any = async |tx: &mut Tx, length| {
                    Ok::<_, StoreError>(take_any(tx, pool_id, true, length).await?.map(|net| net.to_string()))
                };
                assert_eq!(any(tx, 28).await?.as_deref(), Some("10.0.2.0/28"));
                assert_eq!(any(tx, 26).await?.as_deref(), Some("10.0.4.0/26"));
                assert_eq!(any(tx, 24).await?.as_deref(), Some("10.0.0.0/24"));
                assert_eq!(any(tx, 26).await?, None);
                assert_eq!(any(tx, 27).await?.as_deref(), Some("10.0.2.32/27"));
                Ok(())
            })
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn ipv6_prefixes_are_taken_and_joined_again() {
    TestApi::on_each_engine(|api| async move {
        api.write(|tx| {
            Box::pin(async move {
                let prefix: IpNet = "2001:db8::/48".parse().expect("a prefix");
                let pool_id = pool(tx, &[prefix]).await?;
                let mut taken = Vec::new();
                for expected in ["2001:db8::/64", "2001:db8:0:1::/64", "2001:db8:0:2::/64"] {
                    let net = take_any(tx, pool_id, false, 64).await?.expect("a prefix");
                    assert_eq!(net.to_string(), expected);
                    taken.push(net);
                }
                assert_eq!(in_use(tx, pool_id, &[prefix]).await?.len(), 2, "a /63 and a /64");
                for net in taken {
                    give_back(tx, pool_id, net).await?;
                }
                assert_eq!(free_of(tx, pool_id).await?, [Block::of(prefix)]);
                assert_eq!(number(prefix.network()), Block::of(prefix).first);
                Ok(())
            })
        })
        .await;
    })
    .await;
}
