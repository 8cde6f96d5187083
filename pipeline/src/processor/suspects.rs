//! Photos in whose company the recognizer failed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::image::ImageId;

/// Times that the recognizer may fail over one photo before the photo is to blame: a recognizer that is killed, or
/// replaced, a few times while a photo is under way has not been ended by it.
const MOST_FAILURES: u32 = 5;

/// Photos remembered; when there are more, no photo can be told from the others, and the service is to blame.
const MOST_PHOTOS: usize = 4096;

/// Counts, for each photo under way, how often the recognizer failed over it.
#[derive(Debug, Default)]
pub(super) struct Suspects(Mutex<HashMap<ImageId, u32>>);

impl Suspects {
    /// The recognizer failed over `id`. True when it has done so too often to try that photo once more.
    pub(super) fn failed_over(&self, id: ImageId) -> bool {
        let mut failures = self.failures();
        if failures.len() >= MOST_PHOTOS {
            failures.clear();
        }
        let count = failures.entry(id).or_default();
        *count += 1;
        let guilty = *count >= MOST_FAILURES;
        if guilty {
            failures.remove(&id);
        }
        guilty
    }

    /// The recognizer has answered for `id`.
    pub(super) fn cleared(&self, id: ImageId) {
        self.failures().remove(&id);
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<ImageId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifth_failure_in_a_row_is_the_photos() {
        let suspects = Suspects::default();
        let (one, other) = (ImageId(1), ImageId(2));
        for _ in 0..4 {
            assert!(!suspects.failed_over(one) && !suspects.failed_over(other));
        }
        suspects.cleared(other);
        assert!(suspects.failed_over(one) && !suspects.failed_over(other));
        // Tried again by hand, it begins anew.
        assert!(!suspects.failed_over(one));
    }
}
