//! Photos, people and faces in a database: SQLite for one machine, MySQL or MariaDB as the original system has it.
//!
//! The original's tables `images`, `person` and `person_images` keep their columns: its services work on them beside
//! ours. What ours need besides is in tables of their own (`migrations/`): `image_work` (attempts, lease, reason,
//! time of the next try), `image_faces`, and `outbox` (photos that are stored and not queued yet).

mod error;
mod pages;

use std::time::Duration;

pub use error::StoreError;
pub use pages::{Filter, ImageDetail, ImageSummary, Page, PersonSummary};

use crate::image::{Image, ImageId, Person, Recognition};

/// A database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {}

/// What became of a path that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// Stored, and in the outbox until [`Store::queued`].
    Saved(ImageId),
    /// A photo of that path is there already, or was earlier in the batch.
    AlreadyThere,
}

/// What became of the try to claim a photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is the caller's until the lease ends.
    Claimed(Image),
    /// It is not PENDING: another processor has it, or it is settled.
    Taken,
    /// It is PENDING, but not to be tried before this time has passed.
    NotYet(Duration),
    /// There is no such row.
    Missing,
}

/// When photos that failed, or hang, are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedeemPolicy {
    /// Tries after which a photo stays FAILED.
    pub max_attempts: u32,
    /// Delay after the first failed try; doubled for each further one.
    pub first_delay: Duration,
    /// Longest delay.
    pub longest_delay: Duration,
    /// Age after which a PROCESSING row without a lease (the original's processor takes none) counts as stuck.
    pub stuck_after: Duration,
}

impl Store {
    /// Connects to `url` (`sqlite:FILE`, `mysql://user:password@host:port/database`) and brings the tables up to
    /// date, without touching what the original system made.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let _ = url;
        todo!()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Stores photos as PENDING (person −1), all or none, in the outbox too.
    pub async fn add_images(&self, paths: &[String]) -> Result<Vec<Added>, StoreError> {
        let _ = paths;
        todo!()
    }

    /// Photos that were stored `age` or longer ago and are in the outbox still, oldest first.
    pub async fn unqueued(&self, age: Duration, limit: u32) -> Result<Vec<ImageId>, StoreError> {
        let _ = (age, limit);
        todo!()
    }

    /// Takes photos out of the outbox.
    pub async fn queued(&self, ids: &[ImageId]) -> Result<(), StoreError> {
        let _ = ids;
        todo!()
    }

    /// Makes a PENDING photo the caller's alone, as PROCESSING, for `lease`: one conditional update.
    pub async fn claim(&self, id: ImageId, lease: Duration) -> Result<Claim, StoreError> {
        let _ = (id, lease);
        todo!()
    }

    /// Prolongs the lease of a claimed photo.
    pub async fn extend(&self, image: &Image, lease: Duration) -> Result<(), StoreError> {
        let _ = (image, lease);
        todo!()
    }

    /// Gives a claimed photo back as PENDING, as if it had not been tried: the service failed, not the photo.
    pub async fn release(&self, image: &Image) -> Result<(), StoreError> {
        let _ = image;
        todo!()
    }

    /// Settles a claimed photo as PROCESSED. False when it is not the caller's any more: nothing is changed then.
    pub async fn processed(&self, image: &Image, person: &Person, found: &Recognition) -> Result<bool, StoreError> {
        let _ = (image, person, found);
        todo!()
    }

    /// Settles a claimed photo as FAILED for `reason`, with the faces found if any. False as for
    /// [`Store::processed`].
    pub async fn failed(&self, image: &Image, reason: &str, found: Option<&Recognition>) -> Result<bool, StoreError> {
        let _ = (image, reason, found);
        todo!()
    }

    /// The person whom `person_images` has for the file name of a known photo.
    pub async fn person_of(&self, image_name: &str) -> Result<Option<Person>, StoreError> {
        let _ = image_name;
        todo!()
    }

    /// As [`Store::person_of`]; somebody whom only the recognizer knows is stored, with that known photo.
    pub async fn person_or_new(&self, image_name: &str, name: &str) -> Result<Person, StoreError> {
        let _ = (image_name, name);
        todo!()
    }

    /// Makes FAILED photos PENDING that may be tried again by now, and PROCESSING ones whose lease has ended, at
    /// most `limit`; puts them in the outbox, and gives their ids. PENDING rows that are in no outbox and older
    /// than `policy.stuck_after` are given too: their message may be lost, and claiming makes a second one harmless.
    pub async fn redeem(&self, policy: &RedeemPolicy, limit: u32) -> Result<Vec<ImageId>, StoreError> {
        let _ = (policy, limit);
        todo!()
    }

    /// Makes one FAILED photo PENDING at once, its attempts forgotten, and puts it in the outbox. False when it is
    /// not FAILED.
    pub async fn retry(&self, id: ImageId) -> Result<bool, StoreError> {
        let _ = id;
        todo!()
    }

    /// Photos, newest first.
    pub async fn page(&self, filter: &Filter, page: u32, size: u32) -> Result<Page, StoreError> {
        let _ = (filter, page, size);
        todo!()
    }

    /// One photo with its faces.
    pub async fn image(&self, id: ImageId) -> Result<Option<ImageDetail>, StoreError> {
        let _ = id;
        todo!()
    }

    /// Everybody in `person`, by name.
    pub async fn people(&self) -> Result<Vec<PersonSummary>, StoreError> {
        todo!()
    }

    /// A number that grows with every change of a photo, for live pages.
    pub async fn version(&self) -> Result<u64, StoreError> {
        todo!()
    }
}
