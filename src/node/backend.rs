//! What the HTTP server asks, answered by the actors and the store.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{broadcast, oneshot, watch},
    time::Instant,
};

use super::{disk_watch::DiskWatch, figures, snapshots::Snapshots};
use crate::{
    actors::{
        self, Clock, MAILBOX, Round, Router, Signatures, Snapshot, decider,
        gallery::Gallery,
        network::{Level, NetworkPort},
        port::{Port, Refused},
        replica::{FateSender, Foremost, Kept, Replica, Seek, Submit, Waits},
        router::{Hearsay, Heed},
        storage::{StoragePort, StoreReader},
    },
    api::port::{
        Answer, Backend, BlockView, CommandState, Examination, InstanceView, Operation, PeerView, Pending,
        ProvenAnswer, QueueView, Refusal, SnapshotStream, Status, Until, ValidatorView,
    },
    app::{self, Application, CheckError, Header, Identified, Receipt, kv},
    config::Genesis,
    metrics::{Actor, Label as _, Limit, Metrics},
    protocol::{Drawing, Evidence, Lifetime, StableCheckpoint},
    replica::{Attestation, CertificateDocument, CheckpointDocument, Fate, Notice},
    types::{Digest, Height, ValidatorIndex, ValidatorSet},
};

/// Live heights that are shown at most.
const LIVE_MAX: usize = 16;

/// The node behind the HTTP server.
pub struct NodeBackend {
    /// The application, for encodings and checks.
    pub app: Arc<dyn Application>,
    /// Clients' signatures.
    pub signatures: Arc<Signatures>,
    /// What the chain agreed on.
    pub genesis: Arc<Genesis>,
    /// The time.
    pub clock: Clock,
    /// Who brings messages in.
    pub router: Port<Router>,
    /// What happens between blocks.
    pub notices: broadcast::Sender<Notice>,
    /// The most bytes of waiting commands.
    pub mempool_bytes_max: usize,
    /// The ordering brain's actor.
    pub replica: Port<Replica>,
    /// The single writer, for its figures.
    pub storage: StoragePort,
    /// How full its disk is.
    pub(super) disk: DiskWatch,
    /// Pictures of decided heights.
    pub gallery: Gallery,
    /// What is committed.
    pub reader: StoreReader,
    /// What was committed at the last checkpoints.
    pub(super) snapshots: Snapshots,
    /// What the ordering brain shows.
    pub snapshot: watch::Receiver<Snapshot>,
    /// Heights for readers that wait.
    pub heights: watch::Receiver<Height>,
    /// Where the lowest live instance is.
    pub round: watch::Receiver<Option<Round>>,
    /// The last stable checkpoint.
    pub stable: watch::Receiver<Option<StableCheckpoint>>,
    /// The swarm.
    pub network: NetworkPort,
    /// The validators.
    pub set: Arc<ValidatorSet>,
    /// Our place.
    pub me: Option<ValidatorIndex>,
    /// When the node stops, once an operator has said so.
    pub(super) drain: watch::Sender<Option<Instant>>,
    /// Numbers.
    pub metrics: Metrics,
}

/// Whom this node reaches.
struct Reach {
    peers: Vec<PeerView>,
    /// How long ago validators that are not connected were last heard, milliseconds.
    gone_ms_ago: BTreeMap<ValidatorIndex, u64>,
}

impl NodeBackend {
    /// What is known of each command whose block is executed *and* durable.
    fn committed(&self, commands: &[Identified]) -> Vec<Option<Fate>> {
        let durable = *self.heights.borrow();
        let replies = app::replies(&*self.reader.snapshot(), commands).into_iter();
        let is_durable = |(height, _): &(Height, Receipt)| *height <= durable;
        let fate = |(height, receipt)| Fate::Committed { height, receipt };
        replies.map(|reply| reply.filter(is_durable).map(fate)).collect()
    }

