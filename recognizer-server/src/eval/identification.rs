//! Searches for people among known people, and how they end: closed set (whoever is searched for is known) and open set
//! (nobody is), as in NIST's FRVT 1:N.

use std::collections::{BTreeMap, BTreeSet};

use facerecog_engine::embed::{distance, template};
use rayon::prelude::*;

use super::bootstrap::{Count, Interval, Rate, certain, percentiles, rate, replicate};
use super::roc::{Roc, Scored};

/// A known photo, or one that is searched for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Template<'a> {
    /// Its place in the list.
    pub(crate) photo: usize,
    pub(crate) person: &'a str,
    /// None when no face was found: a known photo without one is not known, and one that is searched for finds nobody.
    pub(crate) embedding: Option<&'a [f32]>,
}

/// A known photo that is near.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Nearest {
    /// Its place in the list.
    pub(crate) photo: usize,
    pub(crate) distance: f32,
}

/// What a search found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search<'a> {
    pub(crate) probe: Template<'a>,
    /// Whether the list has the person in the gallery, with a face or without.
    pub(crate) known: bool,
    /// The nearest photo of the same person.
    pub(crate) own: Option<Nearest>,
    /// The nearest photo of anybody else.
    pub(crate) other: Option<Nearest>,
}

impl Search<'_> {
    /// Whether the person searched for is the nearest. A tie is not: the answer would be either.
    fn is_rank_one(&self) -> bool {
        self.own.is_some_and(|own| self.other.is_none_or(|other| own.distance < other.distance))
    }

    /// Whether somebody who is known was named, by a threshold.
    fn hits(&self, threshold: f32) -> bool {
        self.is_rank_one() && self.own.is_some_and(|own| own.distance < threshold)
    }

    /// Whether anybody else comes under a threshold.
    fn matches_other(&self, threshold: f32) -> bool {
        self.other.is_some_and(|other| other.distance < threshold)
    }

    /// The distance at which a threshold begins to name the person rightly, or a stranger wrongly.
    fn scored(&self) -> Scored {
        let nearest = match self.known {
            true => self.own.filter(|_| self.is_rank_one()),
            false => self.other,
        };
        Scored { same: self.known, distance: nearest.map_or(f64::INFINITY, |nearest| f64::from(nearest.distance)) }
    }
}

/// Somebody who is known by the [`template`] of all photos.
#[derive(Debug)]
pub(crate) struct Person<'a> {
    /// The first of the photos.
    first: Template<'a>,
    /// None when no face was found on any.
    embedding: Option<Vec<f32>>,
}

impl Person<'_> {
    pub(crate) fn template(&self) -> Template<'_> {
        Template { embedding: self.embedding.as_deref(), ..self.first }
    }
}

/// The people of a gallery.
pub(crate) fn person_templates<'a>(gallery: &[Template<'a>]) -> Vec<Person<'a>> {
    let mut people: BTreeMap<&str, Vec<Template<'a>>> = BTreeMap::new();
    gallery.iter().for_each(|known| people.entry(known.person).or_default().push(*known));
    let person = |photos: Vec<Template<'a>>| {
        let embeddings = || photos.iter().filter_map(|photo| photo.embedding);
        Person { first: photos[0], embedding: embeddings().next().is_some().then(|| template(embeddings())) }
    };
    people.into_values().map(person).collect()
}

/// Compares every probe with every known photo. A person is as near as the nearest of the photos.
pub(crate) fn search_all<'a>(gallery: &[Template<'a>], probes: &[Template<'a>]) -> Vec<Search<'a>> {
    let search = |&probe: &Template<'a>| {
        let mut search = Search { probe, known: false, own: None, other: None };
        for known in gallery {
            let is_own = known.person == probe.person;
            search.known |= is_own;
            let (Some(a), Some(b)) = (probe.embedding, known.embedding) else { continue };
            let nearest = if is_own { &mut search.own } else { &mut search.other };
            let distance = distance(a, b);
            if nearest.is_none_or(|nearest| distance < nearest.distance) {
                *nearest = Some(Nearest { photo: known.photo, distance });
            }
        }
        search
    };
    probes.par_iter().map(search).collect()
}

