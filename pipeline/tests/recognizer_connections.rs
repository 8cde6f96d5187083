//! Recognizers behind one address share the photos.

mod original_recognizer;
mod recognizer_process;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use facerecog_pipeline::recognizer::Recognizer;
use original_recognizer::OriginalRecognizer;
use recognizer_process::{RecognizerProcess, in_repository};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Longer than anything takes that is to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// One address for several servers, each of which gets every so many-th connection: as a Service of Kubernetes is.
struct Balancer {
    address: String,
    connections: Arc<AtomicUsize>,
}

impl Balancer {
    async fn new(servers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::Relaxed);
                let server = servers[number % servers.len()].clone();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, connections }
    }
}

/// Two originals that answer differently.
fn two(folder: &tempfile::TempDir) -> [OriginalRecognizer; 2] {
    ["first.jpg", "second.jpg"].map(|name| OriginalRecognizer::start(folder.path(), &json!({ "/a.jpg": name })))
}

async fn ask(recognizer: &Recognizer) -> String {
    recognizer.recognize("/a.jpg").await.expect("an answer").image_name.expect("a name")
}

#[tokio::test]
async fn several_connections_lead_to_several_recognizers() {
    let folder = tempfile::tempdir().unwrap();
    let servers = two(&folder);
    let balancer = Balancer::new(servers.iter().map(|server| server.address().to_owned()).collect()).await;
    let recognizer = Recognizer::new(&balancer.address, PATIENCE).unwrap().over(8, PATIENCE);
    let mut asked = JoinSet::new();
    for _ in 0..64 {
        let recognizer = recognizer.clone();
        asked.spawn(async move { ask(&recognizer).await });
    }
    let names: HashSet<_> = asked.join_all().await.into_iter().collect();
    assert_eq!(names, HashSet::from(["first.jpg", "second.jpg"].map(str::to_owned)));
}

#[tokio::test]
async fn a_connection_that_is_old_is_replaced_and_leads_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let servers = two(&folder);
    let balancer = Balancer::new(servers.iter().map(|server| server.address().to_owned()).collect()).await;
    let recognizer = Recognizer::new(&balancer.address, PATIENCE).unwrap().over(1, Duration::from_millis(50));
    let mut names = HashSet::new();
    let both = async {
        while names.len() < 2 {
            names.insert(ask(&recognizer).await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, both).await.expect("the other one answers, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_under_way_outlast_their_connection() {
    let server = RecognizerProcess::start();
    let balancer = Balancer::new(vec![server.address().to_owned()]).await;
    let recognizer = Recognizer::new(&balancer.address, PATIENCE).unwrap().over(2, Duration::from_millis(100));
    let photo = in_repository("examples/obama2.jpg");
    let path = photo.to_str().unwrap();
    let mut photos = 0;
    let replaced = async {
        // Two are made, and replaced at least twice.
        while balancer.connections.load(Ordering::Relaxed) < 6 {
            let mut asked = JoinSet::new();
            for _ in 0..8 {
                let (recognizer, path) = (recognizer.clone(), path.to_owned());
                asked.spawn(async move { recognizer.recognize(&path).await });
            }
            for answer in asked.join_all().await {
                assert_eq!(answer.expect("an answer").image_name.as_deref(), Some("obama.jpg"));
                photos += 1;
            }
        }
    };
    tokio::time::timeout(PATIENCE, replaced).await.expect("they are replaced");
    assert!(photos >= 8);
}
