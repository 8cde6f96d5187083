//! Face + landmarks → the crop an embedder was trained on.
