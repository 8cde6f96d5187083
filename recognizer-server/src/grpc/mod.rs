//! The gRPC server: the original contract, our own API (`v1/`), health, reflection, and a gallery that follows its folder.

mod call;
mod health;
mod health_check;
mod identify;
mod jobs;
mod known_folder;
mod live_gallery;
mod photo_access;
mod photo_roots;
mod recognition;
mod response;
mod server;
mod service_time;
mod stages;
mod status;
mod v1;
mod watcher;

pub(crate) use server::{DEFAULT_ADDRESS, ServeError, ServerOptions, serve};

/// Code generated from `proto/facerecog.proto`.
mod contract {
    #![allow(missing_docs, unreachable_pub, clippy::all, rust_2018_idioms)]

    tonic::include_proto!("facerecog");

    pub(super) const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("facerecog_descriptor");
}
