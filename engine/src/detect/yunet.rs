//! YuNet: one network, faces at three strides.
//!
//! Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector" (Machine Intelligence Research
//! 2023); the outputs are read as OpenCV's `FaceDetectorYN` reads them
//! (`modules/objdetect/src/face_detect.cpp`).

use super::{Face, Overlap, non_maximum_suppression};
use crate::model::{ModelError, Network, Output};
use crate::photo::{Reduction, View};
use crate::tensor::{ChannelOrder, padded_planes};
use crate::{BoundingBox, Point};

const STRIDES: [usize; 3] = [8, 16, 32];

/// Sides of the input must be multiples of the largest stride.
const SIDE_MULTIPLE: u32 = 32;

/// Boxes that overlap a better one by more than this IoU are dropped (OpenCV's default).
const NMS_IOU: f32 = 0.3;

/// Photos are shrunk until their longest side is this, which is what the network was trained on …
const USUAL_SIDE: f32 = 640.0;

/// … unless that would make the smallest face asked for smaller than this, in input pixels …
const SMALLEST_FACE_SEEN: f32 = 10.0;

/// … and never left larger than this, whatever is asked for: it bounds time and memory.
const LARGEST_SIDE: f32 = 1920.0;

/// Most candidates that go into the suppression, the best first (OpenCV's default `top_k`).
const MAX_CANDIDATES: usize = 5000;

/// The YuNet detector.
#[derive(Debug)]
pub struct Yunet {
    network: Network,
    heads: [Head; 3],
}

/// Positions of one stride's outputs.
#[derive(Debug)]
struct Head {
    stride: usize,
    class: usize,
    object: usize,
    bbox: usize,
    landmarks: usize,
}

impl Yunet {
    pub(super) fn new(network: Network) -> Result<Self, ModelError> {
        let head = |stride: usize| -> Result<Head, ModelError> {
            Ok(Head {
                stride,
                class: network.output_index(&format!("cls_{stride}"))?,
                object: network.output_index(&format!("obj_{stride}"))?,
                bbox: network.output_index(&format!("bbox_{stride}"))?,
                landmarks: network.output_index(&format!("kps_{stride}"))?,
            })
        };
        let heads = [head(STRIDES[0])?, head(STRIDES[1])?, head(STRIDES[2])?];
        Ok(Self { network, heads })
    }

    /// Faces in photo pixels, best score first.
    pub(super) fn detect(&self, view: &View<'_>, min_score: f32, min_face: f32) -> Result<Vec<Face>, ModelError> {
        let (width, height) = input_size((view.width(), view.height()), min_face);
        let resized;
        let input = if view.reduction() == Reduction::None && (width, height) == (view.width(), view.height()) {
            view.photo
        } else {
            resized = view.resize(width, height);
            &resized
        };
        let padded_width = width.next_multiple_of(SIDE_MULTIPLE) as usize;
        let padded_height = height.next_multiple_of(SIDE_MULTIPLE) as usize;
        let planes = padded_planes(input, 0, padded_width, padded_height, ChannelOrder::BGR);
        let outputs = self.network.run(padded_height, padded_width, &planes)?;

        let mut faces = Vec::new();
        for head in &self.heads {
            self.decode(head, &outputs, padded_width, padded_height, min_score, &mut faces)?;
        }
        faces.sort_by(|a: &Face, b| b.score.total_cmp(&a.score));
        faces.truncate(MAX_CANDIDATES);
        let boxes: Vec<_> = faces.iter().map(|face| (truncated(&face.bbox), face.score)).collect();
        let (x_scale, y_scale) = (view.width() as f32 / width as f32, view.height() as f32 / height as f32);
        Ok(non_maximum_suppression(&boxes, NMS_IOU, Overlap::Union)
            .into_iter()
            .map(|kept| scaled(&faces[kept], x_scale, y_scale))
            .collect())
    }

    fn decode(
        &self,
        head: &Head,
        outputs: &[Output],
        width: usize,
        height: usize,
        min_score: f32,
        faces: &mut Vec<Face>,
    ) -> Result<(), ModelError> {
        let (columns, rows) = (width / head.stride, height / head.stride);
        let cells = columns * rows;
        let values = |index: usize, per_cell: usize| {
            let output = &outputs[index];
            if output.values.len() == cells * per_cell {
                return Ok(output.values.as_slice());
            }
            Err(self.network.wrong_shape(output, format!("[1, {cells}, {per_cell}]")))
        };
        let (class, object) = (values(head.class, 1)?, values(head.object, 1)?);
        let (boxes, landmarks) = (values(head.bbox, 4)?, values(head.landmarks, 10)?);
        let stride = head.stride as f32;
        for cell in 0..cells {
            let score = (class[cell].clamp(0.0, 1.0) * object[cell].clamp(0.0, 1.0)).sqrt();
            if score < min_score {
                continue;
            }
            let (column, row) = ((cell % columns) as f32, (cell / columns) as f32);
            let b = &boxes[cell * 4..][..4];
            let (box_width, box_height) = (b[2].exp() * stride, b[3].exp() * stride);
            let bbox = BoundingBox::new(
                (column + b[0]) * stride - box_width / 2.0,
                (row + b[1]) * stride - box_height / 2.0,
                box_width,
                box_height,
            );
            let k = &landmarks[cell * 10..][..10];
            let landmarks =
                std::array::from_fn(|i| Point::new((k[2 * i] + column) * stride, (k[2 * i + 1] + row) * stride));
            faces.push(Face { bbox, score, landmarks });
        }
        Ok(())
    }
}

/// The most that a photo may be reduced so that the detector still shrinks it.
pub(super) fn reduction(size: (u32, u32), min_face: f32) -> Reduction {
    let (width, height) = input_size(size, min_face);
    Reduction::most(|reduction| reduction.reduced(size.0) >= width && reduction.reduced(size.1) >= height)
}

/// Size of the detector's input before padding, for a photo of `width × height` pixels.
fn input_size((width, height): (u32, u32), min_face: f32) -> (u32, u32) {
    let longest = width.max(height) as f32;
    let wanted = (USUAL_SIDE / longest).max(SMALLEST_FACE_SEEN / min_face.max(1.0));
    let scale = wanted.min(LARGEST_SIDE / longest).min(1.0);
    let scaled = |side: u32| ((side as f32 * scale).round() as u32).max(1);
    (scaled(width), scaled(height))
}

/// The box in whole pixels, in which OpenCV compares boxes; it decides which of two small faces side
/// by side is kept.
fn truncated(bbox: &BoundingBox) -> BoundingBox {
    BoundingBox::new(bbox.x.trunc(), bbox.y.trunc(), bbox.width.trunc(), bbox.height.trunc())
}

fn scaled(face: &Face, x: f32, y: f32) -> Face {
    let b = face.bbox;
    Face {
        bbox: BoundingBox::new(b.x * x, b.y * y, b.width * x, b.height * y),
        score: face.score,
        landmarks: face.landmarks.map(|p| Point::new(p.x * x, p.y * y)),
    }
}
