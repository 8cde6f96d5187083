//! How a face is turned, from its landmarks.

use crate::Point;
use crate::detect::Landmarks;

/// Length of the face and height of the nose, as [`FaceMeasurements`](super::FaceMeasurements) has them.
pub(super) fn pose(landmarks: &Landmarks) -> (f32, f32) {
    let [left_eye, right_eye, nose, left_mouth, right_mouth] = *landmarks;
    let (eyes, mouth) = (middle(left_eye, right_eye), middle(left_mouth, right_mouth));
    let across = way(left_eye, right_eye);
    // How far down, seen with the eyes level.
    let depth = |point: Point| {
        let from_eyes = way(eyes, point);
        across.x * from_eyes.y - across.y * from_eyes.x
    };
    // Landmarks that coincide are of no face that looks into the camera: as bad as can be, and still numbers.
    let length = eyes.distance(mouth) / left_eye.distance(right_eye).max(f32::EPSILON);
    let height = depth(nose) / depth(mouth);
    (length, if height.is_finite() { height } else { 0.0 })
}

fn middle(a: Point, b: Point) -> Point {
    Point::new((a.x + b.x) / 2.0, (a.y + b.y) / 2.0)
}

fn way(from: Point, to: Point) -> Point {
    Point::new(to.x - from.x, to.y - from.y)
}
