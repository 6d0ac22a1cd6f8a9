//! A mouthpiece: stands between a node and the network, and says in the node's name what it likes.
//!
//! Only in builds with the feature `planted`, for clusters of real processes of which one lies. The actors use their
//! [`NetworkPort`] and read their events as ever; whatever they would say to another validator, and whatever another
//! one says to them, passes through the [`Mouthpiece`], which the command line brings along: nothing in this folder
//! knows a lie. Connections, proofs of who we are, bounds and penalties are the network's own.
//!
//! Listeners are spoken to by nobody but the honest part: what they ask is answered as the node would, and what a frame
//! for everyone would tell them is left to the other validators.
//!
//! Limits: [`LATE_MAX`] words that wait for their time; the network's own bound on questions under way.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    envelope,
    event::{NetworkEvent, Reply},
    port::{NetworkPort, Order, RequestError, To},
};
use crate::{
    replica::{
        Peer,
        wire::{Frame, Request, Response},
    },
    types::{ValidatorIndex, ValidatorSet, codec},
};

/// The most words that wait for their time; what is said beyond is lost.
pub const LATE_MAX: usize = 16_384;

/// What one validator says to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Word {
    /// One-way.
    Frame(Frame),
    /// A question.
    Request(Request),
    /// The answer to one.
    Response(Response),
}

/// What is said in a node's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// After which delay.
    pub after: Duration,
    /// To whom.
    pub to: ValidatorIndex,
    /// What.
    pub word: Word,
}

/// Who speaks in a node's name.
pub trait Mouthpiece: Send {
    /// The node would say this; returns what is said instead. A question or answer that is not among it is never put or
    /// given.
    fn speak(&mut self, to: ValidatorIndex, word: Word) -> Vec<Said>;

    /// The node is about to hear this; returns what is said on that occasion.
    fn hear(&mut self, from: ValidatorIndex, word: &Word) -> Vec<Said>;
}

/// Makes a mouthpiece when a node starts.
pub type MakeMouthpiece = Arc<dyn Fn() -> Box<dyn Mouthpiece> + Send + Sync>;

/// Seats a mouthpiece between the network's two ends and whoever gets those that are returned. Its task ends with the
/// network. Must be called within a runtime of actix.
pub fn seat(
    mouthpiece: Box<dyn Mouthpiece>,
    set: Arc<ValidatorSet>,
    me: ValidatorIndex,
    port: NetworkPort,
    events: mpsc::Receiver<NetworkEvent>,
) -> (NetworkPort, mpsc::Receiver<NetworkEvent>) {
    let (orders, ordered) = mpsc::channel(port.orders.max_capacity());
    let (told, heard) = mpsc::channel(events.max_capacity());
    let before = NetworkPort { orders, ..port.clone() };
    let seat = Seat {
        mouthpiece,
        set,
        me,
        port,
        told,
        peers: BTreeMap::new(),
        late: BTreeMap::new(),
        said: 0,
        has_lied: false,
        open: JoinSet::new(),
    };
    actix_rt::spawn(seat.run(ordered, events));
    (before, heard)
}

/// Who waits for what becomes of a word.
enum Waiter {
    /// Our own node, for the answer.
    Asker(oneshot::Sender<Result<Response, RequestError>>),
    /// The validator that asked.
    Asked(Reply),
}

/// A word on its way.
struct Parcel {
    to: ValidatorIndex,
    word: Word,
    waiter: Option<Waiter>,
}

/// What was waited for.
enum Done {
    /// Another validator has answered.
    Answered {
        by: ValidatorIndex,
        result: Result<Response, RequestError>,
        asker: oneshot::Sender<Result<Response, RequestError>>,
    },
    /// Our node would answer this.
    Answering { to: ValidatorIndex, response: Option<Response>, reply: Reply },
}

struct Seat {
    mouthpiece: Box<dyn Mouthpiece>,
    set: Arc<ValidatorSet>,
    me: ValidatorIndex,
    port: NetworkPort,
    told: mpsc::Sender<NetworkEvent>,
    /// The validators that are connected.
    peers: BTreeMap<Peer, ValidatorIndex>,
    /// What waits for its time.
    late: BTreeMap<(Instant, u64), Parcel>,
    /// Counts what is said: tells repetitions apart, and what is due at the same moment.
    said: u64,
    /// Whether anything else was said than the node would have.
    has_lied: bool,
    /// What waits for an answer.
    open: JoinSet<Done>,
}

