//! The folder that photos are put into.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::multipart::{Field, Multipart, MultipartError};
use image::ImageFormat;
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::store::{Added, Store, StoreError};
use crate::telemetry::Stop;

/// Bytes that tell what a file is.
const HEADER_BYTES: usize = 64;

/// Longest part of a name that the sender chose, in bytes.
const MAX_STEM_BYTES: usize = 64;

/// Longest path of the folder, in bytes: the database stores 255 characters of path and name.
const MAX_FOLDER_BYTES: usize = 160;

/// Others than those that sent a photo read it: the recognizer, at least.
const MODE: u32 = 0o644;

/// What names of files begin with that are being written.
const UNFINISHED: &str = ".upload-";

/// Age from which such a file is nobody's: no upload takes as long, and no clocks differ as much.
const CUT_OFF_AGE: Duration = Duration::from_secs(24 * 3600);

/// How often they are looked for.
const SWEEP_PAUSE: Duration = Duration::from_secs(3600);

/// Photos that are being stored at once: each has two files open.
const STORED_AT_ONCE: usize = 128;

/// Stores photos, each whole or not at all, under names that harm nobody.
#[derive(Debug, Clone)]
pub(crate) struct UploadFolder {
    path: PathBuf,
    max_bytes: u64,
    places: Arc<Semaphore>,
}

/// Why a photo is not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// Its first bytes are those of no photo that the recognizer reads.
    #[error("it is no photo: JPEG, PNG, GIF, BMP, WebP, TIFF and PNM are")]
    NotAPhoto,
    /// It is longer than allowed.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// What is allowed.
        limit: u64,
    },
    /// It did not come whole.
    #[error("it did not come whole: {0}")]
    Cut(#[from] MultipartError),
    /// The folder.
    #[error("it could not be stored: {0}")]
    Io(#[from] io::Error),
}

impl UploadFolder {
    /// Stores photos of at most `max_bytes` bytes in `folder`, which is made when there is none.
    pub(crate) fn new(folder: &Path, max_bytes: u64) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
        fs::create_dir_all(folder).map_err(named)?;
        let path = std::path::absolute(folder)?;
        if path.to_str().is_none_or(|path| path.len() > MAX_FOLDER_BYTES) {
            let reason = format!("its path is not UTF-8, or longer than {MAX_FOLDER_BYTES} bytes");
            return Err(named(io::Error::new(io::ErrorKind::InvalidInput, reason)));
        }
        Ok(Self { path, max_bytes, places: Arc::new(Semaphore::new(STORED_AT_ONCE)) })
    }

    /// Stores what a form's field holds. When the path is returned, the photo is on the disk; when that is dropped and
    /// not kept, it is removed.
    pub(crate) async fn save(&self, mut field: Field<'_>) -> Result<TempPath, UploadError> {
        let _place = self.places.acquire().await;
        let name = field.file_name().unwrap_or_default().to_owned();
        let folder = self.path.clone();
        let mut builder = tempfile::Builder::new();
        let made = spawn_blocking(move || {
            let permissions = Permissions::from_mode(MODE);
            let file = builder.prefix(UNFINISHED).permissions(permissions).tempfile_in(folder)?;
            Ok::<_, io::Error>((file.reopen()?, file))
        });
        let (writer, file) = made.await.map_err(io::Error::from)??;
        let mut writer = tokio::fs::File::from_std(writer);
        let (mut header, mut bytes) = (Vec::new(), 0);
        while let Some(chunk) = field.chunk().await? {
            bytes += chunk.len() as u64;
            if bytes > self.max_bytes {
                return Err(UploadError::TooLarge { limit: self.max_bytes });
            }
            let had = header.len();
            header.extend_from_slice(&chunk[..chunk.len().min(HEADER_BYTES - had)]);
            // As soon as it can be told, before the rest is read.
            if had < HEADER_BYTES && header.len() == HEADER_BYTES {
                ending(&header)?;
            }
            writer.write_all(&chunk).await?;
        }
        let target = self.path.join(safe_name(&name, ending(&header)?)?);
        writer.flush().await?;
        let folder = self.path.clone();
        let kept = spawn_blocking(move || {
            file.as_file().sync_all()?;
            file.persist_noclobber(&target)?;
            let stored = TempPath::try_from_path(target)?;
            File::open(folder)?.sync_all()?;
            Ok::<_, io::Error>(stored)
        });
        Ok(kept.await.map_err(io::Error::from)??)
    }
}

