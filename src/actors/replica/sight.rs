//! What others may see of the replica: its snapshot, its lines in the log, notices, and answers to those who ask.

use std::time::Duration;

use actix::prelude::*;

use super::{Receive, Replica};
use crate::{
    actors::{Snapshot, decider, port::Port},
    protocol::Evidence,
    replica::{Event, Input, Notice, Progress},
    types::{Digest, Height},
};

/// How often the progress of catching up is logged.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Asks whether a command waits here to be decided.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Waits {
    /// Its id.
    pub command: Digest,
}

/// Asks for the decider of the lowest live instance, with its height.
#[derive(Message)]
#[rtype(result = "Option<(Height, Port<decider::Decider>)>")]
pub struct Foremost;

/// Asks for the decider of a live height.
#[derive(Message)]
#[rtype(result = "Option<Port<decider::Decider>>")]
pub struct Seek {
    /// Which.
    pub height: Height,
}

/// Asks for the proofs of lies that are kept, at most [`super::EVIDENCE_MAX`].
#[derive(Message)]
#[rtype(result = "Vec<Evidence>")]
pub struct Kept;

impl Replica {
    /// Publishes what an operator may see, if it has changed.
    pub(super) fn show(&mut self) {
        let view = self.brain.view();
        let executed = view.executed;
        let is_new_height = executed > *self.ports.heights.borrow();
        if is_new_height {
            self.executed_at = Some(self.ports.clock.now());
        }
        if let Some(progress) = &view.sync {
            self.log_progress(progress);
        }
        self.ports.snapshot.send_if_modified(|snapshot| {
            let is_new = snapshot.view != view;
            *snapshot = Snapshot { view, proven: self.evidence.len(), executed_at: self.executed_at };
            is_new
        });
        // Last: whoever is woken by a height finds it in all that is shown.
        if is_new_height {
            self.ports.heights.send_replace(executed);
        }
    }

    /// A line with a bar when catching up has taken a while, and again each second.
    fn log_progress(&mut self, progress: &Progress) {
        let now = self.ports.clock.now();
        if progress.elapsed < PROGRESS_INTERVAL || self.sync_logged.is_some_and(|at| now.since(at) < PROGRESS_INTERVAL)
        {
            return;
        }
        self.sync_logged = Some(now);
        let filled = usize::try_from(progress.percent() / 5).unwrap_or(0);
        let (height, target) = (progress.executed.get(), progress.target.get());
        let (percent, blocks_per_second) = (progress.percent(), progress.blocks_per_second());
        let seconds_left = progress.left().map(|left| left.as_secs());
        tracing::info!(
            height,
            target,
            percent,
            blocks_per_second,
            seconds_left,
            "catching up [{:<20}]",
            "#".repeat(filled)
        );
    }
}

/// What of an event belongs into the event stream. Commits do not: readers find blocks in the store.
pub(super) fn notice(event: &Event) -> Option<Notice> {
    match *event {
        Event::TurnMissed { height, validator } => Some(Notice::TurnMissed { height, validator }),
        Event::Diverged { height, validator } => Some(Notice::Diverged { height, validator }),
        Event::Syncing { is_syncing, executed, target } => Some(Notice::Syncing { is_syncing, executed, target }),
        Event::StateMismatch { height } => Some(Notice::StateMismatch { height }),
        Event::Stabilised { height } => Some(Notice::CheckpointStable { height }),
        Event::Committed { .. } | Event::Refused { .. } | Event::Synced { .. } => None,
    }
}

/// The stations of a command's and of a height's way through this replica: with those of its instance they show where
/// the time goes.
pub(super) fn log(input: &Input) {
    match input {
        Input::Submit { commands } => {
            for (_, command) in commands {
                tracing::debug!(command = %command.id(), "submitted");
            }
        }
        Input::Forwarded { .. } => tracing::debug!("forwarded here"),
        Input::Build { slot, .. } => tracing::debug!(height = slot.height.get(), "asked to propose"),
        Input::Decided { block } => tracing::debug!(height = block.height.get(), "decided"),
        Input::Recorded { height } => tracing::debug!(height = height.get(), "recorded"),
        Input::Executed { header, receipts, .. } => {
            let (height, commands, state_root) = (header.height.get(), receipts.len(), header.state_root);
            tracing::debug!(height, commands, ?state_root, "executed");
        }
        _ => {}
    }
}

impl Receive<Waits> for Replica {
    type Result = bool;

    fn receive(&mut self, Waits { command }: Waits, _: &mut Self::Context) -> bool {
        self.brain.waits(&command)
    }
}

impl Receive<Foremost> for Replica {
    type Result = Option<(Height, Port<decider::Decider>)>;

    fn receive(&mut self, _: Foremost, _: &mut Self::Context) -> Self::Result {
        self.live.first_key_value().map(|(height, live)| (*height, live.decider.clone()))
    }
}

impl Receive<Seek> for Replica {
    type Result = Option<Port<decider::Decider>>;

    fn receive(&mut self, Seek { height }: Seek, _: &mut Self::Context) -> Self::Result {
        // A long instance is known by its first height. One that does not have the height says so.
        self.live.range(..=height).next_back().map(|(_, live)| live.decider.clone())
    }
}

impl Receive<Kept> for Replica {
    type Result = Vec<Evidence>;

    fn receive(&mut self, _: Kept, _: &mut Self::Context) -> Self::Result {
        self.evidence.clone()
    }
}
