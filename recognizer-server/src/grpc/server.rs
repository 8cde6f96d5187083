//! Listening, starting and stopping.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use facerecog_engine::gallery::EnrolLimits;
use facerecog_engine::photo::Limits;
use facerecog_engine::recognizer::Recognizer;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tower::util::{MapRequestLayer, MapResponseLayer};

use super::call::Reception;
use super::contract::FILE_DESCRIPTOR_SET;
use super::contract::health_check_server::HealthCheckServer;
use super::contract::identify_server::IdentifyServer;
use super::health;
use super::health_check::HealthCheckService;
use super::identify::IdentifyService;
use super::jobs::Jobs;
use super::live_gallery::{GalleryState, LiveGallery};
use super::photo_access::PhotoAccess;
use super::photo_roots::PhotoRoots;
use super::response;
use super::stages::StageLog;
use super::v1::RecognizerService;
use super::watcher::Watcher;

/// Every address of the host, at the port that the original's callers know.
pub(crate) const DEFAULT_ADDRESS: &str = "[::]:50051";

/// Longest time a call, or a photo of a stream, may take, waiting included.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// Most memory for messages that are being received, wait or are worked on.
const MESSAGE_MEMORY: usize = 512 << 20;

/// How often a silent client is asked whether it is still there: one that lost its network would keep
/// a stream open for ever.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How long the calls under way may take to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(10);

/// What to serve, and where.
#[derive(Debug)]
pub(crate) struct ServerOptions {
    /// `host:port`.
    pub(crate) address: String,
    /// Folder of known people.
    pub(crate) known: PathBuf,
    /// Folder of the index.
    pub(crate) index_dir: PathBuf,
    /// Folders that photos may be read from; empty for any.
    pub(crate) photo_roots: Vec<PathBuf>,
    /// How much a photo may cost.
    pub(crate) limits: Limits,
    /// How much is read of the folder of known people.
    pub(crate) enrol_limits: EnrolLimits,
}

/// Why the server could not be started, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The address is taken, or is none of this host's.
    #[error("could not listen on {address}: {source}; choose another with --addr")]
    Listen { address: String, source: io::Error },
    /// A folder that photos may be read from is not there.
    #[error("--photo-root: {0}")]
    PhotoRoot(#[source] io::Error),
    /// The system refused threads, signals or descriptors.
    #[error("could not start the server: {0}")]
    Start(#[source] io::Error),
    /// The transport broke.
    #[error("the server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn serve(recognizer: Recognizer, options: ServerOptions) -> Result<(), ServeError> {
    // Photos are worked on by the rayon pool; these threads only move messages.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(ServeError::Start)?;
    let result = runtime.block_on(run(recognizer, options));
    // Photos that are still being worked on have been given up.
    runtime.shutdown_background();
    result
}

async fn run(recognizer: Recognizer, options: ServerOptions) -> Result<(), ServeError> {
    let roots = PhotoRoots::new(&options.photo_roots).map_err(ServeError::PhotoRoot)?;
    let listener = listen(&options.address).await?;
    let local_address = listener.local_addr().map_err(ServeError::Start)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Start)?;

    let recognizer = Arc::new(recognizer);
    let live = LiveGallery::new();
    let limits = options.limits;
    let watcher =
        Watcher::new(Arc::clone(&recognizer), options.known, options.index_dir, options.enrol_limits, live.clone());
    std::thread::Builder::new().name("known-people".into()).spawn(move || watcher.run()).map_err(ServeError::Start)?;

    let (reporter, health_service) = tonic_health::server::health_reporter();
    let following = tokio::spawn(health::follow(reporter.clone(), live.clone()));
    let photos = PhotoAccess { roots, limits };
    let width = rayon::current_num_threads();
    let jobs = Jobs::new(width, Jobs::default_queue_length(width), Arc::new(StageLog));
    let reception = Reception::new(REQUEST_LIMIT, MESSAGE_MEMORY);
    let v1 = RecognizerService {
        engine: Arc::clone(&recognizer),
        live: live.clone(),
        jobs: jobs.clone(),
        photos: photos.clone(),
    };
    let service = IdentifyService { recognizer, live: live.clone(), jobs, photos };
    let (stop, stopped) = oneshot::channel::<()>();
    let mut server = tokio::spawn(
        Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .layer(MapResponseLayer::new(response::finish))
            .layer(MapRequestLayer::new(move |request| reception.receive(request)))
            .add_service(IdentifyServer::new(service).accept_compressed(CompressionEncoding::Gzip))
            .add_service(HealthCheckServer::new(HealthCheckService).accept_compressed(CompressionEncoding::Gzip))
            .add_service(v1.into_server())
            .add_service(health_service)
            .add_service(reflection().build_v1().map_err(descriptor_error)?)
            .add_service(reflection().build_v1alpha().map_err(descriptor_error)?)
            .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), async {
                let _ = stopped.await;
            }),
    );

    let announced = tokio::spawn(async move {
        match live.started().await {
            GalleryState::Ready(gallery) => {
                println!("listening on {local_address}, {} people known", gallery.people().len());
            }
            _ => println!("listening on {local_address}, nobody known yet"),
        }
    });
    tokio::select! {
        ended = &mut server => return ended.map_err(|error| ServeError::Start(error.into()))?.map_err(Into::into),
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
    }
    announced.abort();
    following.abort();
    health::stop(reporter).await;
    let _ = stop.send(());
    match tokio::time::timeout(DRAIN, server).await {
        Ok(ended) => ended.map_err(|error| ServeError::Start(error.into()))?.map_err(Into::into),
        Err(_) => {
            tracing::warn!("calls under way did not finish within {} s and were cut off", DRAIN.as_secs());
            Ok(())
        }
    }
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
    let listen_error = |source| ServeError::Listen { address: address.to_owned(), source };
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(listen_error(error)),
        Err(error) => match address.strip_prefix("[::]:") {
            Some(port) => TcpListener::bind(format!("0.0.0.0:{port}")).await.map_err(listen_error),
            None => Err(listen_error(error)),
        },
    }
}
