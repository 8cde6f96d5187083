//! Takes paths of photos over HTTP, stores them, and queues their ids.
//!
//! Requests and answers are the original system's; who accepts JSON gets JSON. A batch is one transaction and one
//! message to the queue. What could not be queued is in the outbox, and queued from there.

mod answer;
mod body;
mod error;
mod intake;
mod metrics;
mod outbox;
mod paths;
mod time_limit;
mod upload;

use std::io;

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
use crate::http_server;
use crate::queue::Publisher;
use crate::store::Store;
use crate::telemetry::{Stop, Telemetry, count_request};
use crate::upload_folder::{UploadFolder, sweep};
use answer::Form;
use body::Bodies;
use error::RequestError;
use intake::{Intake, Taken};
use paths::{BatchRequest, PhotoRequest};

/// Largest body with photos, in bytes.
const MAX_UPLOAD_BYTES: usize = 256 << 20;

/// A receiver. Clones share its connections and numbers.
#[derive(Debug, Clone)]
pub struct Receiver {
    intake: Intake,
    uploads: Option<UploadFolder>,
    metrics: Metrics,
    bodies: Bodies,
    max_batch: usize,
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
            bodies: Bodies::new(usize::from(settings.receiver_max_body_mib) << 20),
            max_batch: settings.receiver_max_batch as usize,
        })
    }
}

/// Answers requests until `stop`, and then those that came before, unless they take long.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, receiver: Receiver, telemetry: &Telemetry, stop: Stop) -> io::Result<()> {
    let uploads = receiver.uploads.clone();
    let router = router(receiver).merge(telemetry.router());
    let sweeping = sweep(uploads, stop.clone());
    let (served, ()) = tokio::join!(http_server::serve(listener, router, stop), sweeping);
    served
}

/// The routes.
pub fn router(receiver: Receiver) -> Router {
    let paths = Router::new()
        .route("/image/post", post(post_image))
        .route("/images/post", post(post_images))
        .layer(middleware::from_fn_with_state(time_limit::PATHS, time_limit::limit));
    let photos = Router::new()
        .route("/images", post(upload::post_photos))
        .layer(DefaultBodyLimit::max(MAX_UPLOAD_BYTES))
        .layer(middleware::from_fn_with_state(time_limit::PHOTOS, time_limit::limit));
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
        let body = receiver.bodies.read(body).await?;
        let request = PhotoRequest::parse(&body)?;
        let echo = request.echo();
        let paths = vec![request.checked()?];
        Ok((echo, receiver.intake.take(paths).await?))
    };
    answer(Form::of(&headers), taken.await)
}

/// `POST /images/post`: a batch of paths.
async fn post_images(State(receiver): State<Receiver>, headers: HeaderMap, body: Body) -> Response {
    let taken = async {
        let body = receiver.bodies.read(body).await?;
        let request = BatchRequest::parse(&body)?;
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
