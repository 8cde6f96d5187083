//! `GetInfo`: what runs here.

use tonic::{Request, Response, Status};

use super::RecognizerService;
use super::proto::{GetInfoRequest, GetInfoResponse};
use crate::grpc::live_gallery::GalleryState;

impl RecognizerService {
    pub(super) async fn info(&self, _request: Request<GetInfoRequest>) -> Result<Response<GetInfoResponse>, Status> {
        let pack = self.engine.pack();
        let identity = pack.embedder_identity();
        let stats = self.jobs.stats();
        let mut info = GetInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pack: pack.name().to_owned(),
            embedder: identity.digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            dimensions: identity.dims as u32,
            threads: stats.width as u32,
            queue_length: stats.queue_length as u32,
            max_photo_bytes: self.photos.limits.max_file_bytes,
            ..GetInfoResponse::default()
        };
        let mut rows = 1;
        if let GalleryState::Ready(gallery) = self.live.state() {
            info.ready = true;
            info.generation = gallery.generation();
            info.embeddings = gallery.rows() as u64;
            rows = gallery.rows();
            info.people = gallery.people().len() as u64;
        }
        // 0, which nothing is below, while more people are known than the rate asked for was measured for.
        info.threshold = pack.decision().for_search(self.rule, rows, pack.name()).map_or(0.0, |d| d.threshold);
        Ok(Response::new(info))
    }
}
