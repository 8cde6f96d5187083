//! How long a message that was given back stays away.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);

/// Grows with the deliveries of a message so far; between half of the full time and all of it.
pub(super) fn backoff(attempts: u16) -> Duration {
    let doublings = u32::from(attempts.saturating_sub(1)).min(16);
    let full = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    full.mul_f64(0.5 + 0.5 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_longest() {
        for (attempts, full) in [(0, 500), (1, 500), (2, 1000), (4, 4000), (6, 15_000), (u16::MAX, 15_000)] {
            let (wait, full) = (backoff(attempts), Duration::from_millis(full));
            assert!(wait >= full / 2 && wait <= full, "{attempts}: {wait:?}");
        }
    }
}
