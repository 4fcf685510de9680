//! When requests about wiring began, for whoever tells hosts of what they did.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Requests remembered at most; older ones are forgotten.
const KEPT: usize = 1024;

/// The requests of this server that may change what hosts wire.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    began: HashMap<String, Instant>,
    in_order: VecDeque<String>,
}

impl UnderWay {
    /// A request begins now.
    pub fn begin(&self, request_id: &str) {
        let mut known = self.0.lock();
        known.began.insert(request_id.to_owned(), Instant::now());
        known.in_order.push_back(request_id.to_owned());
        if known.in_order.len() > KEPT
            && let Some(oldest) = known.in_order.pop_front()
        {
            known.began.remove(&oldest);
        }
    }

    /// How long ago the first of these requests began; `None` when this server took
    /// none of them.
    #[must_use]
    pub fn longest(&self, request_ids: &[String]) -> Option<Duration> {
        let known = self.0.lock();
        let began = request_ids.iter().filter_map(|id| known.began.get(id)).min();
        began.map(Instant::elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_requests_are_forgotten() {
        let under_way = UnderWay::default();
        assert_eq!(under_way.longest(&["req-0".to_owned()]), None);
        for number in 0..=KEPT {
            under_way.begin(&format!("req-{number}"));
        }
        assert_eq!(under_way.longest(&["req-0".to_owned()]), None);
        let both = ["req-1".to_owned(), format!("req-{KEPT}")];
        let first = under_way.longest(&both[..1]).expect("known");
        assert!(under_way.longest(&both).expect("known") >= first);
        assert_eq!(under_way.0.lock().in_order.len(), KEPT);
    }
}
