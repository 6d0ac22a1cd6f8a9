//! Who is started, in which order, and knows whom.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use actix::prelude::*;
use tokio::sync::{broadcast, mpsc, watch};

use super::{
    StartError, backend::NodeBackend, builder::Spec, disk_watch::DiskWatch, replica::End, snapshots::Snapshots,
    watch::Watch,
};
use crate::{
    actors::{
        Clock, Executor, NOTICES, Pacemaker, Ports, Router, Signatures, Snapshot, Verifier,
        gallery::Gallery,
        network::{self, Discovery, Network, NetworkEvent, NetworkPort, NetworkSettings, NodeKey, PeerProof},
        port::Port,
        replica::Replica as ReplicaActor,
        storage::{self, Pins, Storage, StoragePort, StoreReader},
    },
    api::{self, port::Backend},
    app::{self, Application},
    config::{Identity, NodeConfig},
    journal::Entry,
    metrics::{Actor as Mailbox, Metrics},
    protocol::Abstention,
    replica::{Recovered, Replica, Settings, last_checkpoint},
    types::{Digest, Height, ValidatorIndex},
};

/// What an answer to a peer may hold beyond one payload.
const ANSWER_MARGIN: usize = 1 << 20;

/// All parts, running.
pub struct Node {
    backend: Arc<NodeBackend>,
    server: Option<api::Server>,
    admin: Option<api::Server>,
    port: NetworkPort,
    network: Network,
    storage: Storage,
    executor: Arbiter,
    watch: Watch,
}

/// How long the HTTP server may take to end in order. It is told what to do with requests that wait; this is for
/// clients that do not read their answers.
const HTTP_STOP_TIMEOUT: Duration = Duration::from_millis(1_300);

impl Node {
    /// Starts all parts.
    ///
    /// # Errors
    /// [`StartError`], with nothing left running.
    pub async fn start(spec: &Spec) -> Result<Self, StartError> {
        let Spec { config, identity, app, serves_http, admin, rejoin, .. } = spec;
        let chain = identity.genesis.chain_id();
        let metrics = Metrics::new(identity.genesis.protocol, identity.validators.len());
        let mut storage_settings = storage_settings(config, identity, &metrics);
        storage_settings.rejoin = *rejoin;
        let (storage, recovered) = Storage::open(storage_settings)?;
        if recovered.abstention == Abstention::Everywhere && !can_rejoin(identity) {
            return Err(StartError::Irreplaceable);
        }
        let port = storage.port();
        let reader = port.reader();
        app::check_store(&reader, &identity.genesis)?;
        let (executor, initial) = app::Executor::open(Box::new(Arc::clone(app)), &identity.genesis, &reader);
        let tip = executor.tip().height;
        if let Some(changes) = initial {
            port.commit(tip, changes);
        }
        metrics.mempool_capacity(config.mempool.bytes_max);
        metrics.disk_warning(config.storage.free_bytes_min);
        let settings = network_settings(config, identity, &chain, last_counter(&recovered), &port).await?;
        let (network, network_port, events) = network::start(settings)?;
        #[cfg(feature = "planted")]
        let (network_port, events) = seat_mouthpiece(spec, network_port, events);
        let ground = Ground { config, identity, app, storage: port, reader, network: network_port, metrics };
        let (executor, ports) = ground.start_actors(executor, recovered, events)?;
        let backend = Arc::new(ground.backend(&ports));
        let server = serves_http.then(|| ground.serve(&backend)).transpose()?;
        let admin = admin.as_ref().map(|admin| ground.serve_admin(&backend, admin)).transpose()?;
        let http = server.as_ref().map(|server| tracing::field::display(server.address()));
        let admin_http = admin.as_ref().map(|server| tracing::field::display(server.address()));
        let me = ground.me().map(ValidatorIndex::get);
        let chain_name = &identity.genesis.chain;
        tracing::info!(chain = %chain_name, height = tip.get(), validator = me, http, admin = admin_http, "started");
        let watch = watch(&ports);
        Ok(Self { backend, server, admin, port: ports.network, network, storage, executor, watch })
    }

    /// What the outside may ask of it.
    pub fn backend(&self) -> Arc<NodeBackend> {
        Arc::clone(&self.backend)
    }

    /// Where HTTP is served.
    pub fn http(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(api::Server::address)
    }

