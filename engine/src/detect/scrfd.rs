//! SCRFD: one network, faces at three strides or five.
//!
//! Guo, Deng, Lattas, Zafeiriou, "Sample and Computation Redistribution for Efficient Face Detection" (ICLR 2022); the
//! outputs are read as InsightFace's `scrfd.py` reads them (`python-package/insightface/model_zoo/scrfd.py`).

use super::letterbox::Letterbox;
use super::{Face, Overlap, non_maximum_suppression};
use crate::model::{ModelError, Network, Output};
use crate::photo::{Reduction, View};
use crate::tensor::ChannelOrder;
use crate::{BoundingBox, Point};

/// The smallest stride; each further one is twice the one before.
const FIRST_STRIDE: usize = 8;

/// How many strides there are.
const STRIDES: [usize; 2] = [3, 5];

/// Most boxes that a cell may give; the files there are have 1 or 2.
const MOST_ANCHORS: usize = 8;

/// Numbers of a score, a box and five landmarks.
const COLUMNS: [usize; 3] = [1, 4, 10];

/// Inputs are (value − 127.5) / 128.
const MEAN: f32 = 127.5;
const SCALE: f32 = 1.0 / 128.0;

/// Side of the image on which a network that takes every size is tried: its outputs are of different lengths.
const TRIED_SIDE: usize = 256;

/// Fixed inputs with longer sides are refused: maps of such images take gigabytes.
const LONGEST_SIDE: usize = 4096;

/// Boxes that overlap a better one by more than this IoU are dropped (InsightFace's default).
const NMS_IOU: f32 = 0.4;

/// Most candidates that go into the suppression, the best first; it bounds time.
const MAX_CANDIDATES: usize = 5000;

/// The SCRFD detector.
#[derive(Debug)]
pub struct Scrfd {
    network: Network,
    heads: Vec<Head>,
    /// Boxes that each cell gives.
    anchors: usize,
}

/// Positions of one stride's outputs.
#[derive(Debug)]
struct Head {
    stride: usize,
    score: usize,
    bbox: usize,
    landmarks: usize,
}

impl Scrfd {
    /// Tells the outputs apart by their shapes, which a first run shows.
    pub(super) fn new(network: Network) -> Result<Self, ModelError> {
        let [height, width] = network.size().unwrap_or([TRIED_SIDE; 2]);
        if height.max(width) > LONGEST_SIDE {
            return Err(network.failure(format!("its input of {height}×{width} pixels is too large for a detector")));
        }
        let outputs = network.run(height, width, &vec![-MEAN * SCALE; 3 * height * width])?;
        let (heads, anchors) = heads(&outputs, [height, width]).map_err(|reason| network.failure(reason))?;
        Ok(Self { network, heads, anchors })
    }

    /// Faces in photo pixels, best score first.
    pub(super) fn detect(&self, view: &View<'_>, min_score: f32, min_face: f32) -> Result<Vec<Face>, ModelError> {
        let letterbox = self.letterbox((view.width(), view.height()), min_face);
        let [height, width] = letterbox.size();
        let mut planes = letterbox.planes(view, ChannelOrder::RGB);
        planes.iter_mut().for_each(|value| *value = (*value - MEAN) * SCALE);
        let outputs = self.network.run(height, width, &planes)?;

        let mut faces = Vec::new();
        for head in &self.heads {
            self.decode(head, &outputs, [height, width], min_score, &mut faces)?;
        }
        faces.sort_by(|a: &Face, b| b.score.total_cmp(&a.score));
        faces.truncate(MAX_CANDIDATES);
        let faces: Vec<Face> = faces.iter().map(|face| letterbox.in_photo(face)).collect();
        let boxes: Vec<_> = faces.iter().map(|face| (with_last_pixel(&face.bbox), face.score)).collect();
        let kept = non_maximum_suppression(&boxes, NMS_IOU, Overlap::Union);
        Ok(kept.into_iter().map(|kept| faces[kept].clone()).collect())
    }

    /// The most that a photo may be reduced without showing the network less.
    pub(super) fn reduction(&self, size: (u32, u32), min_face: f32) -> Reduction {
        self.letterbox(size, min_face).reduction()
    }

    fn letterbox(&self, photo: (u32, u32), min_face: f32) -> Letterbox {
        let largest = self.heads.iter().map(|head| head.stride).max().unwrap_or(FIRST_STRIDE);
        Letterbox::new(&self.network, photo, min_face, largest as u32)
    }

