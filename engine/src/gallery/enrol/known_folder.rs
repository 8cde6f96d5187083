//! Finding the photos in a folder of known people.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::report::SkippedPhoto;
use super::{EnrolError, name};
use crate::photo::PhotoErrorKind;

/// What tells one folder from another, however it was reached.
type FolderId = (u64, u64);

/// A folder of known people.
#[derive(Debug)]
pub(super) struct KnownFolder {
    path: PathBuf,
    id: FolderId,
}

/// A file whose name counts as a photo's.
#[derive(Debug)]
pub(super) struct FoundPhoto {
    /// Path relative to the known folder, parts separated by `/`.
    pub(super) source: String,
    /// Size and time of the file it is or leads to.
    pub(super) metadata: Metadata,
}

/// What lies in a known folder.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Sorted by source.
    pub(super) photos: Vec<FoundPhoto>,
    /// What counts as a photo by its name but cannot be read as one.
    pub(super) skipped: Vec<SkippedPhoto>,
    /// Sub-folders that could not be read to the end, and files that could not be looked at, as
    /// paths relative to the known folder.
    pub(super) unreadable: Vec<(String, io::Error)>,
}

impl KnownFolder {
    pub(super) fn open(path: &Path) -> Result<Self, EnrolError> {
        let unreadable = |source| EnrolError::KnownFolder { path: path.to_owned(), source };
        std::fs::read_dir(path).map_err(unreadable)?;
        let id = folder_id(&std::fs::metadata(path).map_err(unreadable)?);
        Ok(Self { path: path.to_owned(), id })
    }

    /// Where a photo lies.
    pub(super) fn path_of(&self, source: &str) -> PathBuf {
        self.path.join(source)
    }

    /// Fails when another folder, or none, is in its place by now: a volume that was unmounted
    /// must not look like a folder whose photos were all deleted.
    pub(super) fn check_still_there(&self) -> Result<(), EnrolError> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) if folder_id(&metadata) == self.id => Ok(()),
            Ok(_) => Err(EnrolError::KnownFolderReplaced { path: self.path.clone() }),
            Err(source) => Err(EnrolError::KnownFolder { path: self.path.clone(), source }),
        }
    }

    /// Every photo in the folder and the folders below. Symbolic links are followed, but no folder
    /// is read twice.
    pub(super) fn list(&self, max_photos: usize) -> Result<Listing, EnrolError> {
        let mut walk =
            Walk { root: &self.path, max_photos, seen: HashSet::from([self.id]), listing: Listing::default() };
        // A link to a folder that holds the known folder would read all that lies beside it.
        for above in self.path.canonicalize().iter().flat_map(|path| path.ancestors()) {
            walk.seen.extend(std::fs::metadata(above).ok().map(|metadata| folder_id(&metadata)));
        }
        // Linked folders wait until all real ones are read, so that a photo reached both ways is
        // found under its real path.
        let mut linked = walk.read_tree(String::new())?;
        while !linked.is_empty() {
            let mut further = Vec::new();
            for source in linked {
                if walk.is_new_folder(&source) {
                    further.extend(walk.read_tree(source)?);
                }
            }
            linked = further;
        }
        let mut listing = walk.listing;
        listing.photos.sort_by(|a, b| a.source.cmp(&b.source));
        listing.skipped.sort_by(|a, b| a.photo.cmp(&b.photo));
        listing.unreadable.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(listing)
    }
}

fn folder_id(metadata: &Metadata) -> FolderId {
    (metadata.dev(), metadata.ino())
}

/// Who is on the known photo `source`, a path relative to the known folder: the name of the folder it lies
/// in, of several the outermost, or what the file's name says (`hannibal_1.jpg` is of `hannibal`).
pub fn person_of(source: &str) -> &str {
    match source.split_once('/') {
        Some((folder, _)) => folder,
        None => name::person(source),
    }
}

/// The name of a known photo's file, from its path relative to the known folder.
pub fn image_name_of(source: &str) -> &str {
    source.rsplit_once('/').map_or(source, |(_, name)| name)
}