    /// Runs until `stop` or until it is drained, then stops all parts in order, and tells how it ended. A part that ends
    /// by itself is told at once: a stop in order would wait for what is gone.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>, tell: impl FnOnce(End)) {
        let part = tokio::select! {
            () = stop => None,
            () = self.backend.drained() => None,
            part = self.watch.next_end() => Some(part),
            () = end_of(&mut self.server) => Some("http"),
            () = end_of(&mut self.admin) => Some("admin"),
        };
        if let Some(part) = part {
            tracing::error!(part, "a part of the node ended by itself; the process ends");
            tell(End::Part(part));
            return;
        }
        tracing::info!("stopping");
        let servers = self.server.into_iter().chain(self.admin).map(api::Server::stop);
        if tokio::time::timeout(HTTP_STOP_TIMEOUT, futures::future::join_all(servers)).await.is_err() {
            tracing::warn!("some clients did not take their answers");
        }
        self.port.shutdown();
        if let Err(error) = self.network.join() {
            tracing::error!(%error, "the network ended");
        }
        self.executor.stop();
        self.storage.shutdown();
        tracing::info!("stopped");
        tell(End::Stopped);
    }
}

/// Waits until a server has ended by itself.
async fn end_of(server: &mut Option<api::Server>) {
    match server {
        Some(server) => drop(server.ended().await),
        None => std::future::pending().await,
    }
}

/// Has another speak in a validator's name, where that is asked for.
#[cfg(feature = "planted")]
fn seat_mouthpiece(
    spec: &Spec,
    port: NetworkPort,
    events: mpsc::Receiver<NetworkEvent>,
) -> (NetworkPort, mpsc::Receiver<NetworkEvent>) {
    match (&spec.mouthpiece, &spec.identity.validator) {
        (Some(make), Some((me, _))) => {
            network::mouthpiece::seat(make(), Arc::clone(&spec.identity.validators), *me, port, events)
        }
        _ => (port, events),
    }
}

/// The actors that live as long as the node. The network is among them by the router, which stops when its stream of
/// events ends.
fn watch(ports: &Ports) -> Watch {
    let mut watch = Watch::default();
    let (replica, router, pacemaker) = (ports.replica.clone(), ports.router.clone(), ports.pacemaker.clone());
    let (verifier, executor) = (ports.verifier.clone(), ports.executor.clone());
    watch.add("replica", move || replica.is_open());
    watch.add("router", move || router.is_open());
    watch.add("pacemaker", move || pacemaker.is_open());
    watch.add("verifier", move || verifier.is_open());
    watch.add("executor", move || executor.is_open());
    watch
}

fn storage_settings(config: &NodeConfig, identity: &Identity, metrics: &Metrics) -> storage::Settings {
    let mut settings = storage::Settings::new(&config.node.data, identity.genesis.chain_id());
    settings.lifetime = identity.genesis.protocol.lifetime();
    if let Some((me, _)) = &identity.validator {
        settings.write_behind = storage::WriteBehind::of_validator(me.position(), identity.validators.len());
    }
    settings.cache_bytes = config.storage.cache_bytes_max;
    let metrics = metrics.clone();
    settings.observe_sync = Box::new(move |took| metrics.synced_to_disk(took));
    settings
}

/// Whether the validators other than this one are a quorum, which `OB-10` needs.
fn can_rejoin(identity: &Identity) -> bool {
    let set = &identity.validators;
    identity.validator.as_ref().is_none_or(|(own, _)| set.is_quorum(set.total().minus(set.power(*own))))
}

/// The highest counter used so far. Without a memory of it there is the clock, which is further: peers remember too.
fn last_counter(recovered: &storage::Recovered) -> u64 {
    let is_remembered = recovered.abstention == Abstention::NONE;
    if is_remembered { recovered.peer_counter } else { recovered.peer_counter.max(Clock::wall_ms()) }
}

