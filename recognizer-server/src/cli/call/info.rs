//! `recognizer call info`.

use clap::Args;
use serde::Serialize;

use super::{CliError, Client, Outcome, Output};
use crate::grpc::proto;

/// Tell what runs there: version, models, gallery, limits
#[derive(Debug, Args)]
pub(super) struct Info {}

#[derive(Serialize)]
struct InfoRecord {
    version: String,
    pack: String,
    embedder: String,
    dimensions: u32,
    threshold: f32,
    ready: bool,
    generation: u64,
    embeddings: u64,
    people: u64,
    threads: u32,
    queue_length: u32,
    max_photo_bytes: u64,
}

impl Info {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<Outcome, CliError> {
        let info = client.recognizer().get_info(proto::GetInfoRequest {}).await?.into_inner();
        let record = InfoRecord {
            version: info.version,
            pack: info.pack,
            embedder: info.embedder,
            dimensions: info.dimensions,
            threshold: info.threshold,
            ready: info.ready,
            generation: info.generation,
            embeddings: info.embeddings,
            people: info.people,
            threads: info.threads,
            queue_length: info.queue_length,
            max_photo_bytes: info.max_photo_bytes,
        };
        output.answer(&record, || {
            format!(
                "recognizer {}, pack {} (embedder {}, {} dimensions, threshold {:.3})\n\
                 generation {}: {} people, {} embeddings{}\n\
                 {} threads, {} photos may wait, photos up to {} MiB",
                record.version,
                record.pack,
                record.embedder,
                record.dimensions,
                record.threshold,
                record.generation,
                record.people,
                record.embeddings,
                if record.ready { "" } else { ", not ready" },
                record.threads,
                record.queue_length,
                record.max_photo_bytes >> 20
            )
        })?;
        Ok(Outcome::Complete)
    }
}
