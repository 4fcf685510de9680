//! What the switch is told: meters, then flows, which may name them.
//!
//! The switch may be busy, or hang. A pass waits [`PATIENCE`] for it: what is not told by then
//! goes on by itself, and the pass does all else. A notice tells when it has ended, and the next
//! pass tells the switch what has changed meanwhile.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use isospin_host_io::openflow::{Changes, Layers, Meter, MeterChange};
use isospin_host_io::{HostError, Switch};
use tokio::task::JoinHandle;

use super::layers::Layer;
use super::shaping;
use super::watch::Life;
use crate::host_notices::HostNotices;

/// Cookie of our flows: "isospin" and a zero.
pub const COOKIE: u64 = 0x6973_6f73_7069_6e00;
/// Of one pass, for each of the two things it tells.
const PATIENCE: Duration = Duration::from_secs(1);

/// Talks to the bridges of a switch, and remembers what they hold.
#[derive(Debug)]
pub struct Programmer {
    door: Switch,
    notices: HostNotices,
    /// The bridge that has the meters.
    integration_bridge: String,
    state: State,
    /// What is remembered is not to be trusted.
    is_doubtful: bool,
}

/// Who has the memory.
#[derive(Debug)]
enum State {
    Here(Memory),
    /// A talk that goes on.
    Away(JoinHandle<(Memory, Result<(), HostError>)>),
}

/// What bridges are thought to hold.
#[derive(Debug, Default)]
struct Memory {
    /// By bridge.
    lives: BTreeMap<String, Life>,
    /// Nothing is known of those that are absent.
    held: BTreeMap<String, Layers<Layer>>,
    /// `None` while nothing is known of them.
    meters: Option<BTreeMap<u32, Option<Meter>>>,
}

/// What came of meters.
#[derive(Debug, Default)]
pub struct Limited {
    /// How many were made or changed.
    pub changes: u64,
    /// Those the switch refused, with its reason.
    pub refused: BTreeMap<u32, String>,
    /// Those that may go once no flow names them.
    pub obsolete: Vec<MeterChange>,
}

impl Programmer {
    /// For this switch; nothing is opened before there is something to tell.
    #[must_use]
    pub fn new(door: Switch, integration_bridge: &str, notices: HostNotices) -> Self {
        let (integration_bridge, state) = (integration_bridge.to_owned(), State::Here(Memory::default()));
        Self { door, notices, integration_bridge, state, is_doubtful: false }
    }

    /// Somebody may have changed the switch: what it holds is read when it is told something.
    pub const fn doubt(&mut self) {
        self.is_doubtful = true;
    }

    /// Makes the meters that flows will name; `None` when the switch needs longer.
    ///
    /// # Errors
    /// When the switch is not there, or did not answer to what an earlier pass told it.
    pub async fn limit(&mut self, wanted: BTreeMap<u32, Meter>) -> Result<Option<Limited>, HostError> {
        let Some(mut memory) = self.memory().await? else { return Ok(None) };
        let (door, bridge) = (self.door.clone(), self.integration_bridge.clone());
        let talk = async move {
            let result = memory.limit(&door, &bridge, &wanted).await;
            (memory, result)
        };
        self.wait(talk.boxed()).await
    }

    /// Makes the flows of each bridge those wanted, then takes away meters none names any
    /// more; how many of both changed, `None` when the switch needs longer.
    ///
    /// # Errors
    /// As [`Self::limit`].
    pub async fn program(
        &mut self,
        wanted: BTreeMap<String, Layers<Layer>>,
        obsolete: Vec<MeterChange>,
    ) -> Result<Option<u64>, HostError> {
        let Some(mut memory) = self.memory().await? else { return Ok(None) };
        let (door, bridge) = (self.door.clone(), self.integration_bridge.clone());
        let notices = self.notices.clone();
        let talk = async move {
            let told = async {
                let flows = memory.program(&door, &notices, wanted).await?;
                Ok(flows + memory.unlimit(&door, &bridge, &obsolete).await?)
            };
            let result = told.await;
            (memory, result)
        };
        self.wait(talk.boxed()).await
    }

    /// What is remembered, unless a talk that goes on has it.
    async fn memory(&mut self) -> Result<Option<Memory>, HostError> {
        let mut memory = match std::mem::replace(&mut self.state, State::Here(Memory::default())) {
            State::Here(memory) => memory,
            State::Away(talk) if !talk.is_finished() => {
                self.state = State::Away(talk);
                return Ok(None);
            }
            State::Away(talk) => match talk.await {
                Ok((memory, result)) => {
                    result?;
                    memory
                }
                Err(error) => {
                    tracing::error!(%error, "a talk with the switch has failed");
                    Memory::default()
                }
            },
        };
        memory.look();
        if std::mem::take(&mut self.is_doubtful) {
            memory.forget();
        }
        Ok(Some(memory))
    }

