//! Face recognition on plain CPUs, in pure Rust: photo bytes → decode → detect → align → embed →
//! match against a gallery of known people kept in a memory-mapped index.
//!
//! The layers, each usable alone, from the bottom up:
//!
//! | module | input → output |
//! | --- | --- |
//! | [`photo`] | file or bytes → upright RGB8 [`photo::Photo`], within limits |
//! | [`detect`] | photo → [`detect::Face`]s: box, five landmarks, score |
//! | [`align`] | photo + landmarks → the aligned crop that an embedder was trained on |
//! | [`quality`] | face + crop → [`quality::FaceQuality`]: how well it can be recognised |
//! | [`embed`] | crop → [`embed::Embedding`] |
//! | [`gallery`] | embedding → the known people it is nearest to |
//! | [`model`] | packs of networks and the manifest that describes them |
//! | [`recognizer`] | all of the above behind one type, [`recognizer::Recognizer`] |

pub mod align;
pub mod detect;
pub mod embed;
pub mod gallery;
mod geometry;
mod mapped_file;
pub mod model;
mod parallel;
pub mod photo;
pub mod quality;
pub mod recognizer;
mod regular_file;
mod tensor;

pub use facerecog_kernels::job_pool;
pub use geometry::{BoundingBox, Point};
