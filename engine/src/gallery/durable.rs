//! Files that appear whole or not at all, whatever happens to the machine.

use std::fs::File;
use std::io;
use std::path::Path;

use super::GalleryError;

/// Ends the names of files that are not finished.
const TEMPORARY: &str = ".tmp";

/// Why [`replace_file`] failed.
#[derive(Debug)]
pub(super) enum ReplaceError {
    /// What had the name still has it.
    NotReplaced(GalleryError),
    /// The file has its name, until a power cut may take it away again.
    NotDurable(io::Error),
}

/// Puts a file called `name` into `dir`: `fill` writes it under another name, and it takes its own,
/// replacing what had it, only after every byte is on the disk. The caller holds the writer's lock.
pub(super) fn replace_file(
    dir: &Path,
    name: &str,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), ReplaceError> {
    let path = dir.join(name);
    let temporary = dir.join(format!("{name}{TEMPORARY}"));
    let written = write(&temporary, fill)
        .map_err(GalleryError::io(&temporary))
        .and_then(|()| std::fs::rename(&temporary, &path).map_err(GalleryError::io(&path)));
    if let Err(error) = written {
        // Should this fail too, the next writer removes it.
        let _ = std::fs::remove_file(&temporary);
        return Err(ReplaceError::NotReplaced(error));
    }
    sync_folder(dir).map_err(ReplaceError::NotDurable)
}

fn write(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    fill(&mut file)?;
    file.sync_all()
}

/// Makes the folder `dir`, and those above it that are missing, so that they outlast a power cut.
pub(super) fn create_folder(dir: &Path) -> Result<(), GalleryError> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => {
            create_folder(parent)?;
            parent
        }
        None => Path::new("."),
    };
    match std::fs::create_dir(dir) {
        // Another process was as quick.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        made => made.map_err(GalleryError::io(dir))?,
    }
    sync_folder(parent).map_err(GalleryError::io(parent))
}

/// Makes renames in `dir` outlast a power cut.
fn sync_folder(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        // Some network file systems have no such call for folders.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

/// Removes what a writer that died left unfinished. The caller holds the writer's lock.
pub(super) fn remove_unfinished(dir: &Path) -> Result<(), GalleryError> {
    for entry in std::fs::read_dir(dir).map_err(GalleryError::io(dir))? {
        let entry = entry.map_err(GalleryError::io(dir))?;
        let name = entry.file_name();
        let Some(finished) = name.to_str().and_then(|name| name.strip_suffix(TEMPORARY)) else { continue };
        if finished == super::generation::CURRENT || super::generation::parse_file_name(finished).is_some() {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(GalleryError::io(&path))?;
        }
    }
    Ok(())
}
