//! Telling cheaply whether a folder of known people has changed, and whether it has come to rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use walkdir::WalkDir;

/// A folder that keeps changing is read nevertheless after this long: a copy of thousands of photos
/// may take an hour, and those that are complete need not wait for it.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Names, sizes and modification times of the files in a folder and its sub-folders. Listing is
/// all that works alike on local disks, network folders and the mounts of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint(BTreeMap<PathBuf, (u64, Option<SystemTime>)>);

impl Fingerprint {
    /// `None` when there is no such folder, or it cannot be read.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        std::fs::read_dir(folder).ok()?;
        let entries = WalkDir::new(folder).follow_links(true).into_iter().flatten();
        let files = entries.filter(|entry| !entry.file_type().is_dir());
        Some(Self(
            files
                .map(|entry| {
                    let metadata = entry.metadata().ok();
                    let size = metadata.as_ref().map_or(0, std::fs::Metadata::len);
                    (entry.into_path(), (size, metadata.and_then(|metadata| metadata.modified().ok())))
                })
                .collect(),
        ))
    }
}

/// Decides from one look at the folder after another when it is time to read it.
#[derive(Debug)]
pub(super) struct ChangeDetector {
    read: Option<Fingerprint>,
    last_seen: Option<Fingerprint>,
    changing_since: Option<Instant>,
}

impl ChangeDetector {
    /// Starts with nothing read.
    pub(super) fn new() -> Self {
        Self { read: None, last_seen: None, changing_since: None }
    }

    /// Whether the folder should be read now: it differs from what was read, and it either looks as it
    /// did the last time, so that no file is still being copied in, or has kept changing for long.
    pub(super) fn should_read(&mut self, seen: &Fingerprint, now: Instant) -> bool {
        if self.read.as_ref() == Some(seen) {
            self.changing_since = None;
            self.last_seen = None;
            return false;
        }
        let since = *self.changing_since.get_or_insert(now);
        let at_rest = self.last_seen.as_ref() == Some(seen);
        self.last_seen = Some(seen.clone());
        at_rest || now.duration_since(since) >= LONGEST_WAIT
    }

    /// Notes that the folder has been read as it was `seen` before the reading began.
    pub(super) fn was_read(&mut self, seen: Fingerprint) {
        *self = Self { read: Some(seen), last_seen: None, changing_since: None };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_file_still_being_copied_waits_for_the_next_look() {
        let dir = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let mut detector = ChangeDetector::new();
        let empty = Fingerprint::of(dir.path()).unwrap();
        detector.was_read(empty.clone());
        assert!(!detector.should_read(&empty, start));

        std::fs::write(dir.path().join("a.jpg"), "half").unwrap();
        let half = Fingerprint::of(dir.path()).unwrap();
        assert!(!detector.should_read(&half, seconds(start, 1)));
        std::fs::write(dir.path().join("a.jpg"), "the whole").unwrap();
        let whole = Fingerprint::of(dir.path()).unwrap();
        assert!(!detector.should_read(&whole, seconds(start, 2)));
        assert!(detector.should_read(&whole, seconds(start, 3)));
        detector.was_read(whole.clone());
        assert!(!detector.should_read(&whole, seconds(start, 4)));
    }

    #[test]
    fn a_folder_that_never_rests_is_read_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let mut detector = ChangeDetector::new();
        let looks: Vec<bool> = (0..4)
            .map(|second| {
                std::fs::write(dir.path().join(format!("{second}.jpg")), "x").unwrap();
                detector.should_read(&Fingerprint::of(dir.path()).unwrap(), seconds(start, second))
            })
            .collect();
        assert_eq!(looks, [false, false, false, true]);
    }

    #[test]
    fn people_in_sub_folders_are_seen_and_a_missing_folder_is_none() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("ada")).unwrap();
        let before = Fingerprint::of(dir.path()).unwrap();
        std::fs::write(dir.path().join("ada/1.jpg"), "x").unwrap();
        assert_ne!(before, Fingerprint::of(dir.path()).unwrap());
        assert_eq!(Fingerprint::of(&dir.path().join("nowhere")), None);
    }
}