/// Removes, now and every hour until `stop`, what uploads into `folder` left that were cut off by the end of their
/// process.
///
/// Only files that never had their name. A photo that has one and no row is left as well when its process ends in
/// between, but nobody can tell: others that share the folder may know it by another path, or from another database.
pub(crate) async fn sweep(folder: Option<UploadFolder>, stop: Stop) {
    let Some(UploadFolder { path, .. }) = folder else { return };
    let mut stopped = pin!(stop.wait());
    loop {
        let folder = path.clone();
        let swept = spawn_blocking(move || remove_cut_off(&folder));
        tokio::select! {
            // A folder on the network may hang.
            () = &mut stopped => return,
            swept = swept => match swept.map_err(io::Error::from).flatten() {
                Ok(0) => {}
                Ok(files) => tracing::info!(files, "uploads that were cut off are removed"),
                Err(error) => tracing::warn!(%error, "uploads that were cut off cannot be removed"),
            },
        }
        tokio::select! {
            () = &mut stopped => return,
            () = sleep(SWEEP_PAUSE) => {}
        }
    }
}

/// Removes what was cut off, and tells how many files that were.
fn remove_cut_off(folder: &Path) -> io::Result<u64> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            continue;
        }
        // Another process may be sweeping, too.
        let Ok(metadata) = entry.metadata() else { continue };
        let old = metadata.modified()?.elapsed().is_ok_and(|age| age > CUT_OFF_AGE);
        if metadata.is_file() && old && fs::remove_file(entry.path()).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Stores the rows of photos, all or none, and gives their paths with what became of each. Photos stay unless their
/// rows are surely not there: a row without its photo is worse than a photo without its row.
pub(crate) async fn add_rows(store: &Store, photos: Vec<TempPath>) -> Result<Vec<(String, Added)>, StoreError> {
    // Kept before, not after: whoever is given up on the way leaves them, too.
    let paths: Vec<String> = photos.into_iter().map(keep).collect();
    match store.add_images(&paths).await {
        // A path that was there keeps its photo: names are never given twice.
        Ok(added) => Ok(paths.into_iter().zip(added).collect()),
        Err(error @ StoreError::Unsure(_)) => {
            tracing::warn!(photos = paths.len(), %error, "photos are kept that may have no row");
            Err(error)
        }
        Err(error) => {
            let removed = spawn_blocking(move || paths.iter().try_for_each(fs::remove_file)).await;
            if let Err(error) = removed.map_err(io::Error::from).flatten() {
                tracing::error!(%error, "a photo whose row could not be stored is left over");
            }
            Err(error)
        }
    }
}

/// Its path, which stays from now on.
fn keep(photo: TempPath) -> String {
    let path = photo.display().to_string();
    if let Err(error) = photo.keep() {
        tracing::error!(%error, "a photo that is to be stored cannot be kept");
    }
    path
}

/// Reads what is left of a form: a client that sends first and listens then hears the answer.
pub(crate) async fn forget(form: &mut Multipart) {
    while let Ok(Some(mut field)) = form.next_field().await {
        while let Ok(Some(_)) = field.chunk().await {}
    }
}

/// The ending of the name of a photo that begins with these bytes.
fn ending(header: &[u8]) -> Result<&'static str, UploadError> {
    match image::guess_format(header) {
        Ok(ImageFormat::Jpeg) => Ok("jpg"),
        Ok(ImageFormat::Png) => Ok("png"),
        Ok(ImageFormat::Gif) => Ok("gif"),
        Ok(ImageFormat::Bmp) => Ok("bmp"),
        Ok(ImageFormat::WebP) => Ok("webp"),
        Ok(ImageFormat::Tiff) => Ok("tif"),
        Ok(ImageFormat::Pnm) => Ok("pnm"),
        _ => Err(UploadError::NotAPhoto),
    }
}

