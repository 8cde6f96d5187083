//! Telling cheaply whether a folder of known people has changed, and whether it has come to rest.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use walkdir::WalkDir;

use super::known_photos::UNFINISHED;

/// A folder that keeps changing is read nevertheless after this long: a copy of thousands of photos
/// may take an hour, and those that are complete need not wait for it.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Stands for names, sizes and modification times of the files in a folder and its sub-folders. Listing is
/// all that works alike on local disks, network folders and the mounts of Kubernetes.
///
/// The files' hashes are added up, so that neither their order nor their number matters to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    files: u64,
    sum: u64,
}

impl Fingerprint {
    /// `None` when there is no such folder, or it cannot be read.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        std::fs::read_dir(folder).ok()?;
        let mut fingerprint = Self { files: 0, sum: 0 };
        for entry in WalkDir::new(folder).follow_links(true).into_iter().flatten() {
            let is_unfinished = || entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
            if entry.file_type().is_dir() || is_unfinished() {
                continue;
            }
            let metadata = entry.metadata().ok();
            let mut hasher = DefaultHasher::new();
            entry.path().as_os_str().hash(&mut hasher);
            metadata.map(|found| (found.len(), found.mtime(), found.mtime_nsec())).hash(&mut hasher);
            fingerprint.files += 1;
            fingerprint.sum = fingerprint.sum.wrapping_add(hasher.finish());
        }
        Some(fingerprint)
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
        self.last_seen = Some(*seen);
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
        detector.was_read(empty);
        assert!(!detector.should_read(&empty, start));

        std::fs::write(dir.path().join("a.jpg"), "half").unwrap();
        let half = Fingerprint::of(dir.path()).unwrap();
        assert!(!detector.should_read(&half, seconds(start, 1)));
        std::fs::write(dir.path().join("a.jpg"), "the whole").unwrap();
        let whole = Fingerprint::of(dir.path()).unwrap();
        assert!(!detector.should_read(&whole, seconds(start, 2)));
        assert!(detector.should_read(&whole, seconds(start, 3)));
        detector.was_read(whole);
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
    fn every_kind_of_change_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let of = || Fingerprint::of(dir.path()).unwrap();
        let set_time = |name: &str, seconds| {
            let file = std::fs::File::options().append(true).open(at(name)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        };
        let mut seen = vec![of()];
        std::fs::write(at("a.jpg"), "one").unwrap();
        set_time("a.jpg", 1000);
        seen.push(of());
        set_time("a.jpg", 1001);
        seen.push(of());
        std::fs::write(at("a.jpg"), "four").unwrap();
        set_time("a.jpg", 1001);
        seen.push(of());
        std::fs::rename(at("a.jpg"), at("b.jpg")).unwrap();
        seen.push(of());
        std::os::unix::fs::symlink(at("b.jpg"), at("c.jpg")).unwrap();
        seen.push(of());
        for (index, one) in seen.iter().enumerate() {
            assert!(!seen[..index].contains(one), "change {index} was not seen");
        }
        std::fs::write(at(&format!("{UNFINISHED}1-1")), "half").unwrap();
        assert_eq!(seen.last(), Some(&of()), "a photo that is not whole yet is no change");
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
