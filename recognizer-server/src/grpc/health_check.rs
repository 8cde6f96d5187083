//! `facerecog.HealthCheck`, as the original answers it.

use tonic::{Request, Response, Status};

use super::contract::health_check_server::HealthCheck;
use super::contract::{Empty, HealthCheckResponse};

/// Says that the server answers. Callers' circuit breakers rely on it being ready whenever it can be
/// reached; whether there are known people is told by `grpc.health.v1`.
#[derive(Debug, Clone, Copy)]
pub(super) struct HealthCheckService;

#[tonic::async_trait]
impl HealthCheck for HealthCheckService {
    async fn health_check(&self, _request: Request<Empty>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { ready: true }))
    }
}
