//! The page "Persons of Interest": every photo with who is on it, one photo with its faces, and the people.
//!
//! Pages are made here whole and work without script; what there is of it keeps them up to date.

mod assets;
mod csrf;
mod detail;
mod error;
mod headers;
mod list;
mod metrics;
mod people;
mod photo_id;
mod picture;
mod retry;
mod site;
mod upload;
mod version;

use std::io;
use std::path::PathBuf;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::net::TcpListener;

pub use metrics::Metrics;

use crate::config::FrontendSettings;
use crate::http_server;
use crate::image::ImageId;
use crate::queue::Publisher;
use crate::store::Store;
use crate::telemetry::{Stop, Telemetry, count_request};
use crate::upload_folder::{UploadFolder, sweep};
use error::PageError;
use picture::{PhotoFolders, Pictures};
use version::Version;

/// Largest form without photos, in bytes.
const MAX_FORM_BYTES: usize = 16 << 10;

/// Largest form with photos, in bytes.
const MAX_UPLOAD_BYTES: usize = 256 << 20;

/// What pages are made of. Clones share it.
#[derive(Debug, Clone)]
pub struct Frontend {
    store: Store,
    publisher: Option<Publisher>,
    uploads: Option<UploadFolder>,
    pictures: Pictures,
    version: Version,
    metrics: Metrics,
}

impl Frontend {
    /// Shows what `store` holds.
    ///
    /// Photos that are sent or retried go to `publisher` at once; without one, and when it does not answer, the
    /// receiver takes them from the outbox.
    ///
    /// # Errors
    /// When a folder does not exist, or cannot be made.
    pub fn new(
        store: Store,
        publisher: Option<Publisher>,
        settings: &FrontendSettings,
        metrics: Metrics,
    ) -> io::Result<Self> {
        let max_bytes = u64::from(settings.max_upload_mib) << 20;
        // First: it may have to be made, and what is sent is shown.
        let uploads = settings.upload_folder.as_ref().map(|folder| UploadFolder::new(folder, max_bytes)).transpose()?;
        let shown: Vec<PathBuf> = settings.photo_roots.iter().chain(&settings.upload_folder).cloned().collect();
        let pictures = Pictures::new(PhotoFolders::open(&shown)?);
        Ok(Self { store, publisher, uploads, pictures, version: Version::default(), metrics })
    }

    /// Queues photos that are in the outbox. A failure costs a moment alone: they stay in the outbox.
    async fn queue(&self, ids: &[ImageId]) {
        let Some(publisher) = &self.publisher else { return };
        if let Err(error) = publisher.publish(ids).await {
            tracing::warn!(%error, "left in the outbox");
        } else if let Err(error) = self.store.queued(ids).await {
            tracing::warn!(%error, "queued, and in the outbox still: will be queued twice");
        }
    }
}

/// Answers with pages until `stop`, and then what was asked before, unless it takes long.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, frontend: Frontend, telemetry: &Telemetry, stop: Stop) -> io::Result<()> {
    let uploads = frontend.uploads.clone();
    let router = router(frontend).merge(telemetry.router());
    let sweeping = sweep(uploads, stop.clone());
    let (served, ()) = tokio::join!(http_server::serve(listener, router, stop), sweeping);
    served
}

/// The pages, and all that they need.
pub fn router(frontend: Frontend) -> Router {
    let pages = Router::new()
        .route("/", get(list::list))
        .route("/people", get(people::people))
        .route("/photos/{id}", get(detail::detail))
        .route("/photos/{id}/retry", post(retry::retry))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .route("/upload", post(upload::upload).layer(DefaultBodyLimit::max(MAX_UPLOAD_BYTES)))
        .layer(middleware::from_fn(csrf::protect));
    Router::new()
        .merge(pages)
        .route("/photos/{id}/thumbnail", get(picture::thumbnail))
        .route("/photos/{id}/picture", get(picture::picture))
        .route("/version", get(version::version))
        .route("/assets/{digest}/{name}", get(assets::asset))
        .fallback(async || PageError::NotFound)
        .layer(middleware::from_fn(headers::secure))
        .layer(middleware::from_fn_with_state(frontend.metrics.requests(), count_request))
        .with_state(frontend)
}