/// How searches end at one threshold; `None` where nobody of that kind is searched for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DecidedRates {
    /// Of searches for people who are not known: how many end with a name.
    pub(crate) false_matches: Option<Rate>,
    /// Of searches for people who are known: how many do not end with their name.
    pub(crate) misses: Option<Rate>,
}

/// The rates at a threshold.
pub(crate) fn decided<'a>(searches: impl Iterator<Item = &'a Search<'a>> + Clone, threshold: f32) -> DecidedRates {
    let strangers = searches.clone().filter(|search| !search.known);
    let known = searches.filter(|search| search.known);
    DecidedRates {
        false_matches: rate(&by_person(strangers, |search| search.matches_other(threshold))),
        misses: rate(&by_person(known, |search| !search.hits(threshold))),
    }
}

/// The share of known people who are nearest to themselves, whatever the distance.
pub(crate) fn rank_one(searches: &[Search<'_>]) -> Option<Rate> {
    rate(&by_person(searches.iter().filter(|search| search.known), Search::is_rank_one))
}

fn by_person<'a>(searches: impl Iterator<Item = &'a Search<'a>>, happened: impl Fn(&Search<'a>) -> bool) -> Vec<Count> {
    let mut people: BTreeMap<&str, Count> = BTreeMap::new();
    for search in searches {
        *people.entry(search.probe.person).or_default() += Count::of(happened(search));
    }
    people.into_values().collect()
}

/// Detection and identification rate over false alarms: the share of known people who are nearest to themselves and
/// within a threshold, and the share of strangers who are within it of anybody. `None` when either kind is missing.
#[derive(Debug)]
pub(crate) struct OpenSet {
    /// By distance.
    scored: Vec<Scored>,
    /// The person of each.
    people: Vec<usize>,
    people_count: usize,
    pub(crate) roc: Roc,
}

