//! Non-maximum suppression: of boxes that lie over each other, the best is kept.

use crate::BoundingBox;

/// What the common area of two boxes is set against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// The area of both together: intersection over union.
    Union,
    /// The area of the smaller one, so that a small box inside a large one goes too.
    Smaller,
}

/// Positions of the boxes to keep, best score first: each box that overlaps a better kept one by more
/// than `threshold` is dropped. Equal scores keep their order.
pub fn non_maximum_suppression(boxes: &[(BoundingBox, f32)], threshold: f32, overlap: Overlap) -> Vec<usize> {
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|&a, &b| boxes[b].1.total_cmp(&boxes[a].1));
    let mut kept: Vec<usize> = Vec::new();
    for candidate in order {
        let bbox = &boxes[candidate].0;
        let covered = kept.iter().any(|&better| overlap_of(&boxes[better].0, bbox, overlap) > threshold);
        if !covered {
            kept.push(candidate);
        }
    }
    kept
}

fn overlap_of(a: &BoundingBox, b: &BoundingBox, overlap: Overlap) -> f32 {
    match overlap {
        Overlap::Union => a.iou(b),
        Overlap::Smaller => {
            let smaller = a.area().min(b.area());
            if smaller > 0.0 { a.intersection(b) / smaller } else { 0.0 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_best_of_each_heap() {
        let boxes = [
            (BoundingBox::new(0.0, 0.0, 10.0, 10.0), 0.8),
            (BoundingBox::new(1.0, 0.0, 10.0, 10.0), 0.9),
            (BoundingBox::new(30.0, 0.0, 10.0, 10.0), 0.5),
        ];
        assert_eq!(non_maximum_suppression(&boxes, 0.5, Overlap::Union), [1, 2]);
        assert_eq!(non_maximum_suppression(&boxes, 0.9, Overlap::Union), [1, 0, 2]);
    }

    #[test]
    fn a_small_box_inside_a_large_one_goes_by_the_smaller_area_only() {
        let boxes = [(BoundingBox::new(0.0, 0.0, 10.0, 10.0), 0.9), (BoundingBox::new(2.0, 2.0, 3.0, 3.0), 0.8)];
        assert_eq!(non_maximum_suppression(&boxes, 0.5, Overlap::Union), [0, 1]);
        assert_eq!(non_maximum_suppression(&boxes, 0.5, Overlap::Smaller), [0]);
    }
}
