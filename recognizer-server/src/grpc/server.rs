//! Starting, reloading and stopping.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use facerecog_engine::job_pool::JobPool;
use facerecog_engine::recognizer::Recognizer;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tower::util::{MapRequestLayer, MapResponseLayer};

use super::call::Reception;
use super::call_log::CallLog;
use super::change_guard::{ChangeGuard, TokenError};
use super::connection;
use super::contract::FILE_DESCRIPTOR_SET;
use super::contract::health_check_server::HealthCheckServer;
use super::contract::identify_server::IdentifyServer;
use super::draining::{Draining, EndStreams};
use super::health;
use super::health_check::HealthCheckService;
use super::identify::IdentifyService;
use super::jobs::Jobs;
use super::known_photos::KnownPhotos;
use super::live_gallery::{GalleryState, LiveGallery};
use super::photo_access::PhotoAccess;
use super::photo_roots::PhotoRoots;
use super::reindexer::Reindexer;
use super::response;
use super::tls::{Tls, TlsError};
use super::v1::{EnrolmentChecks, GalleryChanges, NamesUnderWay, RecognizerService};
use super::watcher::{Watched, Watcher};
use crate::config::{ConfigError, ServerConfig};
use crate::telemetry::{self, GalleryNumbers, LogHandle, Metrics, Probes, QueueNumbers};

/// How often a connection is asked whether the other side is still there, and how long it may take to say so.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Most bytes of a request's metadata.
const MAX_METADATA: u32 = 16 << 10;

/// Most memory for messages that are being received, wait or are worked on; one of the largest always fits.
const MESSAGE_MEMORY: usize = 512 << 20;

