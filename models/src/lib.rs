//! The openly licensed networks that facerecog carries inside its binary, and the manifest that
//! describes them. `models/README.md` has their provenance and licences.

/// The manifest, TOML.
pub const MANIFEST: &str = include_str!("../manifest.toml");

/// The built-in ONNX file with this content: `sha256` in lowercase hexadecimal, as the manifest has it.
pub fn builtin(sha256: &str) -> Option<&'static [u8]> {
    Some(match sha256 {
        "f8ef79c93fb40c2dc6972f430f4afc583dcf230268b1050c0172955824dee02d" => include_bytes!("../dlib_resnet.onnx"),
        "d031f35020d6418b79d4127194d59478727e293330c5c27b8a3035bbb01b0171" => include_bytes!("../mtcnn_onet.onnx"),
        "8a58c4523fa5d436d4e3a0f6481dcb8cb0526c91e2cbcdf710b974f639921791" => include_bytes!("../mtcnn_pnet.onnx"),
        "a8ed1c0b9bb06cb6d0b72f9700cfde237bbb7bdb8671f38d32f9511ba6a0188f" => include_bytes!("../mtcnn_rnet.onnx"),
        _ => return None,
    })
}