    /// Waits as long as a pass may. A talk that is not over then goes on.
    async fn wait<T: Send + 'static>(
        &mut self,
        mut talk: BoxFuture<'static, (Memory, Result<T, HostError>)>,
    ) -> Result<Option<T>, HostError> {
        if let Ok((memory, result)) = tokio::time::timeout(PATIENCE, &mut talk).await {
            self.state = State::Here(memory);
            return result.map(Some);
        }
        tracing::warn!("the switch takes long to answer; all else goes on");
        let (notices, bridge) = (self.notices.clone(), self.integration_bridge.clone());
        self.state = State::Away(tokio::spawn(async move {
            let (memory, result) = talk.await;
            notices.link(&bridge);
            (memory, result.map(drop))
        }));
        Ok(None)
    }
}

impl Drop for Programmer {
    fn drop(&mut self) {
        if let State::Away(talk) = &self.state {
            talk.abort();
        }
    }
}

impl Memory {
    fn forget(&mut self) {
        self.held.clear();
        self.meters = None;
    }

    /// What was thought to be in a switch that has gone is forgotten with it.
    fn look(&mut self) {
        let before = self.lives.len();
        self.lives.retain(|_, life| !life.is_over());
        if self.lives.len() < before {
            tracing::warn!("the switch has gone; its flows are made anew");
            self.forget();
        }
    }

    async fn limit(
        &mut self,
        door: &Switch,
        bridge: &str,
        wanted: &BTreeMap<u32, Meter>,
    ) -> Result<Limited, HostError> {
        let mut held = match self.meters.take() {
            Some(held) => held,
            None => door.meters(bridge).await?,
        };
        let (needed, obsolete) = shaping::changes(&held, wanted);
        let refused = door.change_meters(bridge, &needed).await?;
        let changes = (needed.len() - refused.len()) as u64;
        for change in needed.iter().filter(|change| !refused.contains_key(&change.id())) {
            if let MeterChange::Add(id, meter) | MeterChange::Modify(id, meter) = change {
                held.insert(*id, Some(*meter));
            }
        }
        self.meters = Some(held);
        Ok(Limited { changes, refused, obsolete })
    }

    async fn unlimit(
        &mut self,
        door: &Switch,
        bridge: &str,
        obsolete: &[MeterChange],
    ) -> Result<u64, HostError> {
        door.change_meters(bridge, obsolete).await?;
        if let Some(held) = &mut self.meters {
            held.retain(|id, _| !obsolete.contains(&MeterChange::Delete(*id)));
        }
        Ok(obsolete.len() as u64)
    }

    async fn program(
        &mut self,
        door: &Switch,
        notices: &HostNotices,
        wanted: BTreeMap<String, Layers<Layer>>,
    ) -> Result<u64, HostError> {
        let mut told = Vec::new();
        for (bridge, table) in wanted {
            let needed = self.needed(door, notices, &bridge, &table).await?;
            told.push((bridge, table, needed));
        }
        // Together: the switch may do other work between two of its turns.
        let results = join_all(told.iter().map(|(bridge, _, needed)| door.apply(bridge, needed))).await;
        let (mut changes, mut outcome) = (0, Ok(()));
        for ((bridge, table, needed), result) in told.into_iter().zip(results) {
            match result {
                Ok(()) => {
                    changes += needed.len() as u64;
                    self.held.insert(bridge, table);
                }
                Err(error) => outcome = Err(error),
            }
        }
        outcome.map(|()| changes)
    }

    /// What makes the flows of a bridge these; nothing is known of them until it is told.
    async fn needed(
        &mut self,
        door: &Switch,
        notices: &HostNotices,
        bridge: &str,
        table: &Layers<Layer>,
    ) -> Result<Changes, HostError> {
        let life = match self.lives.entry(bridge.to_owned()) {
            Entry::Occupied(life) => life.into_mut(),
            Entry::Vacant(gap) => gap.insert(Life::watch(door, bridge, notices.clone()).await?),
        };
        let needed = match self.held.remove(bridge) {
            Some(before) => table.since(&before, COOKIE),
            None => {
                let needed = door.compare(bridge, COOKIE, table).await?;
                life.compared();
                needed
            }
        };
        life.will_remove(needed.removed());
        Ok(needed)
    }
}
