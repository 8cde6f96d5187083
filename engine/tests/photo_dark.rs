//! Photos that were taken in too little light, made here of one in good light.

use std::path::Path;

use facerecog_engine::photo::{Limits, Photo};
use facerecog_engine::recognizer::Recognizer;

/// A fifteenth of the light, and the noise of a sensor: the sum of four uniform numbers is nearly a normal one, of a standard
/// deviation of two.
fn darkened(photo: &Photo) -> Photo {
    let mut state = 1_u32;
    let mut uniform = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut dark = |sample: &u8| {
        let noise: f32 = (0..4).map(|_| uniform()).sum::<f32>() * 2.0 * 3_f32.sqrt();
        (f32::from(*sample) / 15.0 + noise) as u8
    };
    Photo::from_rgb(photo.width(), photo.height(), photo.rgb().iter().map(&mut dark).collect())
}

#[test]
fn a_face_in_the_dark_is_found_and_recognised() {
    let recognizer = Recognizer::builtin().unwrap();
    for name in ["known_people/obama.jpg", "examples/obama2.jpg", "examples/astronaut.jpg"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
        let photo = Photo::open(path, &Limits::default()).unwrap();
        let dark = darkened(&photo);
        let (light_faces, dark_faces) = (recognizer.detect(&photo).unwrap(), recognizer.detect(&dark).unwrap());
        let ([light_face], [dark_face]) = (&light_faces[..], &dark_faces[..]) else {
            panic!("{name}: {light_faces:?} and {dark_faces:?}");
        };
        assert!(light_face.bbox.iou(&dark_face.bbox) > 0.7, "{name}: {light_face:?} and {dark_face:?}");
        let light_face = recognizer.embed(&photo, light_face).unwrap();
        let dark_face = recognizer.embed(&dark, dark_face).unwrap();
        let comparison = recognizer.compare(&light_face.embedding, &dark_face.embedding);
        assert!(comparison.distance < 0.45, "{name}: {comparison:?}");
    }
}