    /// How much waits for an actor. Storage counts its own queue.
    fn queue(&self, actor: Actor) -> QueueView {
        let depth = match actor {
            Actor::Storage => usize::try_from(self.storage.gauges().waiting_appends()).unwrap_or(usize::MAX),
            _ => usize::try_from(self.metrics.mailbox(actor).get()).unwrap_or(0),
        };
        QueueView { actor: actor.as_str(), depth, depth_max: MAILBOX }
    }

    /// Whether a command may be handed over.
    pub(super) fn check(&self, body: &[u8]) -> Result<(), CheckError> {
        let bytes_max = usize::try_from(self.genesis.command_bytes_max).unwrap_or(usize::MAX);
        if body.len() > bytes_max {
            return Err(CheckError(format!("the command has {} bytes; at most {bytes_max}", body.len())));
        }
        self.app.check(body).inspect_err(|_| self.metrics.command_invalid())
    }

    /// Asks the application about the committed state.
    pub(super) fn answer(&self, question: &[u8]) -> Result<Option<Bytes>, CheckError> {
        self.app.query(&app::State::new(&self.reader), question)
    }

    /// What a live height's decider shows; `None` when it is not live, or nothing has happened in it.
    fn live_drawing(&self, height: Height) -> Pending<Result<Option<Arc<Drawing>>, Refusal>> {
        let sought = self.replica.ask(Seek { height });
        Box::pin(async move {
            let Some(decider) = sought.await.map_err(|_| Refusal::Stopping)? else { return Ok(None) };
            // It may have been closed in between.
            Ok(decider.ask(decider::Draw { height }).await.ok().flatten().map(Arc::new))
        })
    }

    /// Who is connected, and who was.
    fn reach(&self) -> Pending<Result<Reach, Refusal>> {
        let (connected, set, clock) = (self.network.peers(), Arc::clone(&self.set), self.clock);
        let heard = self.router.ask(Heed);
        Box::pin(async move {
            let Hearsay { peers, gone } = heard.await.map_err(|_| Refusal::Stopping)?;
            let ago = |at| milliseconds(clock.now().since(at));
            let view = |peer: actors::network::PeerView| {
                let heard = peers.get(&peer.peer);
                PeerView {
                    round_trip_us: peer.round_trip.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
                    is_in_mesh: peer.is_in_mesh,
                    has_substream: peer.has_substream,
                    queued_frames: peer.queued_frames,
                    agent: peer.agent,
                    clock_ahead_ms: heard.and_then(|heard| heard.clock_ahead_ms),
                    peer_id: peer.peer_id.to_string(),
                    address: peer.address.to_string(),
                    validator: peer.validator.and_then(|key| set.index_of(&key)),
                    height: heard.and_then(|heard| heard.executed),
                    last_heard_ms_ago: heard.map(|heard| ago(heard.at)),
                }
            };
            let gone_ms_ago = gone.into_iter().map(|(validator, at)| (validator, ago(at))).collect();
            Ok(Reach { peers: connected.into_iter().map(view).collect(), gone_ms_ago })
        })
    }

    /// Reads block on the disk at times: they run on a thread for blocking work.
    fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&StoreReader) -> T + Send + 'static,
    ) -> Pending<Result<T, Refusal>> {
        let reader = self.reader.clone();
        let read = actix_rt::task::spawn_blocking(move || read(&reader));
        Box::pin(async { read.await.map_err(|_| Refusal::Stopping) })
    }
}

