//! The openly licensed networks that facerecog carries inside its binary, and the manifest that
//! describes them. `models/README.md` has their provenance and licences.

/// The manifest, TOML.
pub const MANIFEST: &str = include_str!("../manifest.toml");

/// The built-in file with this content: `sha256` in lowercase hexadecimal, as the manifest has it.
pub fn builtin(sha256: &str) -> Option<&'static [u8]> {
    Some(match sha256 {
        "605fe5114c218d5d4c482dcc2ae240cf9ec688754c3bf7b341393bc8ec3fddac" => include_bytes!("../dlib_resnet.onnx"),
        "a723de371c0a2d99866391ebd879c0986763ceb48caa78ecd71f96bbb271244a" => include_bytes!("../mtcnn_onet.onnx"),
        "ccf1f0997a32e6f78e6b38479e2c6c12d6e7fdd62976f319cba49f78d526b685" => include_bytes!("../mtcnn_pnet.onnx"),
        "2d1428e0971aec6eacf1618c5d27867071a49c3dcd791b65be6bf09214333e70" => include_bytes!("../mtcnn_rnet.onnx"),
        "fc03d3af626897c6e99efa5169c8af9a18f69571131b86a5480b268b574268ae" => include_bytes!("../dlib_landmarks.trees"),
        _ => return None,
    })
}