    fn decode(
        &self,
        head: &Head,
        outputs: &[Output],
        [height, width]: [usize; 2],
        min_score: f32,
        faces: &mut Vec<Face>,
    ) -> Result<(), ModelError> {
        let columns = width / head.stride;
        let rows = columns * (height / head.stride) * self.anchors;
        let values = |index: usize, numbers: usize| {
            let output = &outputs[index];
            if output.values.len() == rows * numbers {
                return Ok(output.values.as_slice());
            }
            Err(self.network.wrong_shape(output, format!("[{rows}, {numbers}]")))
        };
        let [scores, boxes, landmarks] =
            [values(head.score, COLUMNS[0])?, values(head.bbox, COLUMNS[1])?, values(head.landmarks, COLUMNS[2])?];
        let stride = head.stride as f32;
        for (row, &score) in scores.iter().enumerate() {
            if score.is_nan() || score < min_score {
                continue;
            }
            let cell = row / self.anchors;
            let center = Point::new((cell % columns) as f32 * stride, (cell / columns) as f32 * stride);
            // How far the sides are from the centre.
            let &[left, top, right, bottom] = boxes[row * 4..].first_chunk().expect("as many boxes as scores");
            let bbox = BoundingBox::new(
                center.x - left * stride,
                center.y - top * stride,
                (left + right) * stride,
                (top + bottom) * stride,
            );
            let points = &landmarks[row * 10..][..10];
            let landmarks = std::array::from_fn(|i| {
                Point::new(center.x + points[2 * i] * stride, center.y + points[2 * i + 1] * stride)
            });
            faces.push(Face { bbox, score, landmarks });
        }
        Ok(())
    }
}

/// Which output is what, and how many boxes a cell gives, by the outputs for an image of this size; why not, otherwise.
fn heads(outputs: &[Output], [height, width]: [usize; 2]) -> Result<(Vec<Head>, usize), String> {
    let mut kinds: [Vec<(usize, usize)>; 3] = Default::default();
    for (index, output) in outputs.iter().enumerate() {
        let columns = output.shape.last().copied().unwrap_or(0);
        let Some(kind) = COLUMNS.iter().position(|&known| known == columns) else {
            return Err(format!(
                "an output has the shape {:?}; those of SCRFD end in 1 (scores), 4 (boxes) or 10 (landmarks): \
                 is it another detector?",
                output.shape
            ));
        };
        if !output.values.iter().all(|value| value.is_finite()) {
            return Err("it answers a black image with numbers that are not finite".to_owned());
        }
        if kind == 0 && !output.values.iter().all(|score| (0.0..=1.0).contains(score)) {
            return Err(
                "its scores are not within 0…1; export it with the sigmoid, as InsightFace's scrfd2onnx.py does"
                    .to_owned(),
            );
        }
        kinds[kind].push((output.values.len() / columns, index));
    }
    // The longest output is that of the smallest stride.
    kinds.iter_mut().for_each(|kind| kind.sort_by_key(|&(rows, _)| std::cmp::Reverse(rows)));
    let [scores, boxes, landmarks] = kinds;
    if landmarks.is_empty() && !boxes.is_empty() {
        return Err("it gives boxes without landmarks, by which faces are aligned; take a file with landmarks, whose \
                    name usually ends in _kps or _bnkps"
            .to_owned());
    }
    if !STRIDES.contains(&scores.len()) || boxes.len() != scores.len() || landmarks.len() != scores.len() {
        return Err(format!(
            "it has {} outputs of scores, {} of boxes and {} of landmarks; SCRFD has three of each, or five",
            scores.len(),
            boxes.len(),
            landmarks.len()
        ));
    }
    let strides = (0..scores.len()).map(|level| FIRST_STRIDE << level);
    let cells: Vec<usize> = strides.clone().map(|stride| (height / stride) * (width / stride)).collect();
    let anchors = scores[0].0 / cells[0].max(1);
    let lengths = |kind: &[(usize, usize)]| kind.iter().map(|&(rows, _)| rows).collect::<Vec<_>>();
    let expected: Vec<usize> = cells.iter().map(|cells| cells * anchors).collect();
    let fits = |kind: &[(usize, usize)]| lengths(kind) == expected;
    let fits = (1..=MOST_ANCHORS).contains(&anchors) && [&scores, &boxes, &landmarks].iter().all(|kind| fits(kind));
    if !fits {
        return Err(format!(
            "for {height}×{width} pixels its outputs have {:?} scores, {:?} boxes and {:?} landmarks; cells of {} pixels \
             are {cells:?}, and each has to give as many of all",
            lengths(&scores),
            lengths(&boxes),
            lengths(&landmarks),
            strides.map(|stride| stride.to_string()).collect::<Vec<_>>().join(", "),
        ));
    }
    let heads = (0..scores.len())
        .map(|level| Head {
            stride: FIRST_STRIDE << level,
            score: scores[level].1,
            bbox: boxes[level].1,
            landmarks: landmarks[level].1,
        })
        .collect();
    Ok((heads, anchors))
}

/// InsightFace's suppression counts the last pixel of a box as a part of it.
fn with_last_pixel(bbox: &BoundingBox) -> BoundingBox {
    BoundingBox::new(bbox.x, bbox.y, bbox.width + 1.0, bbox.height + 1.0)
}