impl OpenSet {
    pub(crate) fn new(searches: &[Search<'_>]) -> Option<Self> {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut scored: Vec<(Scored, usize)> = searches
            .iter()
            .map(|search| {
                let next = places.len();
                (search.scored(), *places.entry(search.probe.person).or_insert(next))
            })
            .collect();
        scored.sort_by(|(a, _), (b, _)| a.distance.total_cmp(&b.distance));
        let (scored, people): (Vec<Scored>, Vec<usize>) = scored.into_iter().unzip();
        let roc = Roc::weighted(&scored, |_| 1.0)?;
        Some(Self { scored, people, people_count: places.len(), roc })
    }

    /// The rate at the most lenient threshold under which at most the share `far` of strangers is taken for somebody.
    pub(crate) fn detection_and_identification(&self, far: f64) -> Rate {
        let mean = self.roc.true_accepts_at(far);
        let known = self.scored.iter().zip(&self.people).filter(|(scored, _)| scored.same).map(|(_, &person)| person);
        if let Some(rate) = certain(mean, known.collect::<BTreeSet<usize>>().len()) {
            return rate;
        }
        let values = replicate(self.people_count, |weights| {
            let roc = Roc::weighted(&self.scored, |index| f64::from(weights[self.people[index]]))?;
            Some(roc.true_accepts_at(far))
        });
        let Interval { low, high } = percentiles(values).unwrap_or(Interval { low: mean, high: mean });
        Rate { mean, low, high }
    }
}

/// The searches that went most wrong.
#[derive(Debug)]
pub(crate) struct Worst<'s, 'a> {
    /// Strangers and known people, nearest to somebody else first.
    pub(crate) false_matches: Vec<&'s Search<'a>>,
    /// Known people, farthest from themselves first.
    pub(crate) misses: Vec<&'s Search<'a>>,
}

/// The `count` worst of each kind, errors or not.
pub(crate) fn worst<'s, 'a>(searches: &'s [Search<'a>], count: usize) -> Worst<'s, 'a> {
    let ranked = |kept: fn(&Search<'_>) -> Option<f32>| {
        let mut ranked: Vec<(f32, &Search<'a>)> =
            searches.iter().filter_map(|search| Some((kept(search)?, search))).collect();
        ranked.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        ranked.into_iter().take(count).map(|(_, search)| search).collect()
    };
    Worst {
        false_matches: ranked(|search| search.other.filter(|_| !search.is_rank_one()).map(|other| other.distance)),
        misses: ranked(|search| search.own.map(|own| -own.distance)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known<'a>(photo: usize, person: &'a str, embedding: &'a [f32]) -> Template<'a> {
        Template { photo, person, embedding: Some(embedding) }
    }

    #[test]
    fn a_person_is_as_near_as_the_nearest_photo() {
        let gallery = [known(0, "ada", &[0.0]), known(1, "ada", &[1.0]), known(2, "bo", &[3.0])];
        let probes = [known(3, "ada", &[1.25]), known(4, "cy", &[2.5]), known(5, "bo", &[1.5])];
        let searches = search_all(&gallery, &probes);
        assert_eq!(searches[0].own, Some(Nearest { photo: 1, distance: 0.25 }));
        assert_eq!(searches[0].other, Some(Nearest { photo: 2, distance: 1.75 }));
        assert!(searches[0].known && !searches[1].known);
        assert_eq!(searches[1].other, Some(Nearest { photo: 2, distance: 0.5 }));
        // Bo is nearer to Ada.
        assert_eq!(rank_one(&searches).unwrap().mean, 0.5);
        let rates = decided(searches.iter(), 1.6);
        assert_eq!((rates.false_matches.unwrap().mean, rates.misses.unwrap().mean), (1.0, 0.5));
        let strict = decided(searches.iter(), 0.4);
        assert_eq!((strict.false_matches.unwrap().mean, strict.misses.unwrap().mean), (0.0, 0.5));
        let worst = worst(&searches, 5);
        let photos = |searches: &[&Search<'_>]| searches.iter().map(|search| search.probe.photo).collect::<Vec<_>>();
        assert_eq!((photos(&worst.false_matches), photos(&worst.misses)), (vec![4, 5], vec![5, 3]));
    }

    #[test]
    fn a_person_is_as_near_as_the_template_of_all_photos() {
        let gallery = [known(0, "bo", &[0.0, 2.0]), known(1, "ada", &[1.0, 0.0]), known(2, "ada", &[3.0, 0.0])];
        let people = person_templates(&gallery);
        let templates: Vec<Template<'_>> = people.iter().map(Person::template).collect();
        let probe = known(3, "ada", &[2.5, 0.0]);
        let search = search_all(&templates, &[probe])[0];
        assert_eq!(search.own, Some(Nearest { photo: 1, distance: 0.5 }));
        assert_eq!(search.other.unwrap().photo, 0);
    }

    #[test]
    fn a_photo_without_a_face_is_a_miss_and_no_false_match() {
        let faceless = |photo, person| Template { photo, person, embedding: None };
        let gallery = [known(0, "ada", &[0.0]), faceless(1, "bo")];
        let probes = [faceless(2, "ada"), known(3, "bo", &[5.0]), faceless(4, "cy")];
        let searches = search_all(&gallery, &probes);
        assert_eq!(searches.iter().map(|search| search.known).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(rank_one(&searches).unwrap().mean, 0.0);
        let rates = decided(searches.iter(), 1.0);
        assert_eq!((rates.false_matches.unwrap().mean, rates.misses.unwrap().mean), (0.0, 1.0));
    }

    #[test]
    fn equally_near_is_not_first() {
        let gallery = [known(0, "ada", &[0.0]), known(1, "bo", &[2.0])];
        let searches = search_all(&gallery, &[known(2, "ada", &[1.0])]);
        assert_eq!(rank_one(&searches).unwrap().mean, 0.0);
        assert!(OpenSet::new(&searches).is_none());
    }
}
