//! How well a pack finds faces, tells people apart and finds them among many, with confidence intervals.

pub(crate) mod bootstrap;
pub(crate) mod calibration;
mod csv_list;
pub(crate) mod detection;
pub(crate) mod error_reject;
pub(crate) mod identification;
mod logistic;
pub(crate) mod manifest_entry;
mod metrics;
mod pairs;
mod person_list;
pub(crate) mod report;
pub(crate) mod roc;
mod tail;

pub(crate) use detection::{BoxesError, read_boxes};
pub(crate) use metrics::{FoldAccuracy, MetricsError, ScoredPair, fold_accuracy, roc};
pub(crate) use pairs::{Pair, PairsError, people_of, read_pairs};
pub(crate) use person_list::{PersonListError, PersonPhoto, Role, read_people};
