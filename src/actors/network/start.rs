//! Starting and stopping.

use std::{
    io,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use libp2p::{Multiaddr, TransportError};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use super::{
    behaviour,
    driver::{Driver, Ends},
    event::NetworkEvent,
    gauge::NetworkGauges,
    inbound::{CONTROL_RESERVE, Inbound, Verdicts},
    port::{self, NetworkPort},
    settings::NetworkSettings,
};

/// Why the network could not be started. All of it is the environment's or the configuration's fault.
#[derive(Debug, thiserror::Error)]
pub enum NetworkFault {
    /// No thread or runtime could be had.
    #[error("cannot start the network's threads: {0}")]
    Threads(#[source] io::Error),
    /// The swarm could not be built.
    #[error("cannot build the network: {0}")]
    Build(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An address to listen on is not to be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: Multiaddr,
        /// Why.
        source: TransportError<io::Error>,
    },
    /// The network's task panicked: a bug. In release builds the process has ended already.
    #[error("the network's task panicked")]
    Panicked,
}

/// The running network's threads. Dropping it stops them and waits, at most about a second.
#[derive(Debug)]
pub struct Network {
    thread: Option<JoinHandle<Result<(), NetworkFault>>>,
    stop: CancellationToken,
}

/// How long tasks that are being cut off may take.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

impl Network {
    /// Waits until the network has stopped, by [`NetworkPort::shutdown`] or because all ports are gone.
    ///
    /// # Errors
    /// [`NetworkFault::Panicked`].
    pub fn join(mut self) -> Result<(), NetworkFault> {
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap_or(Err(NetworkFault::Panicked)))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the hook; a second one while dropping would hide it.
            let _ = thread.join();
        }
    }
}

/// Starts the network on threads of its own. Returns when every address is bound; may be called from any thread.
///
/// The receiver must be read steadily. When it ends without a shutdown, the network has died and so must the node.
///
/// # Errors
/// [`NetworkFault`], when nothing has been left behind.
pub fn start(settings: NetworkSettings) -> Result<(Network, NetworkPort, mpsc::Receiver<NetworkEvent>), NetworkFault> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(settings.worker_threads.max(1))
        .thread_name("network")
        .enable_all()
        .build()
        .map_err(NetworkFault::Threads)?;
    match prepare(&runtime, settings) {
        Ok((driver, port, receiver)) => {
            let stop = port.stop.clone();
            let body = move || run(runtime, driver);
            let thread = std::thread::Builder::new().name("network".into()).spawn(body);
            let network = Network { thread: Some(thread.map_err(NetworkFault::Threads)?), stop };
            Ok((network, port, receiver))
        }
        Err(fault) => {
            // Dropping a runtime waits, which is forbidden if the caller is a task of another one.
            runtime.shutdown_background();
            Err(fault)
        }
    }
}

fn prepare(
    runtime: &Runtime,
    settings: NetworkSettings,
) -> Result<(Driver, NetworkPort, mpsc::Receiver<NetworkEvent>), NetworkFault> {
    let _context = runtime.enter();
    let gauges = Arc::new(NetworkGauges::default());
    let mut swarm = behaviour::build(&settings, Arc::clone(&gauges)).map_err(NetworkFault::Build)?;
    let mut listeners = Vec::new();
    for address in &settings.listen {
        let listened = swarm.listen_on(address.clone());
        listeners.push(listened.map_err(|source| NetworkFault::Listen { address: address.clone(), source })?);
    }
    let (events, receiver) = mpsc::channel(settings.limits.events_max + CONTROL_RESERVE);
    let (orders, ordered) = mpsc::channel(settings.limits.orders_max);
    let (validators, watched) = watch::channel(settings.validators.iter().copied().collect());
    let book = Arc::new(Verdicts::new(settings.limits.verdicts_max));
    let inbound = Inbound::new(events.clone(), Arc::clone(&book), Arc::clone(&gauges), &settings.limits);
    let peers = Arc::new(Mutex::new(Vec::new()));
    let stop = CancellationToken::new();
    let port = NetworkPort {
        orders,
        book,
        gauges,
        peers: Arc::clone(&peers),
        validators: Arc::new(validators),
        stop: stop.clone(),
        me: settings.node_key.peer_id(),
        salt: port::salt(&settings.node_key.peer_id(), settings.proof.as_ref().map_or(0, |proof| proof.counter)),
        frame_bytes_max: settings.limits.frame_bytes_max,
    };
    let ends =
        Ends { listeners, orders: ordered, validators: watched, events, inbound: Arc::new(inbound), peers, stop };
    Ok((Driver::new(settings, swarm, ends), port, receiver))
}

fn run(runtime: Runtime, driver: Driver) -> Result<(), NetworkFault> {
    // On a worker, not here: the swarm wakes its connections' tasks, and a wake-up within a worker is the cheap one.
    let task = runtime.spawn(driver.run());
    let ended = runtime.block_on(task);
    runtime.shutdown_timeout(STOP_TIMEOUT);
    ended.map_err(|_| NetworkFault::Panicked)
}
