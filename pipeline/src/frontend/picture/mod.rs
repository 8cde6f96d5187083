//! Photos as browsers can show them: small, upright, whatever their format.

mod folders;
mod scale;

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

pub(crate) use folders::PhotoFolders;
use scale::{MAX_MEGAPIXELS, ScaleError, Source};

use super::Frontend;
use super::assets::NO_PICTURE;
use super::error::PageError;
use super::photo_id::PhotoId;

/// Longest side of a picture in the table, in pixels: twice what the page shows, for dense screens.
const THUMBNAIL_SIDE: u32 = 192;

/// Longest side of the picture of one photo, in pixels.
const PICTURE_SIDE: u32 = 1280;

/// Pictures kept in memory, in bytes.
const CACHE_BYTES: u64 = 32 << 20;

/// Files held in memory at once.
const MOST_FILES: usize = 4;

/// Makes pictures of the photos in some folders. Clones share what was made.
#[derive(Debug, Clone)]
pub(super) struct Pictures(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folders: PhotoFolders,
    cache: Cache<Key, Option<Bytes>, Size>,
    files: Arc<Semaphore>,
    /// A megapixel a permit.
    decoding: Arc<Semaphore>,
}

/// The file as it was, and the longest side of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    side: u32,
}

impl Key {
    fn of(file: &File, side: u32) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Ok(Self { device: metadata.dev(), inode: metadata.ino(), bytes: metadata.len(), modified, side })
    }

    /// Changes when the file does.
    fn tag(&self) -> String {
        let Self { device, inode, bytes, modified: (seconds, nanoseconds), side } = self;
        format!("\"{device:x}-{inode:x}-{bytes:x}-{seconds:x}-{nanoseconds:x}-{side:x}\"")
    }
}

#[derive(Debug, Clone)]
struct Size;

impl Weighter<Key, Option<Bytes>> for Size {
    fn weight(&self, _: &Key, picture: &Option<Bytes>) -> u64 {
        size_of::<Key>() as u64 + picture.as_ref().map_or(0, |picture| picture.len() as u64)
    }
}

impl Pictures {
    pub(super) fn new(folders: PhotoFolders) -> Self {
        Self(Arc::new(Inner {
            folders,
            cache: Cache::with_weighter(1000, CACHE_BYTES, Size),
            files: Arc::new(Semaphore::new(MOST_FILES)),
            decoding: Arc::new(Semaphore::new(MAX_MEGAPIXELS as usize)),
        }))
    }

    /// Opens the photo at `path`.
    async fn open(&self, path: String, side: u32) -> io::Result<(File, Key)> {
        let Self(inner) = self.clone();
        let open = move || {
            let file = inner.folders.photo(&path)?;
            let key = Key::of(&file, side)?;
            Ok((file, key))
        };
        spawn_blocking(open).await?
    }

    /// The picture of an open photo; none when it is broken, or no photo.
    async fn of(&self, file: File, key: Key) -> Result<Option<Bytes>, PageError> {
        self.0.cache.get_or_insert_async(&key, self.make(file, key.side)).await
    }

    async fn make(&self, file: File, side: u32) -> Result<Option<Bytes>, PageError> {
        // Places go with the work: it runs to its end even when nobody waits for the picture any more.
        let place = places(&self.0.files, 1).await?;
        let read = spawn_blocking(|| (Source::read(file), place)).await.map_err(panicked)?;
        let (source, place) = match read {
            (Ok(source), place) => (source, place),
            (Err(error), _) => return broken(&error),
        };
        let pixels = places(&self.0.decoding, source.megapixels).await?;
        let scale = move || {
            let _held = (place, pixels);
            source.scaled(side)
        };
        match spawn_blocking(scale).await.map_err(panicked)? {
            Ok(jpeg) => Ok(Some(jpeg.into())),
            Err(error) => broken(&error),
        }
    }
}

/// What is wrong with a photo is remembered, what is wrong with the disk is not.
fn broken(error: &ScaleError) -> Result<Option<Bytes>, PageError> {
    match error {
        ScaleError::Unreadable(error) => Err(PageError::Broken(format!("a photo cannot be read: {error}"))),
        error => {
            tracing::debug!(%error, "a photo has no picture");
            Ok(None)
        }
    }
}

fn panicked(error: tokio::task::JoinError) -> PageError {
    PageError::Broken(format!("making a picture failed: {error}"))
}

async fn places(all: &Arc<Semaphore>, number: u32) -> Result<OwnedSemaphorePermit, PageError> {
    let places = Arc::clone(all).acquire_many_owned(number);
    places.await.map_err(|error| PageError::Broken(error.to_string()))
}

/// Answers `/photos/{id}/thumbnail`.
pub(super) async fn thumbnail(
    frontend: State<Frontend>,
    id: PhotoId,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    answer(frontend, id, &headers, THUMBNAIL_SIDE).await
}

/// Answers `/photos/{id}/picture`.
pub(super) async fn picture(frontend: State<Frontend>, id: PhotoId, headers: HeaderMap) -> Result<Response, PageError> {
    answer(frontend, id, &headers, PICTURE_SIDE).await
}

/// A photo that cannot be shown still has a row: its picture says so, and is no error.
async fn answer(
    State(frontend): State<Frontend>,
    PhotoId(id): PhotoId,
    headers: &HeaderMap,
    side: u32,
) -> Result<Response, PageError> {
    let image = frontend.store.image(id).await?.ok_or(PageError::NotFound)?;
    let Ok((file, key)) = frontend.pictures.open(image.summary.path, side).await else { return Ok(no_picture()) };
    let tag = key.tag();
    let keep = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "private, max-age=60".into())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, keep).into_response());
    }
    let Some(jpeg) = frontend.pictures.of(file, key).await? else { return Ok(no_picture()) };
    Ok((keep, [(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response())
}

fn no_picture() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], NO_PICTURE).into_response()
}
