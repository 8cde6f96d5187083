//! Telling whether a folder of known people has changed, and whether it has come to rest.

use std::time::{Duration, Instant};

use facerecog_engine::gallery::KnownFolderFingerprint;

/// A folder that keeps changing is read nevertheless after this long: a copy of thousands of photos
/// may take an hour, and those that are complete need not wait for it.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Decides from one look at the folder after another when it is time to read it.
#[derive(Debug)]
pub(super) struct ChangeDetector {
    read: Option<KnownFolderFingerprint>,
    last_seen: Option<KnownFolderFingerprint>,
    changing_since: Option<Instant>,
}

impl ChangeDetector {
    /// Starts with nothing read.
    pub(super) fn new() -> Self {
        Self { read: None, last_seen: None, changing_since: None }
    }

    /// Whether the folder should be read now: it differs from what was read, and it either looks as it
    /// did the last time, so that no file is still being copied in, or has kept changing for long.
    pub(super) fn should_read(&mut self, seen: &KnownFolderFingerprint, now: Instant) -> bool {
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
    pub(super) fn was_read(&mut self, seen: KnownFolderFingerprint) {
        *self = Self { read: Some(seen), last_seen: None, changing_since: None };
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn fingerprint(folder: &Path) -> KnownFolderFingerprint {
        KnownFolderFingerprint::of(folder, 100).unwrap()
    }

    fn seconds(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_file_still_being_copied_waits_for_the_next_look() {
        let dir = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let mut detector = ChangeDetector::new();
        let empty = fingerprint(dir.path());
        detector.was_read(empty);
        assert!(!detector.should_read(&empty, start));

        std::fs::write(dir.path().join("a.jpg"), "half").unwrap();
        let half = fingerprint(dir.path());
        assert!(!detector.should_read(&half, seconds(start, 1)));
        std::fs::write(dir.path().join("a.jpg"), "the whole").unwrap();
        let whole = fingerprint(dir.path());
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
                detector.should_read(&fingerprint(dir.path()), seconds(start, second))
            })
            .collect();
        assert_eq!(looks, [false, false, false, true]);
    }
}
