//! From the messages of one stream to whole steps. Pure: the same for a stream of a
//! server and for the file on disk.

use std::mem;

use super::{SetAside, take_record};
use crate::facts::Facts;
use crate::proto::{self, from_server::Message};

/// A snapshot that arrived whole: its end came and named the right number of items.
/// Nothing else makes such a value.
#[derive(Debug)]
pub struct CompleteSnapshot {
    pub(super) facts: Facts,
    pub(super) version: u64,
    pub(super) set_aside: SetAside,
}

impl CompleteSnapshot {
    /// The version the snapshot is at.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The facts in it.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// One whole step of a stream.
#[derive(Debug)]
pub enum Step {
    /// The server has read our `Hello`.
    Welcome(proto::Welcome),
    /// Everything, anew.
    Snapshot(CompleteSnapshot),
    /// What changed since.
    Change(proto::Change),
}

/// A stream that does not keep to the order begin, items, end, changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum IntakeError {
    #[error("an item came outside a snapshot")]
    ItemOutside,
    #[error("the end of a snapshot came without its begin")]
    EndOutside,
    #[error("a change came inside a snapshot")]
    ChangeInside,
    #[error("a change came before the first snapshot")]
    ChangeFirst,
    #[error("the snapshot is not whole: {got} of {said} items")]
    Count { said: u64, got: u64 },
    #[error("the snapshot began at version {begun} and ended at {ended}")]
    Version { begun: u64, ended: u64 },
}

#[derive(Debug, Default)]
struct Building {
    facts: Facts,
    set_aside: SetAside,
    version: u64,
    items: u64,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    BeforeSnapshot,
    Inside(Box<Building>),
    Following,
}

/// Puts the messages of one stream together.
#[derive(Debug, Default)]
pub struct Intake {
    phase: Phase,
}

impl Intake {
    /// Takes the next message; a step when it completes one.
    ///
    /// # Errors
    /// [`IntakeError`]: the stream is to be given up. What was built so far is lost,
    /// and nothing of it was ever visible.
    pub fn take(&mut self, message: Message) -> Result<Option<Step>, IntakeError> {
        match message {
            Message::Welcome(welcome) => Ok(Some(Step::Welcome(welcome))),
            Message::Begin(begin) => {
                // A second begin means that the server started over.
                let building = Building { version: begin.version, ..Building::default() };
                self.phase = Phase::Inside(Box::new(building));
                Ok(None)
            }
            Message::Item(record) => match &mut self.phase {
                Phase::Inside(building) => {
                    building.items += 1;
                    take_record(&mut building.facts, &mut building.set_aside, &record);
                    Ok(None)
                }
                Phase::BeforeSnapshot | Phase::Following => Err(IntakeError::ItemOutside),
            },
            Message::End(end) => self.finish(&end).map(|snapshot| Some(Step::Snapshot(snapshot))),
            Message::Change(change) => match self.phase {
                Phase::Following => Ok(Some(Step::Change(change))),
                Phase::Inside(_) => Err(IntakeError::ChangeInside),
                Phase::BeforeSnapshot => Err(IntakeError::ChangeFirst),
            },
        }
    }

    /// Whether a snapshot has begun and not ended.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        matches!(self.phase, Phase::Inside(_))
    }

    fn finish(&mut self, end: &proto::SnapshotEnd) -> Result<CompleteSnapshot, IntakeError> {
        let Phase::Inside(building) = mem::take(&mut self.phase) else {
            return Err(IntakeError::EndOutside);
        };
        if building.items != end.items {
            return Err(IntakeError::Count { said: end.items, got: building.items });
        }
        if building.version != end.version {
            return Err(IntakeError::Version { begun: building.version, ended: end.version });
        }
        self.phase = Phase::Following;
        let Building { facts, set_aside, version, .. } = *building;
        Ok(CompleteSnapshot { facts, version, set_aside })
    }
}
