//! Takes paths of photos over HTTP, stores them, and queues their ids.
//!
//! Requests and answers are the original system's; who accepts JSON gets JSON. A batch is one transaction and one
//! message to the queue. What could not be queued is in the outbox, and queued from there.

mod answer;
mod body;
mod error;
mod intake;
mod limits;
mod metrics;
mod outbox;
mod paths;
mod upload;

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use axum::{Router, middleware};
use tokio::net::TcpListener;

pub use metrics::Metrics;
pub use outbox::Outbox;

use crate::config::ReceiverSettings;
use crate::queue::Publisher;
use crate::store::Store;
use crate::telemetry::{Stop, Telemetry, count_request};
use crate::upload_folder::UploadFolder;
use answer::Form;
use error::RequestError;
use intake::{Intake, Taken};
use limits::Limits;
use paths::{BatchRequest, PhotoRequest};

/// Largest body with photos, in bytes.
const MAX_UPLOAD_BYTES: usize = 256 << 20;

/// How long requests under way may take once it stops: less than the 30 seconds that Kubernetes gives a process.
const GRACE: Duration = Duration::from_secs(20);

/// A receiver. Clones share its connections and numbers.
#[derive(Debug, Clone)]
pub struct Receiver {
    intake: Intake,
    uploads: Option<UploadFolder>,
    metrics: Metrics,
    max_batch: usize,
    max_body: usize,
}

impl Receiver {
    /// Takes paths into `store`, and queues them with `publisher`.
    ///
    /// # Errors
    /// When the folder for photos cannot be made.
    pub fn new(store: Store, publisher: Publisher, settings: &ReceiverSettings, metrics: Metrics) -> io::Result<Self> {
        let max_bytes = u64::from(settings.receiver_max_upload_mib) << 20;
        let folder = settings.receiver_upload_folder.as_ref();
        Ok(Self {
            intake: Intake::new(store, publisher, metrics.clone()),
            uploads: folder.map(|folder| UploadFolder::new(folder, max_bytes)).transpose()?,
            metrics,
            max_batch: settings.receiver_max_batch as usize,
            max_body: usize::from(settings.receiver_max_body_mib) << 20,
        })
    }
}

/// Answers requests until `stop`, and then those that came before, unless they take long.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, receiver: Receiver, telemetry: &Telemetry, stop: Stop) -> io::Result<()> {
    let router = router(receiver).merge(telemetry.router());
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.clone().wait()).into_future();
    let late = async {
        stop.wait().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = server => ended,
        () = late => {
            tracing::warn!("requests under way were given up");
            Ok(())
        }
    }
}

/// The routes.
pub fn router(receiver: Receiver) -> Router {
    let paths = Router::new()
        .route("/image/post", post(post_image))
        .route("/images/post", post(post_images))
        .layer(middleware::from_fn_with_state(Limits::for_paths(), limits::limit));
    let photos = Router::new()
        .route("/images", post(upload::post_photos))
        .layer(DefaultBodyLimit::max(MAX_UPLOAD_BYTES))
        .layer(middleware::from_fn_with_state(Limits::for_photos(), limits::limit));
    paths
        .merge(photos)
        .fallback(async |headers: HeaderMap| RequestError::NotFound.answer(Form::of(&headers)))
        .method_not_allowed_fallback(async |headers: HeaderMap| RequestError::WrongMethod.answer(Form::of(&headers)))
        .layer(middleware::from_fn_with_state(receiver.metrics.requests(), count_request))
        .with_state(receiver)
}

/// `POST /image/post`: one path.
async fn post_image(State(receiver): State<Receiver>, headers: HeaderMap, body: Body) -> Response {
    let taken = async {
        let request = PhotoRequest::parse(&body::read(body, receiver.max_body).await?)?;
        let echo = request.echo();
        let paths = vec![request.checked()?];
        Ok((echo, receiver.intake.take(paths).await?))
    };
    answer(Form::of(&headers), taken.await)
}

/// `POST /images/post`: a batch of paths.
async fn post_images(State(receiver): State<Receiver>, headers: HeaderMap, body: Body) -> Response {
    let taken = async {
        let request = BatchRequest::parse(&body::read(body, receiver.max_body).await?)?;
        let echo = request.echo();
        let paths = request.checked(receiver.max_batch)?;
        Ok((echo, receiver.intake.take(paths).await?))
    };
    answer(Form::of(&headers), taken.await)
}

fn answer(form: Form, taken: Result<(String, Taken), RequestError>) -> Response {
    match taken {
        Ok((echo, taken)) => answer::taken(form, &echo, &taken),
        Err(error) => error.answer(form),
    }
}
