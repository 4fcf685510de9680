//! Flows kept from one pass to the next: those of a port, a network or a profile are made
//! again only when what they are made from has changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use isospin_host_io::openflow::{FlowTable, Layers};
use isospin_types::{NetworkId, PortId};

/// Whose flows they are; no two have a flow with the same match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    Base,
    Network(NetworkId),
    Port(PortId),
    /// The rules of a profile, by its number.
    Rules(u32),
}

/// What a layer is made from.
pub trait Source: PartialEq {
    /// Adds the flows.
    fn add(&self, flows: &mut FlowTable);
}

/// Layers of one bridge, each with its source.
#[derive(Debug)]
pub struct Made<S>(BTreeMap<Layer, (S, Arc<FlowTable>)>);

impl<S> Default for Made<S> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<S: Source> Made<S> {
    /// The layers of these sources; others are forgotten.
    pub fn layers(&mut self, sources: BTreeMap<Layer, S>) -> Layers<Layer> {
        let mut before = std::mem::take(&mut self.0);
        for (layer, source) in sources {
            let same = before.remove(&layer).filter(|(made_from, _)| *made_from == source);
            let kept = same.unwrap_or_else(|| {
                let mut flows = FlowTable::default();
                source.add(&mut flows);
                (source, Arc::new(flows))
            });
            self.0.insert(layer, kept);
        }
        Layers(self.0.iter().map(|(layer, (_, flows))| (*layer, Arc::clone(flows))).collect())
    }
}

#[cfg(test)]
mod tests {
    use isospin_host_io::openflow::{Field, Flow};

    use super::*;

    impl Source for u32 {
        fn add(&self, flows: &mut FlowTable) {
            let fields = vec![Field::InPort(*self)];
            flows.add(Flow { table: 0, priority: 1, fields, actions: Vec::new() });
        }
    }

    #[test]
    fn what_has_not_changed_is_the_very_same() {
        let mut made = Made::default();
        let first = made.layers(BTreeMap::from([(Layer::Base, 1_u32), (Layer::Rules(1), 2)]));
        let second = made.layers(BTreeMap::from([(Layer::Base, 1), (Layer::Rules(1), 3)]));
        let same = |layer| Arc::ptr_eq(&first.0[&layer], &second.0[&layer]);
        assert!(same(Layer::Base) && !same(Layer::Rules(1)));
        assert_eq!(made.layers(BTreeMap::from([(Layer::Rules(1), 3)])).0.len(), 1);
    }
}
