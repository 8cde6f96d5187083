//! One claimed photo, from the recognizer to its settled row.

use std::time::Instant;

use super::Processor;
use super::circuit::Leave;
use super::metrics::MessageEnd;
use super::patience::patiently;
use crate::image::{Image, Person, Recognition};
use crate::recognizer::RecognizeError;
use crate::store::StoreError;

/// What to do with the message of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The row is settled: the message is done with.
    Settled(MessageEnd),
    /// It is to come again.
    Returned,
}

/// A photo that is ours.
pub(super) struct Photo<'a> {
    pub(super) processor: &'a Processor,
    pub(super) image: Image,
}

impl Photo<'_> {
    /// Asks the recognizer, and writes what it answers.
    pub(super) async fn settle(&self, leave: Leave) -> Outcome {
        let started = Instant::now();
        let outcome = match self.processor.recognizer.recognize(&self.image.path).await {
            Ok(found) => {
                leave.answered();
                self.processor.suspects.cleared(self.image.id);
                self.write(&found).await
            }
            Err(error @ RecognizeError::Photo { .. }) => {
                leave.answered();
                self.processor.suspects.cleared(self.image.id);
                self.fail(&error.to_string(), None).await
            }
            // A photo that takes for ever and a recognizer that hangs look alike, so both are held to account: the
            // redeemer gives the photo a few tries more.
            Err(error @ RecognizeError::Slow { .. }) => {
                self.service_failed(leave, &error);
                self.fail(&error.to_string(), None).await
            }
            Err(error @ RecognizeError::Service { sent, .. }) => {
                self.service_failed(leave, &error);
                if sent && self.processor.suspects.failed_over(self.image.id) {
                    self.fail("the recognizer failed each time it had this photo", None).await
                } else {
                    self.give_back().await
                }
            }
        };
        match outcome {
            Ok(outcome) => {
                if let Outcome::Settled(_) = outcome {
                    self.processor.metrics.settled(started.elapsed());
                }
                outcome
            }
            Err(error) => {
                tracing::error!(id = %self.image.id, %error, "a photo could not be settled");
                Outcome::Returned
            }
        }
    }

    /// Tells the database that the photo is still being worked on.
    pub(super) async fn extend(&self) {
        if let Err(error) = self.processor.store.extend(&self.image, self.processor.policy.lease).await {
            tracing::warn!(id = %self.image.id, %error, "a lease could not be prolonged");
        }
    }

    async fn write(&self, found: &Recognition) -> Result<Outcome, StoreError> {
        let Some(image_name) = &found.image_name else {
            // The original contract tells of no faces, whether there are any or not.
            let seen = !found.faces.is_empty() || found.width == 0;
            return self.fail(if seen { "nobody known is on it" } else { "no face is on it" }, Some(found)).await;
        };
        match self.person(image_name, found).await? {
            Some(person) => {
                let ours = self.patiently(|| self.store().processed(&self.image, &person, found)).await?;
                Ok(self.written(ours, MessageEnd::Processed))
            }
            None => self.fail(&format!("nobody has the known photo {image_name}"), Some(found)).await,
        }
    }

    /// Who has the known photo. Somebody whom only the recognizer knows is stored when it tells the name.
    async fn person(&self, image_name: &str, found: &Recognition) -> Result<Option<Person>, StoreError> {
        let known = found.faces.iter().filter_map(|face| face.known.as_ref());
        let name = known.filter(|known| known.image_name == image_name).map(|known| known.person.as_str()).next();
        match name.filter(|name| !name.is_empty()) {
            Some(name) => self.patiently(|| self.store().person_or_new(image_name, name)).await.map(Some),
            None => self.patiently(|| self.store().person_of(image_name)).await,
        }
    }

    async fn fail(&self, reason: &str, found: Option<&Recognition>) -> Result<Outcome, StoreError> {
        let ours = self.patiently(|| self.store().failed(&self.image, reason, found)).await?;
        Ok(self.written(ours, MessageEnd::Failed))
    }

    async fn give_back(&self) -> Result<Outcome, StoreError> {
        self.patiently(|| self.store().release(&self.image)).await?;
        Ok(Outcome::Returned)
    }

    fn written(&self, ours: bool, end: MessageEnd) -> Outcome {
        if ours {
            tracing::debug!(id = %self.image.id, attempts = self.image.attempts, ?end, "settled");
            return Outcome::Settled(end);
        }
        tracing::warn!(id = %self.image.id, "a photo was settled by another after its lease had ended");
        Outcome::Settled(MessageEnd::Taken)
    }

    fn service_failed(&self, leave: Leave, error: &RecognizeError) {
        leave.failed();
        self.processor.metrics.recognizer_failed();
        tracing::warn!(id = %self.image.id, %error, "a photo has no answer");
    }

    fn store(&self) -> &crate::store::Store {
        &self.processor.store
    }

    /// A lease is as long as it makes sense to go on: after it the photo is given to another.
    async fn patiently<T, F>(&self, statement: impl FnMut() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        patiently(self.processor.policy.lease, statement).await
    }
}
