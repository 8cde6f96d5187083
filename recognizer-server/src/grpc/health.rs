//! `grpc.health.v1`: serving while there is a gallery to answer from.

use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::contract::health_check_server::HealthCheckServer;
use super::contract::identify_server::IdentifyServer;
use super::health_check::HealthCheckService;
use super::identify::IdentifyService;
use super::live_gallery::{GalleryState, LiveGallery};
use super::v1::RecognizerService;
use super::v1::proto::recognizer_server::RecognizerServer;

/// The whole server, and the services that need the gallery.
const OF_GALLERY: [&str; 3] = [
    "",
    <IdentifyServer<IdentifyService> as NamedService>::NAME,
    <RecognizerServer<RecognizerService> as NamedService>::NAME,
];

/// Everything that health is told of.
const SERVICES: [&str; 4] =
    [OF_GALLERY[0], OF_GALLERY[1], OF_GALLERY[2], <HealthCheckServer<HealthCheckService> as NamedService>::NAME];

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

/// Says that the server goes away.
pub(super) async fn stop(reporter: &HealthReporter) {
    for service in SERVICES {
        reporter.set_service_status(service, ServingStatus::NotServing).await;
    }
}

/// Ends the calls that watch the server's health: they would hold up the stop.
pub(super) async fn end_watches(mut reporter: HealthReporter) {
    for service in SERVICES {
        reporter.clear_service_status(service).await;
    }
}
