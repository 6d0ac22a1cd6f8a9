//! Routes, and the server's life: a thread of its own with few workers, bound before `start` returns, stopped on
//! request or when the handle is dropped.

use std::{io, net::SocketAddr, sync::Arc, thread, time::Duration};

use actix_web::{
    App, HttpServer, Resource, Route,
    dev::ServerHandle,
    guard,
    http::header,
    middleware::{DefaultHeaders, from_fn},
    web::{self, ServiceConfig},
};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    admin::{self, Admin, Desk},
    allowance::{self, Allowances},
    batch, browser, chain, console, doctor, events,
    gate::Gate,
    kv, openapi,
    port::Backend,
    problem::{Kind, Problem},
    settings::{BATCH_BYTES_MAX, ChainFacts, Settings},
    status,
};
use crate::types::Height;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// What all requests share.
pub struct Shared {
    /// The node.
    pub backend: Arc<dyn Backend>,
    /// What was fixed at start.
    pub settings: Settings,
    /// The bounds.
    pub gate: Gate,
    /// The bounds of each client.
    pub allowances: Allowances,
    heights: watch::Receiver<Height>,
    stage: watch::Receiver<Stage>,
}

/// How far a stop has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// No stop.
    Serving,
    /// Requests in progress may end; what never would is ended.
    Draining,
    /// Whatever still waits is answered with what is known.
    Ending,
}

/// Why a request stops waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Late {
    /// Its time is over.
    Deadline,
    /// The node's is.
    Stopping,
}

impl Shared {
    /// What requests to `backend` will share. They stop waiting when `stage` says so, or when nobody can any more.
    pub fn new(settings: Settings, backend: Arc<dyn Backend>, stage: watch::Receiver<Stage>) -> Self {
        let gate = Gate::new(settings.requests_max, settings.body_bytes_total_max);
        let body_bytes_max = BATCH_BYTES_MAX.max(settings.chain.command_bytes_max);
        let (requests, bytes) = (settings.client_requests_per_second_max, settings.client_bytes_per_second_max);
        let allowances = Allowances::new(requests, bytes, body_bytes_max);
        Self { heights: backend.heights(), backend, settings, gate, allowances, stage }
    }

    /// Waits for something until the deadline. What is known by then counts, however late this is called.
    ///
    /// # Errors
    /// [`Late`].
    pub async fn wait<T>(&self, deadline: Instant, something: impl Future<Output = T>) -> Result<T, Late> {
        let mut stage = self.stage.clone();
        tokio::select! {
            biased;
            here = something => Ok(here),
            _ = stage.wait_for(|stage| *stage == Stage::Ending) => Err(Late::Stopping),
            () = sleep_until(deadline) => Err(Late::Deadline),
        }
    }

    /// Waits until the node begins to stop.
    pub async fn is_draining(&self) {
        let mut stage = self.stage.clone();
        // An error is the end of the server, which is as good.
        let _ = stage.wait_for(|stage| *stage >= Stage::Draining).await;
    }

    /// The last executed height.
    pub fn height(&self) -> Height {
        *self.heights.borrow()
    }

    /// Waits until a height is executed here.
    ///
    /// # Errors
    /// The deadline passes before, or the node stops.
    pub async fn reached(&self, height: Height, deadline: Instant) -> Result<(), Problem> {
        let mut heights = self.heights.clone();
        let reached = self.wait(deadline, heights.wait_for(|executed| *executed >= height)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(Late::Stopping) => Err(Problem::new(Kind::Stopping, "the node is stopping")),
            Err(Late::Deadline) => {
                Err(Problem::new(Kind::Timeout, format_args!("height {height} was not reached")).at(height))
            }
        }
    }
}

/// Adds every route.
pub fn routes(config: &mut ServiceConfig) {
    let kv = resource("/v1/kv/{key:.*}", "GET, HEAD, PUT, DELETE");
    let commands = resource("/v1/commands", "POST");
    config
        .service(kv.route(read().to(kv::get)).route(web::put().to(kv::put)).route(web::delete().to(kv::delete)))
        .service(commands.route(web::post().to(batch::post)))
        .service(readable("/v1/commands/{id}", read().to(batch::get)))
        .service(readable("/v1/status", read().to(status::status)))
        .service(resource("/v1/events", "GET").route(web::get().to(events::events)))
        .service(readable("/v1/doctor", read().to(doctor::doctor)))
        .service(readable("/v1/evidence", read().to(doctor::evidence)))
        .service(readable("/v1/peers", read().to(status::peers)))
        .service(readable("/v1/validators", read().to(chain::validators)))
        .service(readable("/v1/blocks/{height}", read().to(chain::block)))
        .service(readable("/v1/blocks/{height}/certificate", read().to(chain::certificate)))
        .service(readable("/v1/checkpoint", read().to(chain::checkpoint)))
        .service(resource("/v1/snapshot", "GET").route(web::get().to(chain::snapshot)))
        .service(readable("/healthz", read().to(status::healthz)))
        .service(readable("/readyz", read().to(status::readyz)))
        .service(readable("/metrics", read().to(status::metrics)))
        .service(readable("/openapi.json", read().to(openapi::openapi)))
        .service(readable("/v1/instances", read().to(console::instances)))
        .service(readable("/v1/instances/{height}", read().to(console::instance)))
        .service(readable("/v1/origin/{key:.*}", read().to(console::origin)))
        .service(readable("/console/{file}", read().to(console::asset)))
        .service(readable("/", read().to(console::page)))
        .default_service(web::to(no_route));
}