async fn fate(admitted: oneshot::Receiver<Fate>, committed: Option<oneshot::Receiver<Fate>>) -> Result<Fate, Refusal> {
    let first = admitted.await.map_err(|_| Refusal::Stopping)?;
    match (first, committed) {
        (Fate::Accepted, Some(committed)) => committed.await.map_err(|_| Refusal::Stopping),
        (first, _) => Ok(first),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn ready<T: Send + 'static>(value: T) -> Pending<T> {
    Box::pin(std::future::ready(value))
}

impl Backend for NodeBackend {
    fn heights(&self) -> watch::Receiver<Height> {
        self.heights.clone()
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    fn encode(&self, operation: &Operation) -> Result<Bytes, CheckError> {
        let body = match operation {
            Operation::Put { key, value } => kv::put(key, value),
            Operation::Delete { key } => kv::delete(key),
            Operation::Barrier => kv::barrier(),
        };
        self.app.check(&body).inspect_err(|_| self.metrics.command_invalid())?;
        Ok(body)
    }

    fn describe(&self, receipt: &Receipt) -> serde_json::Value {
        serde_json::from_slice(&receipt.result).unwrap_or(serde_json::Value::Null)
    }

    fn submit(&self, commands: Vec<Identified>, until: Until) -> Vec<Pending<Result<Fate, Refusal>>> {
        let mut submit = Vec::with_capacity(commands.len());
        let mut signed = Vec::with_capacity(commands.len());
        let mut fates: Vec<Option<Pending<_>>> = Vec::with_capacity(commands.len());
        let verdicts = self.signatures.verdicts(commands.iter().map(Identified::command));
        for (command, verdict) in commands.into_iter().zip(verdicts) {
            match verdict {
                Ok(()) => {
                    fates.push(None);
                    signed.push(command);
                }
                Err(error) => {
                    self.metrics.command_invalid();
                    fates.push(Some(ready(Err(error.into()))));
                }
            }
        }
        let committed = self.committed(&signed);
        let open = fates.iter_mut().filter(|fate| fate.is_none());
        for ((command, known), place) in signed.into_iter().zip(committed).zip(open) {
            if let Some(known) = known {
                *place = Some(ready(Ok(known)));
                continue;
            }
            let (admitted_sender, admitted) = oneshot::channel();
            let (committed_sender, committed) = match until {
                Until::Accepted => (None, None),
                Until::Committed => Some(oneshot::channel()).unzip(),
            };
            submit.push((command, FateSender { admitted: admitted_sender, committed: committed_sender }));
            *place = Some(Box::pin(fate(admitted, committed)));
        }
        let fates: Vec<Pending<_>> = fates.into_iter().flatten().collect();
        let refusal = match self.replica.offer(Submit { commands: submit }) {
            Ok(()) => return fates,
            Err(Refused::Full) => Refusal::Busy,
            Err(Refused::Stopped) => Refusal::Stopping,
        };
        fates.iter().map(|_| ready(Err(refusal.clone()))).collect()
    }

    fn command(&self, id: Digest) -> Pending<Result<CommandState, Refusal>> {
        if let Some((height, receipt)) = app::reply_by_id(&self.reader, &id) {
            let is_durable = height <= *self.heights.borrow();
            return ready(Ok(match is_durable {
                true => CommandState::Committed { height, receipt },
                false => CommandState::Decided { height },
            }));
        }
        let waits = self.replica.ask(Waits { command: id });
        Box::pin(async move {
            let waits = waits.await.map_err(|_| Refusal::Stopping)?;
            Ok(if waits { CommandState::Pending } else { CommandState::Unknown })
        })
    }

    fn read(&self, key: Bytes) -> Pending<Result<Answer, Refusal>> {
        // The state read is at this height or above: the store shows a block before its height is published.
        let height = *self.heights.borrow();
        let value = self.answer(&key);
        ready(value.map(|value| Answer { height, value }).map_err(Refusal::Invalid))
    }

    fn prove(&self, key: Bytes) -> Pending<Result<ProvenAnswer, Refusal>> {
        let app = Arc::clone(&self.app);
        let proven = self.blocking(move |reader| {
            // One state for all: a block may be executed meanwhile.
            let rows = &*reader.snapshot();
            let state = app::State::new(rows);
            app.query(&state, &key)?;
            let (value, proof) = (state.get(&key), app::prove(rows, &key));
            let header = app::tip_height(rows).and_then(|tip| app::header(rows, tip));
            Ok(header.map(|header| ProvenAnswer { header, value, proof }))
        });
        Box::pin(async { proven.await?.map_err(Refusal::Invalid)?.ok_or(Refusal::Busy) })
    }

    fn attested_at(&self, height: Height) -> Height {
        match self.genesis.protocol.lifetime() {
            Lifetime::Height => height.plus(self.genesis.window).next(),
            Lifetime::Epoch => self.genesis.checkpoint_above(height),
        }
    }

    fn attestation(&self, header: Header) -> Pending<Result<Option<Attestation>, Refusal>> {
        let genesis = Arc::clone(&self.genesis);
        if genesis.protocol.lifetime() == Lifetime::Epoch {
            let (mut stable, reader) = (self.stable.clone(), self.reader.clone());
            return Box::pin(async move {
                let is_above = |stable: &Option<StableCheckpoint>| {
                    stable.as_ref().is_some_and(|stable| stable.checkpoint.height >= header.height)
                };
                let stable = stable.wait_for(is_above).await.map_err(|_| Refusal::Stopping)?.clone();
                let attest = move || Attestation::by_checkpoint(&reader, &genesis, &header, stable?);
                actix_rt::task::spawn_blocking(attest).await.map_err(|_| Refusal::Stopping)
            });
        }
        self.blocking(move |reader| {
            let stored = app::stored_block(reader, header.height.plus(genesis.window).next())?;
            let certificate = CertificateDocument::new(&genesis, &stored, header.hash());
            Some(Attestation::History(certificate)).filter(|attestation| attestation.names(&header, &genesis))
        })
    }

    fn block(&self, height: Height) -> Pending<Result<Option<BlockView>, Refusal>> {
        self.blocking(move |reader| {
            let stored = app::stored_block(reader, height)?;
            let receipts = app::receipts(reader, height).unwrap_or_default();
            let receipts = receipts.into_iter().map(|(_, receipt)| receipt).collect();
            Some(BlockView {
                header: stored.header,
                instance: stored.instance,
                payload: stored.block.payload,
                receipts,
            })
        })
    }

    fn certificate(&self, height: Height) -> Pending<Result<Option<CertificateDocument>, Refusal>> {
        let genesis = Arc::clone(&self.genesis);
        self.blocking(move |reader| {
            let stored = app::stored_block(reader, height)?;
            let history = app::header(reader, genesis.history_height(height))?.hash();
            Some(CertificateDocument::new(&genesis, &stored, history))
        })
    }

    fn checkpoint(&self) -> Pending<Result<Option<CheckpointDocument>, Refusal>> {
        let (genesis, stable) = (Arc::clone(&self.genesis), self.stable.borrow().clone());
        self.blocking(move |reader| CheckpointDocument::new(reader, &genesis, stable?))
    }

    fn snapshot(&self) -> Pending<Result<Option<SnapshotStream>, Refusal>> {
        let stable = self.stable.borrow().clone();
        ready(stable.map_or(Ok(None), |stable| self.snapshots.send(&self.genesis, stable)))
    }

    fn status(&self) -> Status {
        let (snapshot, round) = (self.snapshot.borrow().clone(), *self.round.borrow());
        Status {
            // A long instance says it of all its heights.
            leader: snapshot.view.leader.or(round.map(|round| round.leader)),
            view: snapshot.view,
            index: self.me,
            round: round.map_or(0, |round| round.number),
            peers: self.network.peers().len(),
        }
    }

    fn validators(&self) -> Vec<ValidatorView> {
        let peers = self.network.peers();
        let connected: Vec<_> = peers.iter().filter_map(|peer| self.set.index_of(&peer.validator?)).collect();
        self.set
            .indices()
            .zip(self.set.members())
            .map(|(index, member)| ValidatorView {
                index,
                public_key: member.public_key,
                power: member.power,
                is_self: self.me == Some(index),
                is_connected: connected.contains(&index),
            })
            .collect()
    }

    fn peers(&self) -> Pending<Result<Vec<PeerView>, Refusal>> {
        let reach = self.reach();
        Box::pin(async move { Ok(reach.await?.peers) })
    }

    fn drawings(&self, count: usize) -> Pending<Result<Vec<Arc<Drawing>>, Refusal>> {
        let gallery = self.gallery.clone();
        let live = self.snapshot.borrow().view.in_window.clone();
        let live: Vec<_> = live.into_iter().rev().take(LIVE_MAX).map(|height| self.live_drawing(height)).collect();
        Box::pin(async move {
            let mut drawings = Vec::new();
            for drawing in live {
                drawings.extend(drawing.await?);
            }
            // What was decided in between is in both.
            let lowest = drawings.last().map(|drawing| drawing.height);
            let decided = gallery.last(count).await.into_iter();
            drawings.extend(decided.filter(|drawing| lowest.is_none_or(|lowest| drawing.height < lowest)));
            drawings.truncate(count);
            Ok(drawings)
        })
    }

    fn drawing(&self, height: Height) -> Pending<Result<Option<Arc<Drawing>>, Refusal>> {
        let (gallery, live) = (self.gallery.clone(), self.live_drawing(height));
        Box::pin(async move {
            // A decided height of a long instance has forgotten its votes where it is live.
            match gallery.show(height).await {
                Some(drawing) => Ok(Some(drawing)),
                None => live.await,
            }
        })
    }

    fn examine(&self) -> Pending<Result<Examination, Refusal>> {
        let (reach, foremost) = (self.reach(), self.replica.ask(Foremost));
        let validators = self.validators();
        let examination = Examination {
            is_quorum_connected: self.is_quorum(&validators),
            validators,
            mesh_peers: usize::try_from(self.network.gauges().level(Level::MeshPeers)).unwrap_or(usize::MAX),
            queues: Actor::all().iter().map(|actor| self.queue(*actor)).collect(),
            mempool_bytes_max: self.mempool_bytes_max,
            disk_free_bytes: self.storage.gauges().disk_free_bytes(),
            disk_warning: self.disk.warning(),
            power_needed: u64::try_from(self.set.least_quorum().get()).unwrap_or(u64::MAX),
            last_executed_ms_ago: self.snapshot.borrow().executed_at.map(|at| milliseconds(self.clock.now().since(at))),
            foreign_peers: self.network.gauges().foreign_peers(),
            last_foreign_ms_ago: self.network.gauges().last_foreign_ms_ago(),
            ..Examination::default()
        };
        let set = Arc::clone(&self.set);
        Box::pin(async move {
            let Reach { peers, gone_ms_ago } = reach.await?;
            let mut instance = None;
            if let Some((height, decider)) = foremost.await.map_err(|_| Refusal::Stopping)? {
                // It may have been closed in between; then there is nothing to look at.
                let looked = decider.ask(decider::Look).await;
                instance = looked.ok().map(|decider::Looked(view)| InstanceView { height, view });
            }
            let voters = instance.iter().flat_map(|instance| &instance.view.voters);
            let power_voted = voters.fold(0_u64, |sum, voter| sum.saturating_add(set.power(*voter).get()));
            Ok(Examination { instance, peers, gone_ms_ago, power_voted, ..examination })
        })
    }

    fn evidence(&self) -> Pending<Result<Vec<Evidence>, Refusal>> {
        let kept = self.replica.ask(Kept);
        Box::pin(async { kept.await.map_err(|_| Refusal::Stopping) })
    }

    fn readiness(&self) -> Result<(), String> {
        self.try_ready()
    }

    fn health(&self) -> Result<Option<String>, String> {
        if self.replica.is_open() { Ok(self.disk.warning()) } else { Err("the replica has stopped".into()) }
    }

    fn metrics(&self) -> String {
        self.metrics.ready(self.readiness().is_ok());
        self.metrics.validators_are_silent(self.me, self.clock.now());
        self.metrics.spare_validators(self.spare_validators());
        figures::collect(&self.metrics, &self.snapshot.borrow().view, &self.network, &self.storage);
        self.metrics.encode()
    }

    fn limited(&self, limit: Limit) {
        self.metrics.limited(limit);
    }

    fn dial(&self, address: &str) -> Result<(), String> {
        self.network.dial(address.parse().map_err(|error: libp2p::multiaddr::Error| error.to_string())?);
        Ok(())
    }

    fn drain(&self, after: Duration) {
        self.drain.send_replace(Some(Instant::now() + after));
    }
}
