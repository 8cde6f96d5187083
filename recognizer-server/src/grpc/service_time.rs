//! How long a job takes of late.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Each job counts for this part of the mean: the last dozen or so decide.
const WEIGHT: u32 = 8;

/// Moving average of the time that jobs take; zero until the first is done.
#[derive(Debug, Default)]
pub(super) struct ServiceTime {
    mean_nanos: AtomicU64,
}

impl ServiceTime {
    pub(super) fn mean(&self) -> Duration {
        Duration::from_nanos(self.mean_nanos.load(Ordering::Relaxed))
    }

    pub(super) fn add(&self, took: Duration) {
        let next = |nanos| {
            let mean = Duration::from_nanos(nanos);
            let mean = if mean.is_zero() { took } else { mean - mean / WEIGHT + took / WEIGHT };
            u64::try_from(mean.as_nanos()).ok()
        };
        // Fails for a job of 584 years alone.
        let _ = self.mean_nanos.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_follows_the_last_jobs() {
        let service_time = ServiceTime::default();
        assert_eq!(service_time.mean(), Duration::ZERO);
        service_time.add(Duration::from_millis(800));
        assert_eq!(service_time.mean(), Duration::from_millis(800));
        service_time.add(Duration::ZERO);
        assert_eq!(service_time.mean(), Duration::from_millis(700));
        (0..100).for_each(|_| service_time.add(Duration::from_millis(10)));
        let mean = service_time.mean();
        assert!((Duration::from_millis(9)..Duration::from_millis(11)).contains(&mean), "{mean:?}");
    }
}
