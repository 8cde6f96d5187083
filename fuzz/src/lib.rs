//! What every fuzz target does with its bytes. The tests of the engine and of the server do the same
//! with the inputs in `regressions/`.

pub mod index_open;
pub mod manifest;
pub mod photo_decode;