/// What is harmless of the sender's name without its ending, a random number, and the ending for the content.
fn safe_name(name: &str, ending: &str) -> io::Result<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let harmless = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let stem: String = stem.chars().take(MAX_STEM_BYTES).map(harmless).collect();
    let stem = stem.trim_matches('_');
    let number = getrandom::u64().map_err(io::Error::other)?;
    Ok(format!("{}-{number:016x}.{ending}", if stem.is_empty() { "photo" } else { stem }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_harmless_and_never_twice_the_same() {
        for (given, begins) in [
            ("obama2.jpg", "obama2-"),
            ("../../x", "x-"),
            ("..", "photo-"),
            ("", "photo-"),
            ("C:\\photos\\me.jpeg", "me-"),
            ("/etc/passwd", "passwd-"),
            (".bashrc", "photo-"),
            ("a b\0c\n<script>.png", "a_b_c__script-"),
            ("Zoë.JPG", "Zo-"),
            ("-rf.jpg", "rf-"),
            ("archive.tar.gz", "archive_tar-"),
        ] {
            let name = safe_name(given, "jpg").unwrap();
            assert!(name.starts_with(begins) && name.ends_with(".jpg"), "{given:?}: {name}");
            assert_eq!(name.len(), begins.len() + 16 + 4, "{given:?}: {name}");
        }
        assert!(safe_name(&"x".repeat(1000), "jpg").unwrap().len() < 90);
        assert_ne!(safe_name("a.jpg", "jpg").unwrap(), safe_name("a.jpg", "jpg").unwrap());
    }

    #[test]
    fn content_tells_what_is_a_photo() {
        for (header, expected) in [
            (&b"\xff\xd8\xff\xe0"[..], Some("jpg")),
            (b"\x89PNG\r\n\x1a\n", Some("png")),
            (b"GIF89a", Some("gif")),
            (b"RIFF\0\0\0\0WEBP", Some("webp")),
            (b"", None),
            (b"\xff", None),
            (b"<svg xmlns=", None),
            (b"#!/bin/sh", None),
            (b"%PDF-1.7", None),
            (b"\x7fELF", None),
        ] {
            assert_eq!(ending(header).ok(), expected, "{header:?}");
        }
    }

    #[test]
    fn what_was_cut_off_is_removed_a_day_later_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let old = std::time::SystemTime::now() - CUT_OFF_AGE - Duration::from_secs(60);
        for (name, age) in
            [(".upload-old", Some(old)), (".upload-new", None), ("a-01.jpg", Some(old)), (".b", Some(old))]
        {
            let file = File::create(dir.path().join(name)).unwrap();
            if let Some(age) = age {
                file.set_modified(age).unwrap();
            }
        }
        fs::create_dir(dir.path().join(".upload-folder")).unwrap();
        File::open(dir.path().join(".upload-folder")).unwrap().set_modified(old).unwrap();
        std::os::unix::fs::symlink(dir.path().join("a-01.jpg"), dir.path().join(".upload-link")).unwrap();
        assert_eq!(remove_cut_off(dir.path()).unwrap(), 1);
        let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let names: std::collections::BTreeSet<_> = names.collect();
        let left = [".b", ".upload-folder", ".upload-link", ".upload-new", "a-01.jpg"];
        assert_eq!(names, left.map(str::to_owned).into());
        assert!(remove_cut_off(&dir.path().join("nowhere")).is_err());
    }

    #[test]
    fn a_folder_is_made_and_its_path_leaves_room_for_names() {
        let dir = tempfile::tempdir().unwrap();
        UploadFolder::new(&dir.path().join("a/b"), 1).unwrap();
        assert!(dir.path().join("a/b").is_dir());
        let error = UploadFolder::new(&dir.path().join("x".repeat(200)), 1).unwrap_err();
        assert!(error.to_string().contains("longer than 160"), "{error}");
    }
}
