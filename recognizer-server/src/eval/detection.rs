//! Faces found against faces labelled.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use facerecog_engine::BoundingBox;
use serde::Deserialize;

use super::bootstrap::{Count, Interval, Rate, certain, percentiles, replicate};
use super::csv_list::read_lines;

/// Share of their union that two boxes of one face have in common, as in PASCAL VOC and WIDER FACE.
pub(crate) const LEAST_OVERLAP: f32 = 0.5;

/// A photo and its faces.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LabelledPhoto {
    /// Relative to the root folder.
    pub(crate) image: PathBuf,
    /// None for a photo that shows no face.
    pub(crate) faces: Vec<BoundingBox>,
    /// What results are told apart by.
    pub(crate) group: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    image: PathBuf,
    x: Option<f32>,
    y: Option<f32>,
    width: Option<f32>,
    height: Option<f32>,
    #[serde(default)]
    group: Option<String>,
}

/// Why a list of boxes could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BoxesError {
    /// The file cannot be opened, or a line is no box.
    #[error(
        "{}: {reason}; the columns are image,x,y,width,height and, if wanted, group; a photo without a face has a line \
         without numbers", .path.display()
    )]
    Unreadable { path: PathBuf, reason: String },
}

/// The photos of a list of boxes, in the order in which they are first named: a line a face, or one line without
/// numbers for a photo that shows none.
pub(crate) fn read_boxes(path: &Path) -> Result<Vec<LabelledPhoto>, BoxesError> {
    let unreadable = |reason: String| BoxesError::Unreadable { path: path.to_owned(), reason };
    let mut photos: Vec<LabelledPhoto> = Vec::new();
    let mut places: HashMap<PathBuf, usize> = HashMap::new();
    for row in read_lines(path).map_err(unreadable)? {
        let Row { image, x, y, width, height, group } = row.map_err(unreadable)?;
        let wrong = |what: &str| unreadable(format!("{}: {what}", image.display()));
        let face = match (x, y, width, height) {
            (None, None, None, None) => None,
            (Some(x), Some(y), Some(width), Some(height))
                if x.is_finite() && y.is_finite() && width > 0.0 && height > 0.0 =>
            {
                Some(BoundingBox::new(x, y, width, height))
            }
            _ => return Err(wrong("a box takes x, y, and a width and height above 0")),
        };
        let known = places.get(&image).copied();
        let place = known.unwrap_or(photos.len());
        if known.is_none() {
            places.insert(image.clone(), place);
            photos.push(LabelledPhoto { image, faces: face.into_iter().collect(), group });
        } else if let (Some(face), false) = (face, photos[place].faces.is_empty()) {
            photos[place].faces.push(face);
        } else {
            return Err(wrong("a line says that it shows no face, and another line is of it, too"));
        }
    }
    if photos.is_empty() {
        return Err(unreadable("it names no photo".to_owned()));
    }
    Ok(photos)
}

/// A face that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    pub(crate) score: f32,
    pub(crate) bbox: BoundingBox,
    /// Whether it is a labelled face, and the best box of it.
    pub(crate) right: bool,
}

/// A photo whose faces were looked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Looked {
    /// Surest first.
    pub(crate) found: Vec<Found>,
    /// Labelled faces and the score of the box that found each; none when it was missed.
    pub(crate) faces: Vec<(BoundingBox, Option<f32>)>,
}

impl Looked {
    /// Gives each box, the surest first, the labelled face that it overlaps most, if no surer one has it.
    pub(crate) fn new(labelled: &[BoundingBox], boxes: impl IntoIterator<Item = (BoundingBox, f32)>) -> Self {
        let mut boxes: Vec<(BoundingBox, f32)> = boxes.into_iter().collect();
        boxes.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let mut faces: Vec<(BoundingBox, Option<f32>)> = labelled.iter().map(|&face| (face, None)).collect();
        let found = boxes
            .into_iter()
            .map(|(bbox, score)| {
                let free = faces.iter_mut().filter(|(_, by)| by.is_none()).map(|face| (overlap(&bbox, &face.0), face));
                let best = free.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(share, _)| *share >= LEAST_OVERLAP);
                let right = best.is_some();
                if let Some((_, face)) = best {
                    face.1 = Some(score);
                }
                Found { score, bbox, right }
            })
            .collect();
        Self { found, faces }
    }

    fn counted(&self, least_score: f32) -> Tally {
        let sure = || self.found.iter().filter(|found| found.score >= least_score);
        let right = sure().filter(|found| found.right).count() as u64;
        Tally { right, found: sure().count() as u64, faces: self.faces.len() as u64 }
    }
}

