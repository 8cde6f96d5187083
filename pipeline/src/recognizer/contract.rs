//! Code generated from the recognizer's contracts.

#![allow(missing_docs, unreachable_pub, clippy::all, rust_2018_idioms)]

/// The original contract.
pub(super) mod original {
    tonic::include_proto!("facerecog");
}

/// The recognizer's own.
pub(super) mod v1 {
    tonic::include_proto!("facerecog.v1");
}
