//! How well a pack tells people apart: the standard verification protocol on pairs of photos.

mod metrics;
mod pairs;

pub(crate) use metrics::{FoldAccuracy, MetricsError, ScoredPair, equal_error_rate, fold_accuracy, tar_at_far};
pub(crate) use pairs::{Pair, PairsError, read_pairs};
