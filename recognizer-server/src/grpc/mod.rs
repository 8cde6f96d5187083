//! The gRPC server: the original contract, our own API (`v1/`), health, reflection, and a gallery that follows its folder.

mod call;
mod call_log;
mod change_guard;
mod code;
mod connection;
mod draining;
mod health;
mod health_check;
mod identify;
mod jobs;
mod known_folder;
mod known_photos;
mod live_gallery;
mod photo_access;
mod photo_cost;
mod photo_roots;
mod recognition;
mod reindexer;
mod response;
mod retry_times;
mod server;
mod stages;
mod status;
mod tls;
mod v1;
mod watcher;

pub(crate) use change_guard::token;
pub(crate) use code::name as code_name;
pub(crate) use server::{Host, ServeError, serve};
pub use v1::fuzzing;
pub(crate) use v1::proto;

/// Code generated from `proto/facerecog.proto`.
pub(crate) mod contract {
    #![allow(missing_docs, unreachable_pub, clippy::all, rust_2018_idioms)]

    tonic::include_proto!("facerecog");

    pub(super) const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("facerecog_descriptor");
}
