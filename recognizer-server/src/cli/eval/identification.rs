//! `recognizer eval identification`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use facerecog_engine::model::SearchDecision;
use serde::Serialize;

use super::super::decision_options::DecisionOptions;
use super::super::error::CliError;
use super::super::session::Session;
use super::super::{Outcome, table};
use super::embedding::{EmbeddedPhotos, EmbeddingOptions};
use super::percent;
use super::report::{PICTURES, ReportOptions, RocNames, common_notes, distance_histogram, picture, roc_charts};
use crate::eval::bootstrap::Rate;
use crate::eval::identification::{
    DecidedRates, Nearest, OpenSet, Person, Search, Template, decided, person_templates, rank_one, search_all, worst,
};
use crate::eval::report::{Mark, PictureRow, Report, Table, share, with_interval};
use crate::eval::{PersonListError, PersonPhoto, Role, read_people};

/// Who is it, of many: rank-1, and names given at a bound on strangers that get one
///
/// The list is a CSV file with the columns role,person,image and, if wanted, group; role is gallery or probe. Every probe
/// is searched for among all photos of the gallery, and a person is as near as the nearest photo, or with --templates as
/// near as the mean of the embeddings of all. Probes whose person is in the gallery measure misses, all others false
/// matches: they are strangers. Of a photo the face nearest its centre counts; a probe without a face finds nobody, a
/// gallery photo without one makes nobody known.
///
/// dir_at_far is the detection and identification rate of NIST's FRVT 1:N: the share of probes of known people that are
/// nearest to themselves and within the threshold under which that share of strangers is taken for somebody.
/// false_match_rate and miss_rate are those of the decision: the pack's, or --fmr, or --threshold;
/// stated_false_match_rate is what the decision promises for this gallery, 1 - (1 - FMR)^photos.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  recognizer eval identification list.csv --root photos --html report.html

  head -3 list.csv
      role,person,image
      gallery,Ada Lovelace,ada/1.jpg
      probe,Ada Lovelace,ada/2.jpg")]
pub(super) struct Identification {
    /// List of photos
    #[arg(value_name = "LIST.csv")]
    list: PathBuf,
    /// Folder that the list's paths are relative to [default: the folder of the list]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Compare probes with the template of each person, the mean of the embeddings of all their photos
    #[arg(long)]
    templates: bool,
    #[command(flatten)]
    decision: DecisionOptions,
    #[command(flatten)]
    report: ReportOptions,
    #[command(flatten)]
    embedding: EmbeddingOptions,
}

/// Bounds on strangers taken for somebody, and their names.
const FALSE_ALARMS: [(&str, f64); 2] = [("1e-2", 1e-2), ("1e-3", 1e-3)];

#[derive(Debug, Serialize)]
struct IdentificationRecord {
    /// Photos of the gallery.
    gallery: usize,
    probes: usize,
    rank1: Option<f64>,
    dir_at_far: BTreeMap<&'static str, Option<f64>>,
    false_match_rate: Option<Rate>,
    stated_false_match_rate: Option<f64>,
    miss_rate: Option<Rate>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<GroupRecord>,
}

#[derive(Debug, Serialize)]
struct GroupRecord {
    group: String,
    probes: usize,
    false_match_rate: Option<Rate>,
    miss_rate: Option<Rate>,
}

