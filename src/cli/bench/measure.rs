//! What is measured, and what came out.

use std::time::Duration;

use serde::{Serialize, ser::SerializeStruct as _};

use super::{nodes::NodeCost, tally::Part};
use crate::{config::ApplicationName, protocol::ProtocolName};

/// Who asks how often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Load {
    /// Batches are due at a rate.
    Open {
        /// Commands a second.
        rate: u32,
        /// Commands in a batch.
        batch: u16,
    },
    /// Clients each wait for their last answer.
    Closed {
        /// How many.
        clients: u16,
    },
}

/// One measurement to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Plan {
    pub(super) validators: u16,
    pub(super) window: u64,
    pub(super) application: ApplicationName,
    pub(super) protocol: ProtocolName,
    pub(super) load: Load,
    pub(super) payload_bytes: u32,
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
    pub(super) kill_one: bool,
    pub(super) seed: u64,
}

impl Plan {
    /// Commands a second that are offered; a closed loop offers what it gets answered.
    pub(super) fn rate(&self) -> Option<u32> {
        match self.load {
            Load::Open { rate, .. } => Some(rate),
            Load::Closed { .. } => None,
        }
    }
}

impl Serialize for Plan {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (batch, clients) = match self.load {
            Load::Open { batch, .. } => (Some(batch), None),
            Load::Closed { clients } => (None, Some(clients)),
        };
        let mut plan = serializer.serialize_struct("Plan", 13)?;
        plan.serialize_field("validators", &self.validators)?;
        plan.serialize_field("window", &self.window)?;
        plan.serialize_field("application", self.application.as_str())?;
        plan.serialize_field("protocol", self.protocol.as_str())?;
        plan.serialize_field("loop", if batch.is_some() { "open" } else { "closed" })?;
        plan.serialize_field("batch", &batch)?;
        plan.serialize_field("clients", &clients)?;
        plan.serialize_field("payload_bytes", &self.payload_bytes)?;
        plan.serialize_field("keys", &super::workload::KEYS)?;
        plan.serialize_field("warm_up_seconds", &self.warm_up.as_secs())?;
        plan.serialize_field("duration_seconds", &self.duration.as_secs())?;
        plan.serialize_field("kill_one", &self.kill_one)?;
        plan.serialize_field("seed", &self.seed)?;
        plan.end()
    }
}

/// What came out, raw.
pub(super) struct Measurement {
    /// Of the time that counts; two halves when a validator was killed between them.
    pub(super) parts: Vec<(Duration, Part)>,
    /// Of each node, as far as it is known.
    pub(super) nodes: Vec<NodeCost>,
    /// This process, of one core.
    pub(super) client_cpu_percent: f64,
}

/// Throughput and latencies of a part, as they are told.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) committed_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p90_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
    /// Commands that did not end well.
    pub(super) errors: u64,
}

impl Figures {
    /// Of some parts taken together.
    pub(super) fn of(parts: &[(Duration, Part)]) -> Self {
        let Some(((first_length, first), rest)) = parts.split_first() else {
            let none = 0.0;
            return Self {
                committed_per_second: none,
                p50_ms: none,
                p90_ms: none,
                p99_ms: none,
                max_ms: none,
                errors: 0,
            };
        };
        let (mut length, mut latencies, mut committed) = (*first_length, first.latencies.clone(), first.committed);
        for (more, part) in rest {
            length += *more;
            committed += part.committed;
            latencies.add(&part.latencies).expect("all parts have the same range");
        }
        let at = |quantile: f64| latencies.value_at_quantile(quantile) as f64 / 1_000.0;
        Self {
            committed_per_second: committed as f64 / length.as_secs_f64(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            max_ms: latencies.max() as f64 / 1_000.0,
            errors: parts.iter().flat_map(|(_, part)| part.errors.values()).sum(),
        }
    }
}
