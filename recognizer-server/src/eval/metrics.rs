//! Accuracy of scored pairs over folds.
//!
//! A pair is accepted as one person when its distance lies under a threshold.

use std::collections::BTreeSet;

use super::roc::{Roc, Scored};

/// A pair whose photos have been compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ScoredPair {
    /// Part of the list it belongs to.
    pub(crate) fold: u32,
    /// Whether it shows one person.
    pub(crate) same: bool,
    /// Distance of the embeddings, ≥ 0.
    pub(crate) distance: f64,
}

/// Accuracy over the folds, each tested at the threshold that is best on all others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoldAccuracy {
    /// Mean share of right answers, 0…1.
    pub(crate) mean: f64,
    /// Standard deviation over the folds (of the population, as numpy's `std`).
    pub(crate) std: f64,
    /// Mean of the thresholds, a distance.
    pub(crate) threshold: f64,
    /// Whether each pair was answered rightly, in their order.
    pub(crate) right: Vec<bool>,
}

/// Why pairs allow no measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MetricsError {
    /// A threshold can only be chosen with both kinds.
    #[error("the pairs must show some people twice and some different people: {same} same, {different} different")]
    OneKind { same: usize, different: usize },
    /// A threshold must be chosen on other pairs than it is tested on.
    #[error("the pairs must belong to at least two folds")]
    OneFold,
}

/// The standard protocol: the threshold is chosen on all folds but one and tested on that one.
pub(crate) fn fold_accuracy(pairs: &[ScoredPair]) -> Result<FoldAccuracy, MetricsError> {
    roc(pairs)?;
    let folds: BTreeSet<u32> = pairs.iter().map(|pair| pair.fold).collect();
    if folds.len() < 2 {
        return Err(MetricsError::OneFold);
    }
    let mut answers = vec![false; pairs.len()];
    let results: Vec<(f64, f64)> = folds
        .iter()
        .map(|&fold| {
            let threshold = best_threshold(pairs.iter().copied().filter(|pair| pair.fold != fold).collect());
            let (mut right, mut tested) = (0, 0);
            for (pair, answer) in pairs.iter().zip(&mut answers).filter(|(pair, _)| pair.fold == fold) {
                *answer = (pair.distance < threshold) == pair.same;
                right += u32::from(*answer);
                tested += 1;
            }
            (f64::from(right) / f64::from(tested), threshold)
        })
        .collect();
    let count = results.len() as f64;
    let mean = results.iter().map(|(accuracy, _)| accuracy).sum::<f64>() / count;
    let variance = results.iter().map(|(accuracy, _)| (accuracy - mean).powi(2)).sum::<f64>() / count;
    let threshold = results.iter().map(|(_, threshold)| threshold).sum::<f64>() / count;
    Ok(FoldAccuracy { mean, std: variance.sqrt(), threshold, right: answers })
}

/// The threshold with the most right answers. Only the gaps between neighbouring distances differ; of
/// several equally good gaps it is the middle of the middle one.
fn best_threshold(mut pairs: Vec<ScoredPair>) -> f64 {
    pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    let mut best: Vec<f64> = Vec::new();
    let mut best_right = i64::MIN;
    // Right answers when the first `index + 1` pairs are accepted, up to a constant.
    let mut right = 0;
    for (index, pair) in pairs.iter().enumerate() {
        right += if pair.same { 1 } else { -1 };
        let next = pairs.get(index + 1).map_or(pair.distance + 1.0, |next| next.distance);
        if next <= pair.distance || right < best_right {
            continue;
        }
        if right > best_right {
            best_right = right;
            best.clear();
        }
        best.push((pair.distance + next) / 2.0);
    }
    // Accepting nothing is also an answer, and better than accepting more wrong than right.
    if best_right < 0 {
        return 0.0;
    }
    best.get(best.len() / 2).copied().unwrap_or(0.0)
}

/// The rates over all pairs, whatever their folds.
pub(crate) fn roc(pairs: &[ScoredPair]) -> Result<Roc, MetricsError> {
    let scored = pairs.iter().map(|pair| Scored { same: pair.same, distance: pair.distance }).collect();
    Roc::new(scored).ok_or_else(|| one_kind(pairs))
}

fn one_kind(pairs: &[ScoredPair]) -> MetricsError {
    let same = pairs.iter().filter(|pair| pair.same).count();
    MetricsError::OneKind { same, different: pairs.len() - same }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 600 pairs in ten folds from integer arithmetic that numpy repeats exactly; rounded to three
    /// places, so that distances tie.
    fn pairs() -> Vec<ScoredPair> {
        (0..600u64)
            .map(|i| {
                let hash = (i * 2_654_435_761 + 12_345) % (1 << 32);
                let unit = ((hash >> 8) % 10_007) as f64 / 10_007.0;
                let same = i % 2 == 0;
                let distance = if same { 0.2 + 0.5 * unit } else { 0.5 + 0.6 * unit };
                ScoredPair { fold: ((i / 2) % 10) as u32, same, distance: (distance * 1000.0).round() / 1000.0 }
            })
            .collect()
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    // The expected values of the next three tests come from numpy (every threshold tried on every fold),
    // scikit-learn's roc_curve(drop_intermediate=False) and scipy's brentq on 1 - x - tpr(x), over the
    // same 600 pairs.

    #[test]
    fn accuracy_agrees_with_numpy() {
        let accuracy = fold_accuracy(&pairs()).unwrap();
        close(accuracy.mean, 0.826_666_666_666_666_8);
        close(accuracy.std, 0.02);
        close(accuracy.threshold, 0.6983);
    }

    #[test]
    fn true_accepts_agree_with_scikit_learn() {
        for (far, expected) in [(1e-1, 0.71), (1e-2, 0.6), (1e-3, 0.59)] {
            close(roc(&pairs()).unwrap().true_accepts_at(far), expected);
        }
    }

    #[test]
    fn equal_error_rate_agrees_with_scikit_learn() {
        close(roc(&pairs()).unwrap().equal_error_rate(), 0.186_666_666_666_666_68);
    }

    #[test]
    fn the_threshold_is_not_chosen_on_the_tested_fold() {
        // In fold 0 people are far apart, in fold 1 near: each fold's own threshold would be perfect.
        let pair = |fold, same, distance| ScoredPair { fold, same, distance };
        let pairs = [pair(0, true, 1.0), pair(0, false, 2.0), pair(1, true, 0.1), pair(1, false, 0.2)];
        close(fold_accuracy(&pairs).unwrap().mean, 0.5);
    }

    #[test]
    fn perfectly_told_apart() {
        let pair = |fold, same, distance| ScoredPair { fold, same, distance };
        let pairs = [pair(0, true, 0.1), pair(0, false, 0.9), pair(1, true, 0.2), pair(1, false, 0.8)];
        let accuracy = fold_accuracy(&pairs).unwrap();
        close(accuracy.mean, 1.0);
        close(accuracy.std, 0.0);
        let roc = roc(&pairs).unwrap();
        close(roc.equal_error_rate(), 0.0);
        close(roc.true_accepts_at(1e-3), 1.0);
    }

    #[test]
    fn pairs_of_one_kind_or_one_fold_measure_nothing() {
        let pair = |same| ScoredPair { fold: 0, same, distance: 0.5 };
        let only_same = [pair(true)];
        assert_eq!(fold_accuracy(&only_same), Err(MetricsError::OneKind { same: 1, different: 0 }));
        assert_eq!(roc(&only_same), Err(MetricsError::OneKind { same: 1, different: 0 }));
        assert_eq!(fold_accuracy(&[pair(true), pair(false)]), Err(MetricsError::OneFold));
    }
}
