//! What a search keeps of the rows it has seen.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

/// Takes the rows of a search in any order.
pub(super) trait Collector: Send {
    /// Rows farther away than this need not be offered. Never rises.
    fn limit(&self) -> f32;

    /// Takes a row whose distance is a number.
    fn offer(&mut self, row: usize, distance: f32);

    /// What one collector would hold that had been offered the rows of both.
    fn merge(self, other: Self) -> Self;
}

/// A row that may be among the nearest. Sorts by distance, then by row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) distance: f32,
    pub(super) row: usize,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.row.cmp(&other.row))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

/// The best candidate of each of the `k` best groups seen so far. A group that falls out comes back
/// only with a better candidate than all it ever had, since the limit never rises: nothing about
/// it needs to be remembered.
pub(super) struct Nearest<'a, G> {
    k: usize,
    group_of: &'a G,
    ranked: BTreeSet<Candidate>,
    best_of_group: HashMap<usize, Candidate>,
}

impl<'a, G: Fn(usize) -> usize> Nearest<'a, G> {
    /// `k` is at least 1.
    pub(super) fn new(k: usize, group_of: &'a G) -> Self {
        Self { k, group_of, ranked: BTreeSet::new(), best_of_group: HashMap::new() }
    }

    /// Those that are left, the nearest first.
    pub(super) fn into_ranked(self) -> impl Iterator<Item = Candidate> {
        self.ranked.into_iter()
    }

    fn take(&mut self, candidate: Candidate) {
        let group = (self.group_of)(candidate.row);
        let replaced = match self.best_of_group.get(&group) {
            Some(best) => Some(*best),
            None if self.ranked.len() < self.k => None,
            None => self.ranked.last().copied(),
        };
        if let Some(replaced) = replaced {
            if replaced <= candidate {
                return;
            }
            self.ranked.remove(&replaced);
            self.best_of_group.remove(&(self.group_of)(replaced.row));
        }
        self.ranked.insert(candidate);
        self.best_of_group.insert(group, candidate);
    }
}

impl<G: Fn(usize) -> usize + Sync> Collector for Nearest<'_, G> {
    fn limit(&self) -> f32 {
        match self.ranked.last() {
            Some(worst) if self.ranked.len() == self.k => worst.distance,
            _ => f32::INFINITY,
        }
    }

    fn offer(&mut self, row: usize, distance: f32) {
        self.take(Candidate { distance, row });
    }

    fn merge(mut self, other: Self) -> Self {
        for candidate in other.ranked {
            self.take(candidate);
        }
        self
    }
}