impl From<PersonListError> for CliError {
    fn from(error: PersonListError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl Identification {
    pub(super) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        let list = read_people(&self.list)?;
        let root = self.root.as_deref().or(self.list.parent()).unwrap_or(Path::new(""));
        let photos = self.embedding.embed_all(session, root, list.iter().map(|photo| photo.image.as_path()))?;
        let (gallery, probes) = (templates(&list, &photos, Role::Gallery), templates(&list, &photos, Role::Probe));
        let people = self.templates.then(|| person_templates(&gallery));
        let people: Option<Vec<Template<'_>>> =
            people.as_ref().map(|people| people.iter().map(Person::template).collect());
        let searches = search_all(people.as_ref().unwrap_or(&gallery), &probes);
        let enrolled = gallery.iter().filter(|known| known.embedding.is_some()).count();
        let decision = self.decision.for_search(photos.recognizer.pack(), enrolled)?;

        let open_set = OpenSet::new(&searches);
        let rates = decided(searches.iter(), decision.threshold);
        let dir: Vec<(&str, Option<Rate>)> = FALSE_ALARMS
            .iter()
            .map(|&(name, far)| (name, open_set.as_ref().map(|open| open.detection_and_identification(far))))
            .collect();
        let rank1 = rank_one(&searches);
        let record = IdentificationRecord {
            gallery: gallery.len(),
            probes: probes.len(),
            rank1: rank1.map(|rate| rate.mean),
            dir_at_far: dir.iter().map(|&(name, rate)| (name, rate.map(|rate| rate.mean))).collect(),
            false_match_rate: rates.false_matches,
            stated_false_match_rate: decision.false_match_rate,
            miss_rate: rates.misses,
            groups: groups(&list, &searches, decision.threshold),
        };
        let detail = Detail { pack: &session.pack_name, enrolled, rank1, dir, decision, searches: &searches };
        self.report.write(|| report(&record, &detail, open_set.as_ref(), &list, &photos, root))?;
        session.output.answer(&record, || describe(&record, &detail))?;
        Ok(Outcome::Complete)
    }
}

/// What the text says beside the record.
struct Detail<'a> {
    pack: &'a str,
    enrolled: usize,
    rank1: Option<Rate>,
    dir: Vec<(&'static str, Option<Rate>)>,
    decision: SearchDecision,
    searches: &'a [Search<'a>],
}

fn templates<'a>(list: &'a [PersonPhoto], photos: &'a EmbeddedPhotos, role: Role) -> Vec<Template<'a>> {
    list.iter()
        .enumerate()
        .filter(|(_, photo)| photo.role == role)
        .map(|(index, photo)| {
            let embedded = photos.get(&photo.image);
            let embedding = embedded.face.is_some().then_some(embedded.embedding.as_slice());
            Template { photo: index, person: &photo.person, embedding }
        })
        .collect()
}

