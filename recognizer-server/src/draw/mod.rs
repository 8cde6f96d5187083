//! Photos with boxes, landmarks and names painted on.

mod canvas;
mod pictures;
mod text;

use std::path::Path;

use facerecog_engine::detect::Face;
use facerecog_engine::photo::Photo;
use image::{ImageFormat, RgbImage};

pub(crate) use pictures::{PictureError, Pictures};

use canvas::{BLACK, Canvas, Color};

/// A face of a known person.
const KNOWN: Color = Color([64, 220, 96]);
/// A face of somebody unknown.
const UNKNOWN: Color = Color([255, 176, 32]);
const LANDMARK: Color = Color([255, 64, 64]);

/// What is painted around one face.
#[derive(Debug)]
pub(crate) struct Annotation<'a> {
    face: &'a Face,
    name: Option<&'a str>,
}

impl<'a> Annotation<'a> {
    /// A box and landmarks.
    pub(crate) fn new(face: &'a Face) -> Self {
        Self { face, name: None }
    }

    /// The same with a name below, when there is one.
    pub(crate) fn named(self, name: Option<&'a str>) -> Self {
        Self { name, ..self }
    }
}

/// Writes `photo` with `annotations` to the PNG file `path`.
pub(crate) fn save(photo: &Photo, annotations: &[Annotation<'_>], path: &Path) -> Result<(), PictureError> {
    let picture = annotate(photo, annotations);
    picture
        .save_with_format(path, ImageFormat::Png)
        .map_err(|error| PictureError::Write { path: path.to_owned(), reason: error.to_string() })
}

/// `photo` with `annotations`. Lines and letters grow with the photo, so that both can be seen when it
/// is shown whole on a screen.
fn annotate(photo: &Photo, annotations: &[Annotation<'_>]) -> RgbImage {
    let mut canvas = Canvas::of(photo);
    let unit = ((photo.width().max(photo.height()) + 250) / 500).max(1);
    for annotation in annotations {
        let color = if annotation.name.is_some() { KNOWN } else { UNKNOWN };
        canvas.outline(annotation.face.bbox, unit + 1, color);
        for point in annotation.face.landmarks {
            canvas.dot(point, 2.0 * unit as f32, LANDMARK);
        }
    }
    // Names last: no box of a neighbour may cross them.
    for annotation in annotations {
        if let Some(name) = annotation.name {
            let bbox = annotation.face.bbox;
            canvas.label(name, bbox.x as i64, bbox.bottom() as i64, unit, BLACK, KNOWN);
        }
    }
    canvas.into_image()
}

#[cfg(test)]
mod tests {
    use facerecog_engine::{BoundingBox, Point};

    use super::*;

    fn face(bbox: BoundingBox) -> Face {
        Face { bbox, score: 0.9, landmarks: [bbox.center(); 5] }
    }

    fn count(image: &RgbImage, color: Color) -> usize {
        image.pixels().filter(|pixel| pixel.0 == color.0).count()
    }

    #[test]
    fn box_landmarks_and_name_are_painted() {
        let photo = Photo::from_rgb(200, 150, vec![0; 200 * 150 * 3]);
        let face = face(BoundingBox::new(20.0, 20.0, 60.0, 60.0));
        let image = annotate(&photo, &[Annotation::new(&face).named(Some("Ada"))]);
        assert_eq!(image.get_pixel(20, 50).0, KNOWN.0);
        assert_eq!(image.get_pixel(50, 50).0, LANDMARK.0);
        // The name stands below the box, on a filled strip.
        assert_eq!(image.get_pixel(21, 84).0, KNOWN.0);
        let unnamed = annotate(&photo, &[Annotation::new(&face)]);
        assert_eq!(count(&unnamed, KNOWN), 0);
        assert!(count(&unnamed, UNKNOWN) > 0);
    }

    #[test]
    fn a_face_beyond_the_photo_is_painted_as_far_as_it_is_on_it() {
        let photo = Photo::from_rgb(30, 20, vec![0; 30 * 20 * 3]);
        for bbox in [
            BoundingBox::new(-50.0, -50.0, 60.0, 60.0),
            BoundingBox::new(25.0, 15.0, 1e9, 1e9),
            BoundingBox::new(f32::NAN, 0.0, f32::INFINITY, 5.0),
        ] {
            let face = Face { landmarks: [Point::new(-5.0, 1e12); 5], ..face(bbox) };
            annotate(&photo, &[Annotation::new(&face).named(Some("nobody is this wide: 李娜"))]);
        }
    }
}
