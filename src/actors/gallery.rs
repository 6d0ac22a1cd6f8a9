//! The gallery: pictures of the last decided heights, for the console.
//!
//! Deciders hand a picture over when they are done with a height; whoever looks asks here, and them for live ones. A task with a
//! bounded queue, so that no decider waits for it and none takes a lock: when the queue is full, a picture is lost.
//! What a decider notes of a height while it is undecided is its [`Sketch`].
//!
//! Limits: [`HEIGHTS_MAX`] drawings; `BALLOTS_MAX` votes of a height with their times.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::Clock;
use crate::{
    protocol::{Counted, Drawing, Picture},
    types::{Digest, Height, Time, ValidatorIndex},
};

/// How many heights are remembered.
pub const HEIGHTS_MAX: usize = 128;
/// How many votes of a height are remembered with their times.
const BALLOTS_MAX: usize = 1_024;
/// How many orders may wait.
const ORDERS_MAX: usize = 64;

enum Order {
    Hang(Box<Drawing>),
    Show { height: Height, answer: oneshot::Sender<Option<Arc<Drawing>>> },
    Last { count: usize, answer: oneshot::Sender<Vec<Arc<Drawing>>> },
}

/// Where the gallery is reached. Cheap to clone; it ends with the last one.
#[derive(Clone)]
pub struct Gallery {
    orders: mpsc::Sender<Order>,
}

impl Gallery {
    /// Starts it on the current thread's runtime.
    pub fn start() -> Self {
        let (orders, waiting) = mpsc::channel(ORDERS_MAX);
        actix_rt::spawn(serve(waiting));
        Self { orders }
    }

    /// Keeps a drawing in place of an earlier one of its height.
    pub fn hang(&self, drawing: Drawing) {
        let _ = self.orders.try_send(Order::Hang(Box::new(drawing)));
    }

    /// The drawing of a height, if it is here.
    pub async fn show(&self, height: Height) -> Option<Arc<Drawing>> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::Show { height, answer }).await.ok()?;
        answered.await.ok().flatten()
    }

    /// The drawings of the last heights, the highest first.
    pub async fn last(&self, count: usize) -> Vec<Arc<Drawing>> {
        let (answer, answered) = oneshot::channel();
        match self.orders.send(Order::Last { count, answer }).await {
            Ok(()) => answered.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }
}

async fn serve(mut orders: mpsc::Receiver<Order>) {
    let mut drawings = BTreeMap::new();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Hang(drawing) => {
                drawings.insert(drawing.height, Arc::new(*drawing));
                if drawings.len() > HEIGHTS_MAX {
                    drawings.pop_first();
                }
            }
            Order::Show { height, answer } => {
                let _ = answer.send(drawings.get(&height).cloned());
            }
            Order::Last { count, answer } => {
                let _ = answer.send(drawings.values().rev().take(count).cloned().collect());
            }
        }
    }
}

/// What a decider notes of an undecided height beside its brain: when whose vote was counted.
#[derive(Clone, Debug)]
pub struct Sketch {
    began: Time,
    began_at_ms: u64,
    decided: Option<Time>,
    counted: BTreeSet<(u64, ValidatorIndex)>,
    ballots: Vec<Counted>,
}

impl Sketch {
    /// Begins now.
    pub fn new(now: Time) -> Self {
        let (counted, ballots) = (BTreeSet::new(), Vec::new());
        Self { began: now, began_at_ms: Clock::wall_ms(), decided: None, counted, ballots }
    }

    /// A vote is counted.
    pub fn count(&mut self, now: Time, round: u64, validator: ValidatorIndex) {
        if self.ballots.len() < BALLOTS_MAX && self.counted.insert((round, validator)) {
            let after_ms = milliseconds(now.since(self.began));
            self.ballots.push(Counted { validator, round, after_ms });
        }
    }

    /// The height is decided.
    pub fn decide(&mut self, now: Time) {
        self.decided.get_or_insert(now);
    }

    /// With what the brain shows.
    pub fn draw(&self, height: Height, instance: Digest, picture: Picture) -> Drawing {
        let decided_after_ms = self.decided.map(|at| milliseconds(at.since(self.began)));
        let (began_at_ms, ballots) = (self.began_at_ms, self.ballots.clone());
        Drawing { height, instance, began_at_ms, decided_after_ms, ballots, picture }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing(height: u64) -> Drawing {
        Sketch::new(Time::ZERO).draw(Height::new(height), Digest::new([1; 32]), Picture::default())
    }

    #[actix_rt::test]
    async fn keeps_the_last_heights_and_the_last_drawing_of_each() {
        let gallery = Gallery::start();
        for height in 1..=130 {
            gallery.hang(drawing(height));
            // The queue is short: it is given time to be emptied.
            gallery.last(0).await;
        }
        let decided = Drawing { decided_after_ms: Some(7), ..drawing(130) };
        gallery.hang(decided.clone());
        assert_eq!(gallery.show(Height::new(130)).await.as_deref(), Some(&decided));
        assert!(gallery.show(Height::new(2)).await.is_none(), "only {HEIGHTS_MAX} are kept");
        let last: Vec<_> = gallery.last(2).await.iter().map(|drawing| drawing.height.get()).collect();
        assert_eq!(last, [130, 129]);
    }

    #[test]
    fn a_sketch_notes_the_first_vote_of_each_in_each_round() {
        let at = |ms| Time::ZERO.plus(Duration::from_millis(ms));
        let (one, other) = (ValidatorIndex::new(1), ValidatorIndex::new(2));
        let mut sketch = Sketch::new(at(10));
        for (ms, round, validator) in [(12, 0, one), (13, 0, other), (14, 0, one), (15, 1, one)] {
            sketch.count(at(ms), round, validator);
        }
        sketch.decide(at(16));
        sketch.decide(at(20));
        let drawing = sketch.draw(Height::FIRST, Digest::new([1; 32]), Picture::default());
        let ballots = drawing.ballots.iter().map(|ballot| (ballot.validator.get(), ballot.round, ballot.after_ms));
        assert_eq!(ballots.collect::<Vec<_>>(), [(1, 0, 2), (2, 0, 3), (1, 1, 5)]);
        assert_eq!(drawing.decided_after_ms, Some(6));
    }
}