impl Seat {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>, mut events: mpsc::Receiver<NetworkEvent>) {
        loop {
            let due = self.late.first_key_value().map(|((due, _), _)| *due);
            let due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.order(order),
                    None => return,
                },
                event = events.recv() => match event {
                    Some(event) => {
                        let event = self.event(event);
                        if self.told.send(event).await.is_err() {
                            return;
                        }
                    }
                    None => return,
                },
                Some(Ok(done)) = self.open.join_next() => self.done(done),
                () = due => {
                    if let Some((_, parcel)) = self.late.pop_first() {
                        self.send(parcel);
                    }
                }
            }
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Send { to, kind, envelope } => {
                let frame = envelope::open(&envelope).and_then(|encoded| codec::decode::<Frame>(encoded).ok());
                let (Some(frame), Some(addressed)) = (frame, self.addressed(&to)) else {
                    return self.port.order(Order::Send { to, kind, envelope });
                };
                for to in addressed {
                    self.speak(to, Word::Frame(frame.clone()), None);
                }
            }
            Order::Request { peer, request, answer } => match self.peers.get(&peer).copied() {
                Some(to) => self.speak(to, Word::Request(request), Some(Waiter::Asker(answer))),
                None => self.port.order(Order::Request { peer, request, answer }),
            },
            order @ (Order::Report { .. } | Order::Blame { .. } | Order::Dial { .. }) => self.port.order(order),
        }
    }

    /// The validators among those that a frame is for; `None` when it is for a listener.
    fn addressed(&self, to: &To) -> Option<Vec<ValidatorIndex>> {
        let members = match to {
            To::Peer(peer) => vec![*self.peers.get(peer)?],
            To::Validators(keys) => keys.iter().filter_map(|key| self.set.index_of(key)).collect(),
            To::AllValidators | To::Everyone => self.set.indices().collect(),
        };
        Some(members.into_iter().filter(|member| *member != self.me).collect())
    }

    fn event(&mut self, event: NetworkEvent) -> NetworkEvent {
        match event {
            NetworkEvent::PeerUp { peer, validator, .. } => {
                match validator.and_then(|key| self.set.index_of(&key)) {
                    Some(member) => self.peers.insert(peer, member),
                    None => self.peers.remove(&peer),
                };
                event
            }
            NetworkEvent::PeerDown { peer } => {
                self.peers.remove(&peer);
                event
            }
            NetworkEvent::Frame { peer, ref frame, .. } => {
                if let Some(from) = self.peers.get(&peer).copied() {
                    self.hear(from, &Word::Frame(frame.clone()));
                }
                event
            }
            NetworkEvent::Request { peer, request, reply } => {
                let Some(from) = self.peers.get(&peer).copied() else {
                    return NetworkEvent::Request { peer, request, reply };
                };
                self.hear(from, &Word::Request(request.clone()));
                let (answer, answered) = oneshot::channel();
                self.open.spawn(async move { Done::Answering { to: from, response: answered.await.ok(), reply } });
                NetworkEvent::Request { peer, request, reply: Reply(answer) }
            }
            NetworkEvent::Listening { .. } => event,
        }
    }

    /// The node would say this.
    fn speak(&mut self, to: ValidatorIndex, word: Word, waiter: Option<Waiter>) {
        let honest = Said { after: Duration::ZERO, to, word };
        let said = self.mouthpiece.speak(to, honest.word.clone());
        if said != [honest] {
            self.tell_of_lie();
        }
        self.say(said, waiter);
    }

    /// The node is about to hear this.
    fn hear(&mut self, from: ValidatorIndex, word: &Word) {
        let said = self.mouthpiece.hear(from, word);
        if !said.is_empty() {
            self.tell_of_lie();
        }
        self.say(said, None);
    }

    fn tell_of_lie(&mut self) {
        if !std::mem::replace(&mut self.has_lied, true) {
            tracing::warn!("something else was said than the node would have");
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Answered { by, result, asker } => {
                if let Ok(response) = &result {
                    self.hear(by, &Word::Response(response.clone()));
                }
                // The asker may have gone on.
                let _ = asker.send(result);
            }
            Done::Answering { to, response: Some(response), reply } => {
                self.speak(to, Word::Response(response), Some(Waiter::Asked(reply)));
            }
            Done::Answering { response: None, .. } => {}
        }
    }

    /// Says all of it. Whoever waits does so for the first word of the right kind.
    fn say(&mut self, said: Vec<Said>, mut waiter: Option<Waiter>) {
        for Said { after, to, word } in said {
            let is_waited_for = matches!(
                (&waiter, &word),
                (Some(Waiter::Asker(_)), Word::Request(_)) | (Some(Waiter::Asked(_)), Word::Response(_))
            );
            let parcel = Parcel { to, word, waiter: if is_waited_for { waiter.take() } else { None } };
            if after.is_zero() {
                self.send(parcel);
            } else if self.late.len() < LATE_MAX {
                self.said += 1;
                self.late.insert((Instant::now() + after, self.said), parcel);
            }
        }
    }

    fn send(&mut self, Parcel { to, word, waiter }: Parcel) {
        match (word, waiter) {
            (Word::Frame(frame), _) => {
                let Some(member) = self.set.get(to) else { return };
                self.said += 1;
                // Only tells repetitions apart: its lower half does that.
                let resend = u32::try_from(self.said & u64::from(u32::MAX)).unwrap_or(u32::MAX);
                self.port.send(To::Validators(vec![member.public_key]), &frame, resend);
            }
            (Word::Request(request), waiter) => {
                let Some((peer, _)) = self.peers.iter().find(|(_, member)| **member == to) else { return };
                let asked = self.port.request(*peer, request);
                if let Some(Waiter::Asker(asker)) = waiter {
                    self.open.spawn(async move { Done::Answered { by: to, result: asked.await, asker } });
                }
            }
            (Word::Response(response), Some(Waiter::Asked(reply))) => reply.answer(response),
            // Nobody can answer what was not asked.
            (Word::Response(_), _) => {}
        }
    }
}
