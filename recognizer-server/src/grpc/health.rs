//! `grpc.health.v1`: serving while there is a gallery to answer from.

use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::contract::health_check_server::HealthCheckServer;
use super::contract::identify_server::IdentifyServer;
use super::health_check::HealthCheckService;
use super::identify::IdentifyService;
use super::live_gallery::{GalleryState, LiveGallery};

/// The whole server, and the service that needs the gallery.
const OF_GALLERY: [&str; 2] = ["", <IdentifyServer<IdentifyService> as NamedService>::NAME];

/// Follows the gallery until the process ends.
pub(super) async fn follow(reporter: HealthReporter, live: LiveGallery) {
    reporter.set_serving::<HealthCheckServer<HealthCheckService>>().await;
    let mut states = live.subscribe();
    while states.changed().await.is_ok() {
        let ready = matches!(*states.borrow_and_update(), GalleryState::Ready(_));
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in OF_GALLERY {
            reporter.set_service_status(service, status).await;
        }
    }
}

/// Says that the server goes away, then ends the calls that watch it: they would hold up the stop.
pub(super) async fn stop(mut reporter: HealthReporter) {
    let services = OF_GALLERY.into_iter().chain([<HealthCheckServer<HealthCheckService> as NamedService>::NAME]);
    for service in services {
        reporter.set_service_status(service, ServingStatus::NotServing).await;
        reporter.clear_service_status(service).await;
    }
}