#[derive(Debug, Clone, Copy)]
struct Tally {
    right: u64,
    found: u64,
    faces: u64,
}

fn overlap(a: &BoundingBox, b: &BoundingBox) -> f32 {
    let common = a.intersection(b);
    common / (a.area() + b.area() - common)
}

/// What was found of what is there; `None` where there is nothing of the kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DetectionRates {
    /// Of what was found on photos with faces: how much is a face.
    pub(crate) precision: Option<Rate>,
    /// Of the faces: how many were found.
    pub(crate) recall: Option<Rate>,
    /// Faces found on a photo that shows none, in the mean.
    pub(crate) false_faces: Option<Rate>,
}

/// The rates at a least score; intervals by draws of photos.
pub(crate) fn detection_rates<'a>(
    photos: impl Iterator<Item = &'a Looked> + Clone,
    least_score: f32,
) -> DetectionRates {
    let counted = photos.map(|photo| photo.counted(least_score));
    let with_faces: Vec<Tally> = counted.clone().filter(|tally| tally.faces > 0).collect();
    let shares = |share: fn(&Tally) -> Count| super::bootstrap::rate(&with_faces.iter().map(share).collect::<Vec<_>>());
    let without: Vec<u64> = counted.filter(|tally| tally.faces == 0).map(|tally| tally.found).collect();
    DetectionRates {
        precision: shares(|tally| Count { happened: tally.right, tried: tally.found }),
        recall: shares(|tally| Count { happened: tally.right, tried: tally.faces }),
        false_faces: mean_count(&without),
    }
}

/// The mean and its interval. Where nothing was counted it ends at the mean of which nothing is seen by a chance of
/// 2.5 % (−ln 0.025 / n, the exact bound of n Poisson counts).
fn mean_count(counts: &[u64]) -> Option<Rate> {
    let photos = counts.len() as f64;
    let sum: u64 = counts.iter().sum();
    if counts.is_empty() {
        return None;
    }
    if sum == 0 {
        let unseen = -((1.0 - super::bootstrap::CONFIDENCE) / 2.0).ln() / photos;
        return Some(Rate { mean: 0.0, low: 0.0, high: unseen });
    }
    let values = replicate(counts.len(), |weights| {
        Some(counts.iter().zip(weights).map(|(&count, &weight)| count * u64::from(weight)).sum::<u64>() as f64 / photos)
    });
    let Interval { low, high } = percentiles(values)?;
    Some(Rate { mean: sum as f64 / photos, low, high })
}

/// A least score, and what is found with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RecallPoint {
    pub(crate) score: f32,
    pub(crate) precision: f64,
    pub(crate) recall: f64,
    /// False faces on all photos, over the number of photos.
    pub(crate) false_faces: f64,
}

/// Precision and recall at every score, the highest first.
pub(crate) fn recall_curve(photos: &[Looked], weight: impl Fn(usize) -> f64) -> Vec<RecallPoint> {
    let mut found: Vec<(f32, bool, f64)> = photos
        .iter()
        .enumerate()
        .flat_map(|(index, photo)| photo.found.iter().map(move |found| (found.score, found.right, index)))
        .map(|(score, right, index)| (score, right, weight(index)))
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let faces: f64 = photos.iter().enumerate().map(|(index, photo)| weight(index) * photo.faces.len() as f64).sum();
    let all: f64 = (0..photos.len()).map(&weight).sum();
    let (mut right, mut wrong) = (0.0, 0.0);
    let mut points: Vec<RecallPoint> = Vec::new();
    for (score, is_right, weight) in found {
        *(if is_right { &mut right } else { &mut wrong }) += weight;
        if right + wrong == 0.0 || faces == 0.0 {
            continue;
        }
        let (precision, recall) = (right / (right + wrong), right / faces);
        let point = RecallPoint { score, precision, recall, false_faces: wrong / all };
        // No threshold tells equal scores apart.
        match points.last_mut() {
            Some(last) if last.score == score => *last = point,
            _ => points.push(point),
        }
    }
    points
}