/// What is answered where nothing is.
///
/// # Errors
/// Always.
pub async fn no_route() -> Result<&'static str, Problem> {
    std::future::ready(Err(Problem::new(Kind::NoRoute, "see the documentation"))).await
}

/// `GET` and `HEAD`.
pub fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A path that is only read.
pub fn readable(path: &str, route: Route) -> Resource {
    resource(path, "GET, HEAD").route(route)
}

/// A path whose other methods are answered with a problem that lists those it has.
pub fn resource(path: &str, methods: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || async move {
        let detail = format_args!("it has {methods}").to_string();
        Err::<&str, _>(Problem::new(Kind::NoMethod, detail).allow(methods))
    }))
}

/// A running server. Dropping it closes it at once; [`Self::stop`] lets requests in progress end first.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stage: watch::Sender<Stage>,
    stop_timeout: Duration,
    handle: ServerHandle,
    ended: oneshot::Receiver<io::Result<()>>,
}

impl Server {
    /// Binds and starts. Blocks for the moment that takes; may be called anywhere.
    ///
    /// # Errors
    /// The address cannot be bound, or there is no thread to be had.
    pub fn start(settings: Settings, backend: Arc<dyn Backend>) -> io::Result<Self> {
        Self::launch("http", settings, backend, routes)
    }

    /// As [`Self::start`], with the routes of the admin side and bounds of its own.
    ///
    /// # Errors
    /// The address cannot be bound, or there is no thread to be had.
    pub fn start_admin(chain: ChainFacts, backend: Arc<dyn Backend>, admin: &Admin) -> io::Result<Self> {
        let settings = Settings {
            requests_max: admin::REQUESTS_MAX,
            connections_max: admin::CONNECTIONS_MAX,
            ..Settings::new(admin.listen, chain)
        };
        let desk = web::Data::new(Desk::new(admin));
        Self::launch("admin", settings, backend, move |config: &mut ServiceConfig| {
            config.app_data(desk.clone());
            admin::routes(config);
        })
    }

    fn launch(
        thread: &'static str,
        settings: Settings,
        backend: Arc<dyn Backend>,
        configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let (ready, started) = std::sync::mpsc::sync_channel(1);
        let (end, ended) = oneshot::channel();
        let (stage, stages) = watch::channel(Stage::Serving);
        let stop_timeout = settings.stop_timeout;
        let shared = web::Data::new(Shared::new(settings, backend, stages));
        thread::Builder::new().name(thread.into()).spawn(move || {
            let served = actix_web::rt::System::new().block_on(serve(shared, configure, &ready));
            // Nobody may be waiting: for the start any more, or for the end.
            let _ = ready.try_send(Err(io::Error::other("the server ended")));
            let _ = end.send(served);
        })?;
        let (address, handle) = started.recv().map_err(|_| io::Error::other("the server's thread ended"))??;
        Ok(Self { address, stage, stop_timeout, handle, ended })
    }

    /// Where it listens; the port is the real one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests in progress end, and ends. Those that still wait after
    /// [`Settings::stop_timeout`] are answered with what is known: a write with its id and an unknown fate.
    ///
    /// # Errors
    /// What the server ended with.
    pub async fn stop(mut self) -> io::Result<()> {
        self.stage.send_replace(Stage::Draining);
        let drained = self.handle.stop(true);
        tokio::pin!(drained);
        if timeout(self.stop_timeout, &mut drained).await.is_err() {
            self.stage.send_replace(Stage::Ending);
            drained.await;
        }
        self.ended().await
    }

    /// Waits until it has ended by itself, which it never should.
    ///
    /// # Errors
    /// What it ended with.
    pub async fn ended(&mut self) -> io::Result<()> {
        (&mut self.ended).await.unwrap_or_else(|_| Err(io::Error::other("the server's thread panicked")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The command is sent by the call itself; nobody waits for its answer.
        drop(self.handle.stop(false));
    }
}

type Started = io::Result<(SocketAddr, ServerHandle)>;

async fn serve(
    shared: web::Data<Shared>,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ready: &std::sync::mpsc::SyncSender<Started>,
) -> io::Result<()> {
    let settings = shared.settings.clone();
    let app = move || {
        // A stored value must never be taken for a page.
        let headers = DefaultHeaders::new().add(("X-Content-Type-Options", "nosniff"));
        // What may change is asked for again; what cannot says so itself.
        let headers = headers.add((header::CACHE_CONTROL, "no-store"));
        let app = App::new().app_data(shared.clone()).wrap(from_fn(allowance::admit)).wrap(headers);
        app.wrap(from_fn(browser::cors)).configure(&configure)
    };
    let server = HttpServer::new(app)
        .workers(settings.workers)
        .max_connections(settings.connections_max)
        .backlog(BACKLOG)
        .tcp_nodelay(true)
        .keep_alive(settings.keep_alive)
        .client_request_timeout(settings.client_timeout)
        // A client that hangs up no longer waits: its request is dropped, and with it its place.
        .h1_allow_half_closed(false)
        // Requests that wait are ended by us; what is left then are answers that are being written.
        .shutdown_timeout(settings.stop_timeout.as_secs() + 1)
        .disable_signals()
        .bind(settings.bind);
    let server = match server {
        Ok(server) => server,
        Err(error) => {
            let _ = ready.send(Err(error));
            return Ok(());
        }
    };
    let address = server.addrs().first().copied().unwrap_or(settings.bind);
    let server = server.run();
    let _ = ready.send(Ok((address, server.handle())));
    server.await
}
