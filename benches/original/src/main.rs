//! The CPU time of one player for one decision in the original Streamlette (crate `streamlette` 0.2.7): all players in
//! one thread, everyone pulls from everyone, payloads of 32 bytes. Compare with `benches/decision.rs`, in the same
//! hour on the same machine.
//!
//! `cargo run --release --manifest-path benches/original/Cargo.toml`

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_lite::future::block_on;
use streamlette::{Core, Decider, DeciderConfig, DiffMessage};
use tmelcrypt::{Ed25519PK, Ed25519SK, HashVal, ed25519_keygen};

/// Players, and how many decisions are measured.
const SIZES: [(usize, u128); 3] = [(4, 41), (31, 9), (100, 3)];

/// What the players do when they synchronise: a pull in three steps, each for everyone before the next.
#[derive(Clone, Copy)]
enum Step {
    Summarise,
    Answer,
    Apply,
}

/// Where requests and answers lie.
struct Board {
    step: Step,
    summaries: Vec<HashMap<HashVal, HashVal>>,
    /// By asker and answerer.
    diffs: BTreeMap<(usize, usize), Vec<DiffMessage>>,
}

struct Player {
    me: usize,
    keys: Arc<Vec<Ed25519SK>>,
    board: Arc<Mutex<Board>>,
    seed: u128,
}

#[async_trait::async_trait]
impl DeciderConfig for Player {
    fn generate_proposal(&self) -> Bytes {
        Bytes::from_static(&[9; 32])
    }

    fn verify_proposal(&self, _: &[u8]) -> bool {
        true
    }

    async fn sync_core(&self, core: &mut Core) {
        let others = (0..self.keys.len()).filter(|other| *other != self.me);
        let mut board = self.board.lock().expect("one thread");
        match board.step {
            Step::Summarise => board.summaries[self.me] = core.summary(),
            Step::Answer => {
                for asker in others {
                    let diff = core.get_diff(&board.summaries[asker]);
                    board.diffs.insert((asker, self.me), diff);
                }
            }
            Step::Apply => {
                for answerer in others {
                    for message in board.diffs.remove(&(self.me, answerer)).expect("everyone answered") {
                        core.apply_one_diff(message).expect("nobody lies here");
                    }
                }
            }
        }
    }

    fn vote_weights(&self) -> BTreeMap<Ed25519PK, u64> {
        self.keys.iter().map(|key| (key.to_public(), 1)).collect()
    }

    fn seed(&self) -> u128 {
        self.seed
    }

    fn my_secret(&self) -> Ed25519SK {
        self.keys[self.me]
    }
}

/// Lets everyone pull from everyone.
fn synchronise(players: &mut [Decider], board: &Mutex<Board>) {
    for step in [Step::Summarise, Step::Answer, Step::Apply] {
        board.lock().expect("one thread").step = step;
        for player in &mut *players {
            block_on(player.sync_state(None));
        }
    }
}

/// Runs one decision; returns the time that one player took, and the ticks.
fn decide(keys: &Arc<Vec<Ed25519SK>>, seed: u128) -> (Duration, usize) {
    let count = keys.len();
    let board = Arc::new(Mutex::new(Board {
        step: Step::Summarise,
        summaries: vec![HashMap::new(); count],
        diffs: BTreeMap::new(),
    }));
    let player = |me| Decider::new(Player { me, keys: keys.clone(), board: board.clone(), seed });
    let mut players: Vec<Decider> = (0..count).map(player).collect();
    let started = Instant::now();
    let mut ticks = 0;
    loop {
        if players.iter_mut().map(Decider::pre_tick).filter(Option::is_some).count() == count {
            break;
        }
        synchronise(&mut players, &board);
        ticks += 1;
        if players.iter_mut().map(Decider::post_tick).filter(Option::is_some).count() == count {
            break;
        }
        synchronise(&mut players, &board);
    }
    (started.elapsed() / u32::try_from(count).expect("a hundred"), ticks)
}

fn main() {
    for (count, decisions) in SIZES {
        let keys = Arc::new((0..count).map(|_| ed25519_keygen().1).collect::<Vec<_>>());
        let mut runs: Vec<(Duration, usize)> = (0..decisions).map(|seed| decide(&keys, seed)).collect();
        runs.sort();
        let (median, ticks) = runs[runs.len() / 2];
        println!("n = {count}: {median:.2?} of CPU for one player and decision (median of {decisions}, {ticks} ticks)");
    }
}