struct Walk<'a> {
    root: &'a Path,
    max_photos: usize,
    seen: HashSet<FolderId>,
    listing: Listing,
}

impl Walk<'_> {
    /// Reads a folder and the real folders below it; returns the links to folders, sorted.
    fn read_tree(&mut self, folder: String) -> Result<Vec<String>, EnrolError> {
        let mut linked = Vec::new();
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            if let Err(source) = self.read_folder(&folder, &mut folders, &mut linked) {
                // Half a listing of the known folder itself would drop everyone who is not in it.
                if folder.is_empty() {
                    return Err(EnrolError::KnownFolder { path: self.root.to_owned(), source });
                }
                self.cannot_read(folder, source);
            }
            if self.listing.photos.len() > self.max_photos {
                return Err(EnrolError::TooManyPhotos { path: self.root.to_owned(), limit: self.max_photos });
            }
        }
        linked.sort();
        Ok(linked)
    }

    fn read_folder(&mut self, folder: &str, folders: &mut Vec<String>, linked: &mut Vec<String>) -> io::Result<()> {
        for entry in std::fs::read_dir(self.root.join(folder))? {
            let entry = entry?;
            if self.listing.photos.len() > self.max_photos {
                break;
            }
            let name = entry.file_name();
            let source = join(folder, &name);
            let is_photo = name::is_photo(&name.to_string_lossy());
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(error) => {
                    self.cannot_read(source, error);
                    continue;
                }
            };
            // Looks through links, at what a photo's path leads to.
            let metadata = match std::fs::metadata(entry.path()) {
                Ok(metadata) => metadata,
                Err(error) => {
                    if is_photo || !kind.is_file() {
                        self.cannot_read(source, error);
                    }
                    continue;
                }
            };
            if !metadata.is_dir() && !is_photo {
                continue;
            }
            if name.to_str().is_none() {
                self.skip(source, "name_not_utf8", "the name is not UTF-8, so that no database or client can hold it");
            } else if !metadata.is_dir() {
                if metadata.is_file() {
                    self.listing.photos.push(FoundPhoto { source, metadata });
                } else {
                    self.skip(source, PhotoErrorKind::NotAFile.code(), &PhotoErrorKind::NotAFile.to_string());
                }
            } else if kind.is_symlink() {
                linked.push(source);
            } else if self.seen.insert(folder_id(&metadata)) {
                folders.push(source);
            }
        }
        Ok(())
    }

    fn is_new_folder(&mut self, source: &str) -> bool {
        match std::fs::metadata(self.root.join(source)) {
            Ok(metadata) => {
                let new = self.seen.insert(folder_id(&metadata));
                if !new {
                    tracing::debug!(folder = source, "a link to a folder that is read anyway is not followed");
                }
                new
            }
            Err(error) => {
                self.cannot_read(source.to_owned(), error);
                false
            }
        }
    }

    /// What is gone is not there; anything else may still be, and is reported.
    fn cannot_read(&mut self, source: String, error: io::Error) {
        let is_link = || std::fs::symlink_metadata(self.root.join(&source)).is_ok_and(|found| found.is_symlink());
        if error.kind() != io::ErrorKind::NotFound {
            self.listing.unreadable.push((source, error));
        } else if name::is_photo(image_name_of(&source)) && is_link() {
            self.skip(source, PhotoErrorKind::NotFound.code(), "a symbolic link to a file that is not there");
        }
    }

    fn skip(&mut self, photo: String, code: &str, message: &str) {
        self.listing.skipped.push(SkippedPhoto { photo, code: code.to_owned(), message: message.to_owned() });
    }
}

/// Names that are not UTF-8 get replacement characters: they are shown, never opened.
fn join(folder: &str, name: &OsStr) -> String {
    let name = name.to_string_lossy();
    if folder.is_empty() { name.into_owned() } else { format!("{folder}/{name}") }
}
