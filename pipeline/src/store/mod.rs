//! Photos, people and faces in a database: SQLite for one machine, MySQL or MariaDB as the original system has it.
//!
//! The original's tables `images`, `person` and `person_images` keep their columns: its services work on them beside
//! ours. What ours need besides is in tables of their own (`migrations/`): `image_work` (attempts, lease, reason,
//! time of the next try), `image_faces`, and `outbox` (photos that are stored and not queued yet).

mod claim;
mod connect;
mod dialect;
mod error;
mod face;
mod incoming;
mod listing;
mod pages;
mod people;
mod redeem;
mod settle;
mod version;

use std::sync::Arc;
use std::time::Duration;

pub use error::StoreError;
pub use pages::{Filter, ImageDetail, ImageSummary, Page, PersonSummary};

use self::connect::Database;
use self::version::Version;
use crate::image::{Image, ImageId};

/// A database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    version: Arc<Version>,
}

/// What became of a path that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// Stored, and in the outbox until [`Store::queued`].
    Saved(ImageId),
    /// A photo of that path is there already, or was earlier in the batch.
    AlreadyThere,
}

impl Added {
    /// The id, when it was stored.
    pub fn saved(self) -> Option<ImageId> {
        match self {
            Self::Saved(id) => Some(id),
            Self::AlreadyThere => None,
        }
    }
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

/// The key as the database has it; -1, which no row has, for a number that no key can be.
fn key(id: ImageId) -> i64 {
    i64::try_from(id.0).unwrap_or(-1)
}

/// The id of a row.
fn id_of(key: i64) -> ImageId {
    ImageId(u64::try_from(key).unwrap_or_default())
}

/// Milliseconds; at most 35,000 years, so that sums with the time fit.
fn milliseconds(duration: Duration) -> i64 {
    const LONGEST: u128 = 1 << 50;
    duration.as_millis().min(LONGEST) as i64
}
