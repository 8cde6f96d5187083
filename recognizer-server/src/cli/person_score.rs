//! How a face is compared with a person of several photos.

use std::num::NonZeroUsize;

use facerecog_engine::gallery::PersonScore;

/// By templates where they are asked for, else by so many of the nearest photos.
pub(super) fn person_score(templates: bool, photos_per_person: NonZeroUsize) -> PersonScore {
    if templates { PersonScore::Template } else { PersonScore::MeanOfTop(photos_per_person) }
}