/// Why the server could not be started, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The address is taken, or is none of this host's.
    #[error("could not listen on {address}: {source}; choose another with {flag}")]
    Listen { address: String, flag: &'static str, source: io::Error },
    /// A folder that photos may be read from is not there.
    #[error("image_roots: {0}")]
    ImageRoot(#[source] io::Error),
    /// Certificates or keys cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The system refused threads, signals or descriptors.
    #[error("could not start the server: {0}")]
    Start(#[source] io::Error),
    /// The transport broke.
    #[error("the server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The time to finish was over, or a second signal came.
    #[error("calls under way were cut off: {0}")]
    CutOff(&'static str),
}

/// Reads the configuration again.
pub(crate) type Reread = Box<dyn Fn() -> Result<ServerConfig, ConfigError> + Send>;

/// Who runs the server.
pub(crate) enum Host {
    /// A process of its own: signals stop it and have it read its configuration again, and standard output tells
    /// where it listens.
    Process {
        /// Follows the configuration. Another clone is to outlive the server: what the log sends when it is dropped
        /// takes waiting, which is not allowed in here.
        log: Arc<LogHandle>,
        /// What there is to read.
        reread: Reread,
    },
    /// A program that has the server inside.
    Program {
        /// Stops it; so does dropping the other end.
        stop: oneshot::Receiver<()>,
        /// Is told where it listens, once it has learned the known people.
        listening: oneshot::Sender<SocketAddr>,
    },
}

/// Serves until its host stops it.
pub(crate) fn serve(recognizer: Recognizer, config: ServerConfig, host: Host) -> Result<(), ServeError> {
    // Photos are worked on by threads of their own; these only move messages.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(ServeError::Start)?;
    let result = runtime.block_on(run(recognizer, config, host));
    // Photos that are still being worked on have been given up.
    runtime.shutdown_background();
    result
}

async fn run(recognizer: Recognizer, config: ServerConfig, host: Host) -> Result<(), ServeError> {
    let (mut commands, listening, rereading) = match host {
        Host::Process { log, reread } => {
            (Commands::Signals(Signals::new().map_err(ServeError::Start)?), None, Some((log, reread)))
        }
        Host::Program { stop, listening } => (Commands::Program { stop, stopped: false }, Some(listening), None),
    };
    let roots = PhotoRoots::new(&config.image_roots).map_err(ServeError::ImageRoot)?;
    let tls = Tls::read(&config)?;
    let listener = listen(&config.address).await?;
    let local_address = listener.local_addr().map_err(ServeError::Start)?;
    let guard = ChangeGuard::new(&config, local_address.ip())?;
    if config.token_file.is_some() && tls.is_none() && !local_address.ip().is_loopback() {
        tracing::warn!("the token travels without encryption; set tls_certificate and tls_key");
    }

    let recognizer = Arc::new(recognizer);
    let metrics = Metrics::new(&config.pack);
    let live = LiveGallery::new();
    let pool = JobPool::new(config.threads).map_err(ServeError::Start)?;
    let jobs = Jobs::new(pool, config.queue_length, metrics.clone());
    let draining = Draining::new();
    let stopping = Draining::new();
    let known = KnownPhotos::new(config.known.clone());
    let watched = Watched {
        known: config.known.clone(),
        index_dir: config.index.clone(),
        limits: config.enrol_limits(),
        reject_outliers: config.reject_outliers,
        verify: config.verification(),
    };
    let watcher = Watcher::new(Arc::clone(&recognizer), watched, live.clone(), metrics.clone());
    let reindexer = watcher.reindexer();
    watcher.start(config.threads).map_err(ServeError::Start)?;

    let state = State { live: live.clone(), jobs: jobs.clone(), draining: draining.clone() };
    let metrics_port = serve_metrics(&config, metrics.clone(), state).await?;
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let following = tokio::spawn(health::follow(reporter.clone(), live.clone()));
    let photos = PhotoAccess { roots, limits: config.limits() };
    let message_limit = usize::try_from(config.max_request_mib << 20).unwrap_or(usize::MAX);
    let reception = Reception::new(config.request_timeout(), MESSAGE_MEMORY.max(message_limit));
    let rule = config.decision_rule();
    let v1 = RecognizerService {
        rule,
        engine: Arc::clone(&recognizer),
        live: live.clone(),
        jobs: jobs.clone(),
        photos: photos.clone(),
        changes: GalleryChanges {
            known,
            reindexer: reindexer.clone(),
            checks: EnrolmentChecks { min_face: config.enrol_min_face, min_score: config.enrol_min_score },
            names: NamesUnderWay::default(),
        },
        message_limit,
    };
    let identify = IdentifyService { recognizer, rule, live: live.clone(), jobs, photos };
    let connections = connection::accept(listener, tls.clone(), config.max_connections, metrics.clone());
    let stop = stopping.clone();
    let mut server = tokio::spawn(
        Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .http2_max_header_list_size(MAX_METADATA)
            .max_concurrent_streams(config.max_streams)
            .layer(CallLog::new(metrics))
            .layer(MapResponseLayer::new(response::finish))
            .layer(guard.clone())
            .layer(EndStreams::new(stopping.clone()))
            .layer(MapRequestLayer::new(move |request| reception.receive(request)))
            .add_service(IdentifyServer::new(identify).accept_compressed(CompressionEncoding::Gzip))
            .add_service(HealthCheckServer::new(HealthCheckService).accept_compressed(CompressionEncoding::Gzip))
            .add_service(v1.into_server())
            .add_service(health_service)
            .add_service(reflection().build_v1().map_err(descriptor_error)?)
            .add_service(reflection().build_v1alpha().map_err(descriptor_error)?)
            .serve_with_incoming_shutdown(connections, async move { stop.begun().await }),
    );

    let announced = tokio::spawn(async move {
        let state = live.started().await;
        match (listening, state) {
            // An error says that nobody waits for it.
            (Some(listening), _) => drop(listening.send(local_address)),
            (None, GalleryState::Ready(gallery)) => {
                println!("listening on {local_address}, {} people known", gallery.people().len());
            }
            (None, _) => println!("listening on {local_address}, nobody known yet"),
        }
    });
    let reload = Reload { config, rereading, tls, guard, reindexer: reindexer.clone() };
    let stop = loop {
        tokio::select! {
            ended = &mut server => return ended.map_err(|error| ServeError::Start(error.into()))?.map_err(Into::into),
            command = commands.next() => match command {
                Command::Reload => reload.run(),
                Command::Stop(why) => break why,
            }
        }
    };
    tracing::info!("{stop}: stopping");
    reindexer.stop();
    announced.abort();
    following.abort();
    // Ended, so that it does not say SERVING once more.
    let _ = following.await;
    draining.begin();
    health::stop(&reporter).await;
    let config = &reload.config;
    let finish = async {
        tokio::time::sleep(Duration::from_secs(config.drain_delay_seconds)).await;
        health::end_watches(reporter).await;
        stopping.begin();
        tokio::time::timeout(Duration::from_secs(config.grace_seconds), server).await
    };
    let ended = tokio::select! {
        ended = finish => ended,
        () = commands.second_stop() => return Err(ServeError::CutOff("a second signal came")),
    };
    drop(metrics_port);
    match ended {
        Ok(ended) => ended.map_err(|error| ServeError::Start(error.into()))?.map_err(Into::into),
        Err(_) => Err(ServeError::CutOff("they did not finish within grace_seconds")),
    }
}

/// The signals that a server heeds.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a host may ask for.
enum Command {
    /// For this reason.
    Stop(&'static str),
    Reload,
}

/// Where commands come from.
enum Commands {
    Signals(Signals),
    Program { stop: oneshot::Receiver<()>, stopped: bool },
}

impl Commands {
    async fn next(&mut self) -> Command {
        match self {
            Self::Signals(signals) => signals.next().await,
            Self::Program { stopped: true, .. } => pending().await,
            Self::Program { stop, stopped } => {
                // An error says that the program has dropped it.
                let _ = stop.await;
                *stopped = true;
                Command::Stop("asked to")
            }
        }
    }

    async fn second_stop(&mut self) {
        while let Command::Reload = self.next().await {}
    }
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Command {
        tokio::select! {
            _ = self.terminate.recv() => Command::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Command::Stop("SIGINT"),
            _ = self.hangup.recv() => Command::Reload,
        }
    }
}

/// What SIGHUP brings up to date while calls go on.
struct Reload {
    config: ServerConfig,
    /// None where the host gives no signals.
    rereading: Option<(Arc<LogHandle>, Reread)>,
    tls: Option<Tls>,
    guard: ChangeGuard,
    reindexer: Reindexer,
}

impl Reload {
    /// Takes over what can be; what is broken stays as it was.
    fn run(&self) {
        let Some((log, reread)) = &self.rereading else { return };
        match reread() {
            Ok(config) => self.follow(log, &config),
            Err(error) => tracing::error!("SIGHUP: the configuration stays as it was: {error}"),
        }
        self.reindexer.look_now();
    }

    fn follow(&self, log: &LogHandle, config: &ServerConfig) {
        log.follow(config);
        if let Some(tls) = &self.tls {
            match tls.reload(config) {
                Ok(()) => tracing::info!("SIGHUP: new connections use the certificate as it is now"),
                Err(error) => tracing::error!("SIGHUP: the certificate stays as it was: {error}"),
            }
        }
        match self.guard.reload(config) {
            Ok(()) => tracing::info!("SIGHUP: the token is that of the file as it is now"),
            Err(error) => tracing::error!("SIGHUP: the token stays as it was: {error}"),
        }
        let unchanged = ServerConfig {
            log_level: config.log_level,
            log_paths: config.log_paths,
            tls_certificate: config.tls_certificate.clone(),
            tls_key: config.tls_key.clone(),
            tls_client_ca: config.tls_client_ca.clone(),
            token_file: config.token_file.clone(),
            allow_unauthenticated_changes: config.allow_unauthenticated_changes,
            ..self.config.clone()
        };
        if unchanged != *config || self.tls.is_some() != config.tls_certificate.is_some() {
            tracing::warn!("SIGHUP: settings other than certificate, token and log changed; they need a restart");
        }
    }
}

/// What the second port tells of the server.
#[derive(Debug)]
struct State {
    live: LiveGallery,
    jobs: Jobs,
    draining: Draining,
}

impl Probes for State {
    fn not_ready(&self) -> Option<String> {
        if self.draining.has_begun() {
            return Some("the server is stopping".into());
        }
        match self.live.state() {
            GalleryState::Ready(_) => None,
            GalleryState::Starting => Some("the known people are being learned".into()),
            GalleryState::Missing(reason) => Some(reason),
        }
    }

    fn gallery(&self) -> Option<GalleryNumbers> {
        let GalleryState::Ready(gallery) = self.live.state() else { return None };
        Some(GalleryNumbers {
            generation: gallery.generation(),
            rows: gallery.rows() as u64,
            people: gallery.people().len() as u64,
        })
    }

    fn queue(&self) -> QueueNumbers {
        let stats = self.jobs.stats();
        QueueNumbers { waiting: stats.waiting as u64, running: stats.running as u64 }
    }
}

/// The task that answers on the second port; dropped, it ends.
struct MetricsPort(JoinHandle<()>);

impl Drop for MetricsPort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn serve_metrics(
    config: &ServerConfig,
    metrics: Metrics,
    state: State,
) -> Result<Option<MetricsPort>, ServeError> {
    let Some(address) = config.metrics_address() else { return Ok(None) };
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) if config.metrics_are_optional => {
            tracing::warn!("no metrics on {address}: {error}; choose another with --metrics-address");
            return Ok(None);
        }
        Err(source) => {
            return Err(ServeError::Listen { address: address.to_owned(), flag: "--metrics-address", source });
        }
    };
    let local_address = listener.local_addr().map_err(ServeError::Start)?;
    tracing::info!("metrics on http://{local_address}/metrics");
    Ok(Some(MetricsPort(tokio::spawn(telemetry::serve(listener, metrics, Arc::new(state))))))
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

fn descriptor_error(error: tonic_reflection::server::Error) -> ServeError {
    ServeError::Start(io::Error::other(error))
}

/// Listens on `address`; on every IPv4 address where the default finds a host without IPv6.
async fn listen(address: &str) -> Result<TcpListener, ServeError> {
    let listen_error = |source| ServeError::Listen { address: address.to_owned(), flag: "--address", source };
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(listen_error(error)),
        Err(error) => match address.strip_prefix("[::]:") {
            Some(port) => TcpListener::bind(format!("0.0.0.0:{port}")).await.map_err(listen_error),
            None => Err(listen_error(error)),
        },
    }
}