/// Average precision: Σ (Rₙ − Rₙ₋₁) Pₙ over falling scores, without interpolation, as scikit-learn computes it; faces
/// that are never found count as missed. `None` without faces.
pub(crate) fn average_precision(photos: &[Looked]) -> Option<Rate> {
    let of_curve = |weight: &dyn Fn(usize) -> f64| {
        let mut last = 0.0;
        let points = recall_curve(photos, weight);
        points.iter().map(|point| (point.recall - std::mem::replace(&mut last, point.recall)) * point.precision).sum()
    };
    if photos.iter().all(|photo| photo.faces.is_empty()) {
        return None;
    }
    let mean: f64 = of_curve(&|_| 1.0);
    if let Some(rate) = certain(mean, photos.iter().filter(|photo| !photo.faces.is_empty()).count()) {
        return Some(rate);
    }
    let values = replicate(photos.len(), |weights| {
        let faces = photos.iter().zip(weights).any(|(photo, &weight)| weight > 0 && !photo.faces.is_empty());
        faces.then(|| of_curve(&|index| f64::from(weights[index])))
    });
    let Interval { low, high } = percentiles(values)?;
    Some(Rate { mean, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f32) -> BoundingBox {
        BoundingBox::new(x, 0.0, 10.0, 10.0)
    }

    fn read(text: &str) -> Result<Vec<LabelledPhoto>, BoxesError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_boxes(file.path())
    }

    #[test]
    fn lines_of_one_photo_belong_together() {
        let photos = read("image,x,y,width,height\na.jpg,1,2,3,4\ncat.jpg,,,,\na.jpg,5,6,7,8\n").unwrap();
        assert_eq!(photos.len(), 2);
        assert_eq!(photos[0].faces, [BoundingBox::new(1.0, 2.0, 3.0, 4.0), BoundingBox::new(5.0, 6.0, 7.0, 8.0)]);
        assert!(photos[1].faces.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let lines =
            ["a.jpg,1,2,3,", "a.jpg,1,2,0,4", "a.jpg,NaN,2,3,4", "a.jpg,,,,\na.jpg,1,2,3,4", "a.jpg,x,2,3,4", ""];
        for lines in lines {
            let message = read(&format!("image,x,y,width,height\n{lines}\n")).unwrap_err().to_string();
            assert!(message.contains("a.jpg") || message.contains("line") || message.contains("no photo"), "{message}");
        }
    }

    #[test]
    fn a_face_is_found_once() {
        let photo =
            Looked::new(&[square(0.0), square(20.0)], [(square(1.0), 0.7), (square(0.0), 0.9), (square(9.0), 0.8)]);
        let right: Vec<bool> = photo.found.iter().map(|found| found.right).collect();
        assert_eq!(right, [true, false, false]);
        assert_eq!(photo.faces.iter().map(|face| face.1).collect::<Vec<_>>(), [Some(0.9), None]);
    }

    #[test]
    fn half_of_the_union_is_enough() {
        // Common 2/3 of each: 1/2 of the union.
        let bbox = BoundingBox::new(0.0, 0.0, 30.0, 10.0);
        let shifted = |x| Looked::new(&[bbox], [(BoundingBox::new(x, 0.0, 30.0, 10.0), 0.5)]).found[0].right;
        assert!(shifted(9.9) && !shifted(10.1));
    }

    #[test]
    fn average_precision_agrees_with_scikit_learn() {
        // average_precision_score([1, 0, 1, 1, 0], [.9, .8, .7, .7, .1]) = 5/6 of the four of five faces that a box
        // finds, three here; the curve ends at recall 3/4.
        let far = |i: usize| square(100.0 * i as f32);
        let labelled = [far(0), far(2), far(3), far(9)];
        let boxes = [(far(0), 0.9), (far(1), 0.8), (far(2), 0.7), (far(3), 0.7), (far(4), 0.1)];
        let rate = average_precision(&[Looked::new(&labelled, boxes)]).unwrap();
        assert!((rate.mean - (1.0 + 2.0 * 0.75) / 3.0 * 0.75).abs() < 1e-9, "{rate:?}");
    }

    #[test]
    fn false_faces_are_counted_on_photos_without_any() {
        let empty = Looked::new(&[], []);
        let wrong = Looked::new(&[], [(square(0.0), 0.9), (square(50.0), 0.3)]);
        let rates = detection_rates([&empty, &wrong].into_iter(), 0.5);
        assert_eq!(rates.false_faces.unwrap().mean, 0.5);
        assert_eq!((rates.precision, rates.recall), (None, None));
        // Nothing on three photos: fewer than 1.23 a photo.
        let never = detection_rates([&empty, &empty, &empty].into_iter(), 0.5).false_faces.unwrap();
        assert!((never.high - 1.2296).abs() < 1e-3, "{never:?}");
    }
}
