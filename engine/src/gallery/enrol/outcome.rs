//! What comes of one photo: from what is known, from the journal, or from the embedder.

use std::collections::HashSet;

use super::journal::{Answer, Journal};
use super::known_folder::{KnownFolder, person_of};
use super::previous::{Known, Previous};
use super::read::read_photo;
use super::{EnrolError, EnrolOptions, EnrolRefusal, EnrolmentEmbedder, Photo};
use crate::gallery::{GalleryError, SourceFile};
use crate::model::EmbedderIdentity;
use crate::photo::PhotoErrorKind;

/// What came of a photo.
pub(super) enum Outcome<'a> {
    /// Known from before. `changed` when the index must be written to say so.
    Known { known: Known<'a>, file: SourceFile, changed: bool },
    /// Known from before, and cannot be read for the moment.
    NotReadable { known: Known<'a>, error: PhotoErrorKind },
    /// What the embedder answers: now, or before the enrolment was broken off that this one resumes.
    /// `left_out` is the code by which the index knows that the photo was left out by choice.
    Answered { answer: Answer, file: SourceFile, resumed: bool, left_out: Option<&'a str> },
    /// Not fit to be read.
    Skipped(PhotoErrorKind),
    /// Would be embedded if this were not a dry run.
    Planned,
}

impl Outcome<'_> {
    /// The embedding of the photo's face, if it has one.
    pub(super) fn face(&self) -> Option<&[f32]> {
        match self {
            Self::Known { known: Known::Enrolled(row), .. } | Self::NotReadable { known: Known::Enrolled(row), .. } => {
                Some(row.embedding)
            }
            Self::Answered { answer: Ok(face), .. } => Some(face.embedding.values()),
            _ => None,
        }
    }
}

/// What is needed to enrol a photo.
pub(super) struct Enrolment<'a, 'e> {
    pub(super) folder: &'e KnownFolder,
    pub(super) previous: &'e Previous<'a>,
    /// None for a dry run.
    pub(super) journal: Option<&'e Journal>,
    /// People whose photos are not those that some were found unlike.
    pub(super) unsure_of: &'e HashSet<&'e str>,
    pub(super) identity: &'e EmbedderIdentity,
    pub(super) embedder: &'e dyn EnrolmentEmbedder,
    pub(super) options: &'e EnrolOptions,
}

impl<'a> Enrolment<'a, '_> {
    /// What comes of a photo; reads and embeds it when nothing is known of it.
    pub(super) fn enrol(&self, photo: &Photo<'_>) -> Result<Outcome<'a>, EnrolError> {
        let known = self.previous.at(photo.source);
        let usable = known.filter(|known| self.is_usable(known, photo.source));
        match (photo.found, known, usable) {
            // The folder it lies in could not be read; the report says so once.
            (None, Some(known), _) => return Ok(Outcome::Known { known, file: *known.file(), changed: false }),
            (Some((size, modified_ns)), _, Some(known)) => {
                let file = *known.file();
                if file.settled && (file.size, file.modified_ns) == (size, modified_ns) {
                    return Ok(Outcome::Known { known, file, changed: false });
                }
            }
            _ => {}
        }
        let path = self.folder.path_of(photo.source);
        let (bytes, file) = match read_photo(&path, self.options.limits.photo.max_file_bytes) {
            Ok(read) => read,
            Err(error) => {
                let may_come_back = matches!(error, PhotoErrorKind::Io(_) | PhotoErrorKind::PermissionDenied);
                return Ok(match known {
                    Some(known) if may_come_back => Outcome::NotReadable { known, error },
                    _ => Outcome::Skipped(error),
                });
            }
        };
        if let Some(known) = usable.filter(|known| known.file().digest == file.digest) {
            let before = known.file();
            let changed = (before.size, before.modified_ns) != (file.size, file.modified_ns);
            return Ok(Outcome::Known { known, file, changed });
        }
        if !self.options.full
            && let Some(known) = self.previous.with_digest(&file.digest)
        {
            return Ok(Outcome::Known { known, file, changed: true });
        }
        let as_it_was = known.filter(|known| known.file().digest == file.digest);
        let left_out = as_it_was.and_then(|known| known.left_out());
        let finished = self.journal.and_then(|journal| journal.finished(&file.digest));
        if let Some(answer) = finished {
            return Ok(Outcome::Answered { answer: answer.clone(), file, resumed: true, left_out });
        }
        if self.options.dry_run {
            return Ok(Outcome::Planned);
        }
        let answer = self.embed(photo.source, &bytes)?;
        if let Some(journal) = self.journal {
            journal.append(&file.digest, &answer);
        }
        Ok(Outcome::Answered { answer, file, resumed: false, left_out })
    }

    /// Whether what is known of the photo still holds when the photo is as it was. That it is unlike the
    /// person's others depends on those, and that its quality is too low on what is asked for.
    fn is_usable(&self, known: &Known<'_>, source: &str) -> bool {
        let rejects = self.options.outliers.is_some_and(|check| check.reject);
        let holds = !known.is_unlike() || rejects && !self.unsure_of.contains(person_of(source));
        holds && !known.is_low_quality() && !self.options.full
    }

    fn embed(&self, source: &str, bytes: &[u8]) -> Result<Answer, EnrolError> {
        let answer = self.embedder.embed(bytes, &self.options.limits.photo);
        let Ok(face) = &answer else { return Ok(answer) };
        let values = face.embedding.values();
        if values.len() != self.identity.dims {
            let reason = format!("its embedding has {} numbers, not {}", values.len(), self.identity.dims);
            return Err(GalleryError::InvalidRow { source_path: source.to_owned(), reason }.into());
        }
        if values.iter().all(|value| value.is_finite()) {
            return Ok(answer);
        }
        let message = "the embedding of its face holds a number that is not finite".to_owned();
        Ok(Err(EnrolRefusal { code: "broken_embedding".into(), message }))
    }
}
