//! People by the mean of their nearest rows.

use std::collections::HashSet;

use super::nearest::{Candidate, Collector, Nearest};
use super::scan::Rows;
use crate::gallery::Gallery;

/// The rows of each person.
#[derive(Debug)]
pub(in crate::gallery) struct PersonRows {
    /// Where in `rows` those of each person begin, and the end.
    starts: Vec<usize>,
    rows: Vec<usize>,
}

impl PersonRows {
    /// Those of a gallery, made when they are first asked for.
    pub(super) fn of_gallery(gallery: &Gallery) -> &Self {
        gallery.person_rows.get_or_init(|| Self::new(gallery))
    }

    /// Goes through the people of all rows once. Rows of nobody, as a damaged file may have, are left out.
    fn new(gallery: &Gallery) -> Self {
        let people = gallery.person_count();
        let person_of = |row| Some(gallery.person_of_row(row)).filter(|person| *person < people);
        let mut starts = vec![0; people + 1];
        for person in (0..gallery.rows()).filter_map(person_of) {
            starts[person + 1] += 1;
        }
        for person in 0..people {
            starts[person + 1] += starts[person];
        }
        let mut rows = vec![0; starts[people]];
        let mut next = starts.clone();
        for row in 0..gallery.rows() {
            if let Some(person) = person_of(row) {
                rows[next[person]] = row;
                next[person] += 1;
            }
        }
        Self { starts, rows }
    }

    /// Nothing for somebody who is not there.
    pub(super) fn of(&self, person: usize) -> &[usize] {
        match (self.starts.get(person), self.starts.get(person + 1)) {
            (Some(start), Some(end)) => &self.rows[*start..*end],
            _ => &[],
        }
    }
}

/// The people with a row that is not farther away than a limit.
struct PeopleWithin<'a> {
    limit: f32,
    gallery: &'a Gallery,
    people: HashSet<usize>,
}

impl Collector for PeopleWithin<'_> {
    fn limit(&self) -> f32 {
        self.limit
    }

    fn offer(&mut self, row: usize, _: f32) {
        self.people.insert(self.gallery.person_of_row(row));
    }

    fn merge(mut self, other: Self) -> Self {
        self.people.extend(other.people);
        self
    }
}

/// The `k` people whose `rows_each` nearest rows have the lowest mean distance, for each probe: that mean, and the
/// nearest row. `k` is at least 1.
///
/// The mean of a person's nearest distances is not below the lowest of them. The people with the `k` lowest distances
/// are found first; the highest of their means, M, is a limit: somebody without a row within M has a mean above it and
/// is not among the `k` best. The means of all others are computed.
pub(super) fn by_mean(
    gallery: &Gallery,
    rows: &Rows<'_>,
    probes: &[&[f32]],
    k: usize,
    rows_each: usize,
) -> Vec<Vec<Candidate>> {
    let of_person = PersonRows::of_gallery(gallery);
    let mean = |probe: &[f32], person: usize| {
        let mut nearest: Vec<Candidate> = of_person
            .of(person)
            .iter()
            .map(|row| Candidate { row: *row, distance: rows.distance(probe, *row) })
            .filter(|candidate| !candidate.distance.is_nan())
            .collect();
        nearest.sort_unstable();
        nearest.truncate(rows_each);
        let sum: f64 = nearest.iter().map(|candidate| f64::from(candidate.distance)).sum();
        let distance = (sum / nearest.len() as f64) as f32;
        nearest.first().map(|best| Candidate { distance, row: best.row })
    };

    let person_of = |row| gallery.person_of_row(row);
    let first = rows.collect(probes, |_| Nearest::new(k, &person_of));
    let limits: Vec<f32> = probes
        .iter()
        .zip(first)
        .map(|(probe, first)| {
            let means: Vec<f32> = first
                .into_ranked()
                .filter_map(|best| mean(probe, person_of(best.row)))
                .map(|candidate| candidate.distance)
                .collect();
            if means.len() < k { f32::INFINITY } else { means.into_iter().fold(0.0, f32::max) }
        })
        .collect();

    let within = rows.collect(probes, |place| PeopleWithin { limit: limits[place], gallery, people: HashSet::new() });
    let ranked = |(probe, within): (&&[f32], PeopleWithin<'_>)| {
        let mut means: Vec<Candidate> = within.people.into_iter().filter_map(|person| mean(probe, person)).collect();
        means.sort_unstable();
        means.truncate(k);
        means
    };
    probes.iter().zip(within).map(ranked).collect()
}
