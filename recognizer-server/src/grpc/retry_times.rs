//! When each refused caller is to come back.
//!
//! All told the same time would come back together: one in ten would find a place, and the others cost the
//! server more messages than photos. So each is given a time of its own, as far from the one before as the server
//! takes for a photo.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest and longest time after which a refused caller is told to try again.
pub(super) const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(10));

/// The time given to the caller that was refused last.
#[derive(Debug, Default)]
pub(super) struct RetryTimes {
    last: Mutex<Option<Instant>>,
}

impl RetryTimes {
    /// How long from `now` the next refused caller is to wait: until those in the queue have been served, in `wait`,
    /// and the callers refused before, one in `interval`.
    pub(super) fn next(&self, now: Instant, wait: Duration, interval: Duration) -> Duration {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let after_last = last.map_or(Duration::ZERO, |last| (last + interval).saturating_duration_since(now));
        let delay = wait.max(after_last).clamp(RETRY_AFTER.0, RETRY_AFTER.1);
        *last = Some(now + delay);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn callers_that_are_refused_together_come_back_one_by_one() {
        let (times, now) = (RetryTimes::default(), Instant::now());
        let delays: Vec<Duration> = (0..4).map(|_| times.next(now, 200 * MS, 20 * MS)).collect();
        assert_eq!(delays, [200 * MS, 220 * MS, 240 * MS, 260 * MS]);
    }

    #[test]
    fn times_that_have_passed_count_no_more() {
        let (times, now) = (RetryTimes::default(), Instant::now());
        (0..10).for_each(|_| {
            times.next(now, 200 * MS, 20 * MS);
        });
        assert_eq!(times.next(now + 100 * MS, 200 * MS, 20 * MS), 300 * MS);
        assert_eq!(times.next(now + 1000 * MS, 200 * MS, 20 * MS), 200 * MS);
    }

    #[test]
    fn nobody_is_sent_away_for_less_or_longer_than_the_limits() {
        let (times, now) = (RetryTimes::default(), Instant::now());
        assert_eq!(times.next(now, Duration::ZERO, Duration::ZERO), RETRY_AFTER.0);
        for _ in 0..3 {
            assert!(times.next(now, Duration::from_secs(3600), Duration::from_secs(60)) == RETRY_AFTER.1);
        }
    }
}
