//! `Reindex`: the gallery is brought up to date with the known folder.

use tonic::{Request, Response, Status};

use super::proto::{ReindexRequest, ReindexResponse};
use super::{Answers, RecognizerService};

impl RecognizerService {
    pub(super) async fn reindex_known_folder(
        &self,
        _request: Request<ReindexRequest>,
    ) -> Result<Response<Answers<ReindexResponse>>, Status> {
        Err(Status::unimplemented("Reindex"))
    }
}