/// Signs our PeerId with a counter higher than ever before, which is durable before anybody sees it.
async fn network_settings(
    config: &NodeConfig,
    identity: &Identity,
    chain: &Digest,
    last_counter: u64,
    storage: &StoragePort,
) -> Result<NetworkSettings, StartError> {
    let validators = identity.validators.members().iter().map(|member| member.public_key).collect();
    let mut settings = NetworkSettings::new(*chain, NodeKey::from(&identity.peer_key), validators);
    if let Some((_, key)) = &identity.validator {
        let counter = last_counter.saturating_add(1);
        let (done, durable) = tokio::sync::oneshot::channel();
        storage.append(vec![Entry::PeerCounter { counter }], move || {
            let _ = done.send(());
        });
        durable.await.map_err(|_| StartError::Journal)?;
        settings.proof = Some(PeerProof::sign(key, chain, settings.node_key.peer_id(), counter));
    }
    let parse = |addresses: &[String]| {
        let parse = |address: &String| address.parse().map_err(|error| StartError::Address(address.clone(), error));
        addresses.iter().map(parse).collect::<Result<Vec<_>, _>>()
    };
    settings.listen = parse(&config.network.listen)?;
    settings.peers = parse(&config.network.peers)?;
    let payload = usize::try_from(identity.genesis.payload_bytes_max).unwrap_or(usize::MAX);
    settings.limits.frame_bytes_max = payload + ANSWER_MARGIN;
    settings.limits.response_bytes_max = payload + 2 * ANSWER_MARGIN;
    settings.limits.connections_max = usize::try_from(config.network.connections_max).unwrap_or(usize::MAX);
    settings.limits.arrivals_per_second = config.network.address_connections_per_second_max;
    settings.limits.frames_per_second = config.network.peer_frames_per_second_max;
    settings.limits.frame_bytes_per_second = config.network.peer_frame_bytes_per_second_max;
    settings.discovery = Discovery { mdns: config.network.mdns, kademlia: config.network.kademlia };
    settings.timings.block_for = Duration::from_millis(config.network.block_ms);
    settings.timings.validator_block_for = Duration::from_millis(config.network.validator_block_ms);
    settings.limits.requests_per_second = config.network.peer_requests_per_second_max;
    settings.limits.response_bytes_per_second = config.network.peer_bytes_per_second_max;
    settings.timings.retry_min = Duration::from_millis(config.network.redial_min_ms);
    settings.timings.retry_max = Duration::from_millis(config.network.redial_max_ms);
    Ok(settings)
}

/// What the actors stand on.
struct Ground<'a> {
    config: &'a NodeConfig,
    identity: &'a Identity,
    app: &'a Arc<dyn Application>,
    storage: StoragePort,
    reader: StoreReader,
    network: NetworkPort,
    metrics: Metrics,
}

