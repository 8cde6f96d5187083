//! How long photos take of late, and so how long one that comes will take.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Each photo counts for this part less than the one after it: the last few hundred decide.
const FADING: f64 = 1.0 / 256.0;

/// Photos after which the mean of those that come is known well enough to turn others away by it.
const ENOUGH_PHOTOS: f64 = 32.0;

/// Least squares, the latest photos weighing most: a photo takes some time, and some time a pixel. What cannot be
/// known before, such as the number of faces, is in the mean.
#[derive(Debug, Default)]
pub(super) struct PhotoCost(Mutex<Sums>);

/// Weighted sums over photos, of pixels and seconds.
#[derive(Debug, Default)]
struct Sums {
    photos: f64,
    pixels: f64,
    seconds: f64,
    pixels_pixels: f64,
    pixels_seconds: f64,
}

impl PhotoCost {
    /// What a photo takes in the mean; zero before the first.
    pub(super) fn mean(&self) -> Duration {
        duration(self.sums().mean())
    }

    /// [`Self::mean`], once enough photos were done.
    pub(super) fn settled_mean(&self) -> Option<Duration> {
        let sums = self.sums();
        (sums.photos >= ENOUGH_PHOTOS).then(|| duration(sums.mean()))
    }

    /// What a photo of `pixels` will probably take; zero before the first was done.
    pub(super) fn estimate(&self, pixels: u64) -> Duration {
        let sums = self.sums();
        if sums.photos == 0.0 {
            return Duration::ZERO;
        }
        duration(sums.mean() + sums.seconds_per_pixel() * (pixels as f64 - sums.pixels / sums.photos))
    }

    /// Learns that a photo of `pixels` took `took` of all threads together.
    pub(super) fn add(&self, pixels: u64, took: Duration) {
        let (pixels, seconds) = (pixels as f64, took.as_secs_f64());
        let mut sums = self.sums();
        let terms = [1.0, pixels, seconds, pixels * pixels, pixels * seconds];
        let Sums { photos, pixels, seconds, pixels_pixels, pixels_seconds } = &mut *sums;
        for (sum, term) in [photos, pixels, seconds, pixels_pixels, pixels_seconds].into_iter().zip(terms) {
            *sum += term - *sum * FADING;
        }
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sums {
    fn mean(&self) -> f64 {
        if self.photos == 0.0 { 0.0 } else { self.seconds / self.photos }
    }

    /// At least 0, and at most as much as leaves nothing for a photo without pixels.
    fn seconds_per_pixel(&self) -> f64 {
        if self.pixels == 0.0 {
            return 0.0;
        }
        let most = self.seconds / self.pixels;
        let spread = self.photos * self.pixels_pixels - self.pixels * self.pixels;
        if spread <= 1e-6 * self.pixels * self.pixels {
            // All of one size: nothing tells what another would take, but that it has other pixels.
            return most;
        }
        ((self.photos * self.pixels_seconds - self.pixels * self.seconds) / spread).clamp(0.0, most)
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn is_about(actual: Duration, expected: Duration) {
        assert!(actual.abs_diff(expected) < expected / 50, "{actual:?}, not {expected:?}");
    }

    #[test]
    fn nothing_is_known_before_the_first() {
        let cost = PhotoCost::default();
        assert_eq!((cost.mean(), cost.estimate(1_000_000)), (Duration::ZERO, Duration::ZERO));
        cost.add(0, 5 * MS);
        assert_eq!((cost.mean(), cost.settled_mean()), (5 * MS, None));
        is_about(cost.estimate(1_000_000), 5 * MS);
    }

    #[test]
    fn time_a_photo_and_time_a_pixel_are_told_apart() {
        let cost = PhotoCost::default();
        let took = |pixels: u64| 6 * MS + Duration::from_micros(pixels * 68 / 1000);
        for pixels in [22_500, 62_500, 62_500, 300_000, 1_050_000].into_iter().cycle().take(50) {
            cost.add(pixels, took(pixels));
        }
        for pixels in [1, 100_000, 2_000_000] {
            is_about(cost.estimate(pixels), took(pixels));
        }
    }

    #[test]
    fn photos_of_one_size_say_that_twice_the_pixels_take_twice_as_long() {
        let cost = PhotoCost::default();
        (0..10).for_each(|_| cost.add(1000, 10 * MS));
        is_about(cost.estimate(1000), 10 * MS);
        is_about(cost.estimate(2000), 20 * MS);
    }

    #[test]
    fn no_estimate_is_negative_though_large_photos_were_quick() {
        let cost = PhotoCost::default();
        cost.add(10, 100 * MS);
        cost.add(1_000_000, MS);
        is_about(cost.estimate(10_000_000), cost.mean());
    }

    #[test]
    fn the_mean_follows_the_last_photos() {
        let cost = PhotoCost::default();
        (0..100).for_each(|_| cost.add(1, 800 * MS));
        (0..3000).for_each(|_| cost.add(1, 10 * MS));
        is_about(cost.settled_mean().unwrap(), 10 * MS);
    }
}
