//! Photos that lie on their side or upside down and do not say so.

use image::metadata::Orientation;

use super::Face;
use crate::model::ModelError;
use crate::photo::View;
use crate::{BoundingBox, Point};

/// Turns by a quarter, three quarters and half a circle, clockwise. The first two are how cameras are held.
const TURNS: [Orientation; 3] = [Orientation::Rotate90, Orientation::Rotate270, Orientation::Rotate180];

/// The faces that `detect` finds on the photo as it is or in the one of the [`TURNS`] in which it is surest of them, in
/// pixels of the photo as it is. Landmarks keep the order that they have on the upright face. One turn alone would not do:
/// on faces that are upside down, detectors find others, with the mouth where the eyes are.
pub(super) fn detect(
    view: &View<'_>,
    mut detect: impl FnMut(&View<'_>) -> Result<Vec<Face>, ModelError>,
) -> Result<Vec<Face>, ModelError> {
    let mut surest = detect(view)?;
    let sum = |faces: &[Face]| faces.iter().map(|face| face.score).sum::<f32>();
    for turn in TURNS {
        let turned = view.turned(turn);
        let faces = detect(&View::from(&turned))?;
        if sum(&faces) > sum(&surest) {
            surest = faces.into_iter().map(|face| turned_back(face, turn, view)).collect();
        }
    }
    Ok(surest)
}

fn turned_back(face: Face, turn: Orientation, view: &View<'_>) -> Face {
    let point = |point: Point| point_turned_back(point, turn, view);
    let BoundingBox { x, y, width, height } = face.bbox;
    let (a, b) = (point(Point::new(x, y)), point(Point::new(x + width, y + height)));
    let bbox = BoundingBox::new(a.x.min(b.x), a.y.min(b.y), (a.x - b.x).abs(), (a.y - b.y).abs());
    Face { bbox, score: face.score, landmarks: face.landmarks.map(point) }
}

fn point_turned_back(Point { x, y }: Point, turn: Orientation, view: &View<'_>) -> Point {
    let (right, bottom) = (view.width() as f32 - 1.0, view.height() as f32 - 1.0);
    match turn {
        Orientation::Rotate90 => Point::new(y, bottom - x),
        Orientation::Rotate270 => Point::new(right - y, x),
        Orientation::Rotate180 => Point::new(right - x, bottom - y),
        _ => Point::new(x, y),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::Photo;

    #[test]
    fn a_pixel_is_found_where_it_was() {
        let mut rgb = vec![0; 5 * 3 * 3];
        rgb[(5 + 3) * 3] = 255;
        let photo = Photo::from_rgb(5, 3, rgb);
        let view = View::from(&photo);
        for turn in TURNS {
            let turned = view.turned(turn);
            let at = turned.photo.rgb().iter().position(|&sample| sample == 255).unwrap() / 3;
            let width = turned.photo.width() as usize;
            let point = Point::new((at % width) as f32, (at / width) as f32);
            assert_eq!(point_turned_back(point, turn, &view), Point::new(3.0, 1.0), "{turn:?}");
        }
    }
}