impl Ground<'_> {
    fn start_actors(
        &self,
        executor: app::Executor,
        recovered: storage::Recovered,
        events: mpsc::Receiver<NetworkEvent>,
    ) -> Result<(Arbiter, Ports), StartError> {
        let clock = Clock::start();
        let genesis = &self.identity.genesis;
        let window = usize::try_from(genesis.window).unwrap_or(usize::MAX);
        let headers = app::headers(&self.reader, window.saturating_add(2));
        let restored = app::base_checkpoint(&self.reader);
        let stable = restored.into_iter().chain(recovered.stable).max_by_key(|stable| stable.checkpoint.height);
        let recovered_brain = Recovered {
            headers,
            owners: executor.owners(),
            decided: recovered.decided,
            oldest: app::base_height(&self.reader).next(),
            abstention: recovered.abstention,
            origin: app::header(&self.reader, Height::ZERO).expect("genesis is in the store").hash(),
            checkpoint: last_checkpoint(&self.reader, genesis),
            signed: recovered.signed,
            stable: stable.clone(),
        };
        let tip = executor.tip().height;
        let brain = Replica::new(self.settings(), recovered_brain);
        let (reader, storage) = (self.reader.clone(), self.storage.clone());
        let arbiter = Arbiter::new();
        let signatures = Arc::new(Signatures::new(genesis));
        let theirs = Arc::clone(&signatures);
        let (pins, interval) = (Pins::default(), genesis.checkpoint_interval());
        let pinned = pins.clone();
        let start = move |_: &mut Context<Executor>| Executor::new(executor, reader, storage, theirs, pinned, interval);
        let executor = Executor::start_in_arbiter(&arbiter.handle(), start);
        let (router, replica) = (Context::<Router>::new(), Context::<ReplicaActor>::new());
        let payload = usize::try_from(genesis.payload_bytes_max).unwrap_or(usize::MAX);
        let ports = Ports {
            clock,
            protocol: genesis.protocol,
            me: self.me(),
            set: Arc::clone(&self.identity.validators),
            app: Arc::clone(self.app),
            diff_bytes_max: payload.saturating_add(ANSWER_MARGIN),
            status: Arc::new(watch::Sender::new(brain.status())),
            heights: Arc::new(watch::Sender::new(tip)),
            snapshot: Arc::new(watch::Sender::new(Snapshot::default())),
            notices: broadcast::channel(NOTICES).0,
            round: Arc::new(watch::Sender::new(None)),
            stable: Arc::new(watch::Sender::new(stable)),
            resends: Arc::new(AtomicU32::new(0)),
            reader: self.reader.clone(),
            storage: self.storage.clone(),
            pins,
            network: self.network.clone(),
            pacemaker: self.port(Pacemaker::new(clock).start(), Mailbox::Pacemaker),
            signatures,
            verifier: self.port(Verifier::new(self.metrics.clone()).start(), Mailbox::Verifier),
            executor: self.port(executor, Mailbox::Executor),
            router: self.port(router.address(), Mailbox::Router),
            replica: self.port(replica.address(), Mailbox::Replica),
            gallery: Gallery::start(),
            metrics: self.metrics.clone(),
        };
        router.run(Router::new(ports.clone(), events).map_err(StartError::Thread)?);
        replica.run(ReplicaActor::new(
            brain,
            self.identity.validator.as_ref().map(|(_, key)| key.clone()),
            recovered.records,
            ports.clone(),
        ));
        Ok((arbiter, ports))
    }

    fn port<A: Actor>(&self, address: Addr<A>, actor: Mailbox) -> Port<A> {
        Port::new(address, actor, self.metrics.clone())
    }

    fn me(&self) -> Option<ValidatorIndex> {
        self.identity.validator.as_ref().map(|(index, _)| *index)
    }

    fn settings(&self) -> Settings {
        Settings {
            genesis: Arc::clone(&self.identity.genesis),
            me: self.me(),
            timing: self.config.timing(),
            mempool_bytes_max: self.config.mempool.bytes_max,
            mempool_commands_max: self.config.mempool.commands_max,
            status_interval: Duration::from_millis(self.config.sync.status_interval_ms),
            fetch_timeout: Duration::from_millis(self.config.sync.fetch_timeout_ms),
        }
    }

    fn backend(&self, ports: &Ports) -> NodeBackend {
        let disk = DiskWatch::new(self.storage.gauges(), self.config.storage.free_bytes_min);
        actix_rt::spawn(disk.clone().run());
        NodeBackend {
            app: Arc::clone(&ports.app),
            signatures: Arc::clone(&ports.signatures),
            genesis: Arc::clone(&self.identity.genesis),
            clock: ports.clock,
            mempool_bytes_max: self.config.mempool.bytes_max,
            replica: ports.replica.clone(),
            gallery: ports.gallery.clone(),
            router: ports.router.clone(),
            notices: ports.notices.clone(),
            storage: self.storage.clone(),
            disk,
            reader: self.reader.clone(),
            snapshots: Snapshots::new(ports.pins.clone()),
            snapshot: ports.snapshot.subscribe(),
            heights: ports.heights.subscribe(),
            round: ports.round.subscribe(),
            stable: ports.stable.subscribe(),
            network: self.network.clone(),
            set: Arc::clone(&self.identity.validators),
            me: self.me(),
            drain: watch::Sender::new(None),
            metrics: self.metrics.clone(),
        }
    }

    fn serve_admin(&self, backend: &Arc<NodeBackend>, admin: &api::Admin) -> Result<api::Server, StartError> {
        let chain = api::ChainFacts::new(&self.identity.genesis);
        api::Server::start_admin(chain, Arc::clone(backend) as Arc<dyn Backend>, admin)
            .map_err(|error| StartError::Admin(admin.listen, error))
    }

    fn serve(&self, backend: &Arc<NodeBackend>) -> Result<api::Server, StartError> {
        let http = &self.config.http;
        let settings = api::Settings {
            workers: http.workers,
            connections_max: http.connections_max,
            requests_max: http.requests_max,
            body_bytes_total_max: http.body_bytes_total_max,
            client_requests_per_second_max: http.client_requests_per_second_max,
            client_bytes_per_second_max: http.client_bytes_per_second_max,
            cors_origins: http.cors_origins.clone(),
            ..api::Settings::new(http.listen, api::ChainFacts::new(&self.identity.genesis))
        };
        api::Server::start(settings, Arc::clone(backend) as Arc<dyn Backend>)
            .map_err(|error| StartError::Http(http.listen, error))
    }
}
