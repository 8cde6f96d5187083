//! YuNet: one network, faces at three strides.
//!
//! Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector" (Machine Intelligence Research
//! 2023); the outputs are read as OpenCV's `FaceDetectorYN` reads them
//! (`modules/objdetect/src/face_detect.cpp`).

use super::letterbox::Letterbox;
use super::{Face, Overlap, non_maximum_suppression};
use crate::model::{ModelError, Network, Output};
use crate::photo::{Reduction, View};
use crate::tensor::ChannelOrder;
use crate::{BoundingBox, Point};

const STRIDES: [usize; 3] = [8, 16, 32];

/// Sides of the input must be multiples of the largest stride.
const SIDE_MULTIPLE: u32 = 32;

/// Boxes that overlap a better one by more than this IoU are dropped (OpenCV's default).
const NMS_IOU: f32 = 0.3;

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
        let letterbox = self.letterbox((view.width(), view.height()), min_face);
        let [height, width] = letterbox.size();
        let outputs = self.network.run(height, width, &letterbox.planes(view, ChannelOrder::BGR))?;

        let mut faces = Vec::new();
        for head in &self.heads {
            self.decode(head, &outputs, width, height, min_score, &mut faces)?;
        }
        faces.sort_by(|a: &Face, b| b.score.total_cmp(&a.score));
        faces.truncate(MAX_CANDIDATES);
        let boxes: Vec<_> = faces.iter().map(|face| (truncated(&face.bbox), face.score)).collect();
        let kept = non_maximum_suppression(&boxes, NMS_IOU, Overlap::Union);
        Ok(kept.into_iter().map(|kept| letterbox.in_photo(&faces[kept])).collect())
    }

    /// The most that a photo may be reduced without showing the network less.
    pub(super) fn reduction(&self, size: (u32, u32), min_face: f32) -> Reduction {
        self.letterbox(size, min_face).reduction()
    }

    fn letterbox(&self, photo: (u32, u32), min_face: f32) -> Letterbox {
        Letterbox::new(&self.network, photo, min_face, SIDE_MULTIPLE)
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

/// The box in whole pixels, in which OpenCV compares boxes; it decides which of two small faces side
/// by side is kept.
fn truncated(bbox: &BoundingBox) -> BoundingBox {
    BoundingBox::new(bbox.x.trunc(), bbox.y.trunc(), bbox.width.trunc(), bbox.height.trunc())
}