/// The rates of every group that is named, by name.
fn groups(list: &[PersonPhoto], searches: &[Search<'_>], threshold: f32) -> Vec<GroupRecord> {
    let mut by_group: BTreeMap<&str, Vec<&Search<'_>>> = BTreeMap::new();
    for search in searches {
        if let Some(group) = list[search.probe.photo].group.as_deref() {
            by_group.entry(group).or_default().push(search);
        }
    }
    by_group
        .into_iter()
        .map(|(group, searches)| {
            let DecidedRates { false_matches, misses } = decided(searches.iter().copied(), threshold);
            let probes = searches.len();
            GroupRecord { group: group.to_owned(), probes, false_match_rate: false_matches, miss_rate: misses }
        })
        .collect()
}

fn describe(record: &IdentificationRecord, detail: &Detail<'_>) -> String {
    let known = detail.searches.iter().filter(|search| search.known).count();
    let rate = |rate: Option<Rate>| match rate {
        Some(Rate { mean, low, high }) => format!("{} ({} to {})", percent(mean), percent(low), percent(high)),
        None => "not measured: no such probes".to_owned(),
    };
    let mut rows = vec![
        ["pack".to_owned(), detail.pack.to_owned()],
        ["gallery".to_owned(), format!("{} photos, {} with a face", record.gallery, detail.enrolled)],
        ["probes".to_owned(), format!("{known} of known people, {} of strangers", record.probes - known)],
        ["rank-1".to_owned(), rate(detail.rank1)],
    ];
    rows.extend(detail.dir.iter().map(|&(name, dir)| [format!("DIR at FAR {name}"), rate(dir)]));
    let stated = detail.decision.false_match_rate.map_or("not measured for this threshold".to_owned(), percent);
    rows.extend([
        ["threshold".to_owned(), format!("{:.4}", detail.decision.threshold)],
        ["strangers given a name".to_owned(), rate(record.false_match_rate)],
        ["  stated".to_owned(), stated],
        ["known people missed".to_owned(), rate(record.miss_rate)],
    ]);
    for group in &record.groups {
        rows.push([format!("group {}", group.group), format!("{} probes", group.probes)]);
        rows.push(["  strangers given a name".to_owned(), rate(group.false_match_rate)]);
        rows.push(["  known people missed".to_owned(), rate(group.miss_rate)]);
    }
    table::table(&rows.into_iter().map(Vec::from).collect::<Vec<_>>())
}

fn report(
    record: &IdentificationRecord,
    detail: &Detail<'_>,
    open_set: Option<&OpenSet>,
    list: &[PersonPhoto],
    photos: &EmbeddedPhotos,
    root: &Path,
) -> Result<Report, CliError> {
    let nearest = |known: bool| {
        let of_kind = detail.searches.iter().filter(|search| search.known == known);
        let distance =
            |search: &Search<'_>| if known { search.own } else { search.other }.map(|n| f64::from(n.distance));
        of_kind.filter_map(distance).collect()
    };
    let kinds = [("known people to themselves", nearest(true)), ("strangers to the nearest", nearest(false))];
    let mut charts = Vec::new();
    if let Some(open_set) = open_set {
        let names = RocNames {
            accepts: "known people named",
            misses: "known people missed",
            false_accepts: "strangers given a name",
        };
        let at = match (record.false_match_rate, record.miss_rate) {
            (Some(matches), Some(misses)) => {
                Some(Mark { x: matches.mean, y: 1.0 - misses.mean, label: "the decision".to_owned() })
            }
            _ => None,
        };
        charts = roc_charts(&[("all probes", &open_set.roc)], &names, at);
    }
    charts.push(distance_histogram("Nearest distances", kinds, Some(f64::from(detail.decision.threshold))));
    let shown = |searches: &[&Search<'_>], known: fn(&Search<'_>) -> Option<Nearest>| {
        let pictures = searches.iter().filter_map(|search| Some((search, known(search)?)));
        let picture = |(search, nearest): (&&Search<'_>, Nearest)| {
            let (probe, found) = (&list[search.probe.photo], &list[nearest.photo]);
            let caption = format!(
                "{:.3}: {} ({}) and {} ({})",
                nearest.distance,
                probe.person,
                probe.image.display(),
                found.person,
                found.image.display()
            );
            picture(photos, root, &[(&probe.image, "the probe"), (&found.image, "the known photo")], caption)
        };
        pictures.map(picture).collect::<Result<Vec<_>, CliError>>()
    };
    let worst = worst(detail.searches, PICTURES);
    let rows = record.groups.iter().map(|group| {
        let (matches, misses) = (with_interval(group.false_match_rate), with_interval(group.miss_rate));
        vec![group.group.clone(), group.probes.to_string(), matches, misses]
    });
    let headings = ["group", "probes", "strangers given a name", "known people missed"].map(str::to_owned).to_vec();
    let table = Table { title: "By group of the probes".to_owned(), headings, rows: rows.collect() };
    let known = detail.searches.iter().filter(|search| search.known).count();
    let mut facts = vec![
        ("Gallery".to_owned(), format!("{} photos, {} with a face", record.gallery, detail.enrolled)),
        ("Probes".to_owned(), format!("{known} of known people, {} of strangers", record.probes - known)),
        ("Rank-1".to_owned(), with_interval(detail.rank1)),
    ];
    facts.extend(detail.dir.iter().map(|&(name, dir)| (format!("DIR at FAR {name}"), with_interval(dir))));
    facts.extend([
        ("Threshold".to_owned(), format!("{:.4}", detail.decision.threshold)),
        ("Strangers given a name".to_owned(), with_interval(record.false_match_rate)),
        ("  as stated".to_owned(), record.stated_false_match_rate.map_or("–".to_owned(), share)),
        ("Known people missed".to_owned(), with_interval(record.miss_rate)),
    ]);
    let mut notes = common_notes();
    notes.push(
        "A stranger is a probe whose person is not in the gallery. Given a name at the decision's threshold, it is a \
         false match; a known person who is not named, or not nearest to themselves, is missed. DIR at FAR is the share \
         of known people who are named at the threshold that gives that share of strangers a name."
            .to_owned(),
    );
    Ok(Report {
        title: "Identification: who is it, of many".to_owned(),
        subtitle: format!("pack {}, precision {}", detail.pack, photos.recognizer.pack().entry().precision.name()),
        facts,
        tables: if table.rows.is_empty() { vec![] } else { vec![table] },
        charts,
        pictures: vec![
            PictureRow {
                title: "Nearest to somebody else".to_owned(),
                explanation: "Distance of the probe (left) to the known photo of another person that is nearest."
                    .to_owned(),
                pictures: shown(&worst.false_matches, |search| search.other)?,
            },
            PictureRow {
                title: "Known people, the farthest from themselves first".to_owned(),
                explanation: "Distance of the probe (left) to the nearest known photo of the same person.".to_owned(),
                pictures: shown(&worst.misses, |search| search.own)?,
            },
        ],
        notes,
    })
}
