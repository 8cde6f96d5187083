//! The queue on the real nsqd and nsqlookupd.

mod nsq;

use std::collections::HashSet;
use std::time::Duration;

use facerecog_pipeline::image::ImageId;
use facerecog_pipeline::queue::{Consumer, Delivery, Publisher, QueueError, nsq_consumer, nsq_publisher};
use nsq::{Daemon, ask};
use tempfile::TempDir;
use tokio::time::timeout;

/// Longer than anything takes that is to happen.
const PATIENCE: Duration = Duration::from_secs(60);

struct Nsq {
    folder: TempDir,
    lookupd: Daemon,
    nsqd: Daemon,
}

impl Nsq {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(flags: &[&'static str]) -> Self {
        let folder = TempDir::new().unwrap();
        let lookupd = Daemon::nsqlookupd(folder.path()).await;
        let nsqd = Daemon::nsqd(folder.path(), folder.path(), flags).await;
        Self { folder, lookupd, nsqd }
    }

    fn publisher(&self) -> Publisher {
        nsq_publisher(&self.nsqd.tcp())
    }

    fn consumer(&self, in_flight: u16) -> Consumer {
        nsq_consumer(&self.lookupd.http(), in_flight)
    }

    /// A number that nsqd has of the channel; 0 before there is one.
    async fn channel(&self, number: &str) -> u64 {
        let path = "/stats?format=json&topic=images&channel=ch";
        let answer = ask(&self.nsqd.http(), "GET", path, b"").await.unwrap();
        let stats: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        stats["topics"][0]["channels"][0][number].as_u64().unwrap_or(0)
    }

    async fn channel_comes_to(&self, number: &str, value: u64) {
        let comes = async {
            while self.channel(number).await != value {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(PATIENCE, comes).await.is_err() {
            panic!("{number} is {} and not {value}", self.channel(number).await);
        }
    }
}

async fn next(consumer: &mut Consumer) -> Delivery {
    timeout(PATIENCE, consumer.next()).await.expect("no message came")
}

fn ids(range: std::ops::Range<u64>) -> Vec<ImageId> {
    range.map(ImageId).collect()
}

#[tokio::test]
async fn messages_of_the_original_services_are_read_and_others_hold_no_id() {
    let nsq = Nsq::start().await;
    let mut consumer = nsq.consumer(1);
    // As receiver and redeemer write them; then what nobody writes.
    let bodies: [(&[u8], Option<u64>); 4] = [
        (&0x0102_0304_0506_0708_u64.to_le_bytes(), Some(0x0102_0304_0506_0708)),
        (&[42, 1, 0, 0, 0, 0, 0, 0], Some(298)),
        (b"42", None),
        (&[1; 100_000], None),
    ];
    for (body, id) in bodies {
        let answer = ask(&nsq.nsqd.http(), "POST", "/pub?topic=images", body).await.unwrap();
        assert!(answer.ends_with("OK"), "{answer}");
        let delivery = next(&mut consumer).await;
        assert_eq!((delivery.id, delivery.attempts), (id.map(ImageId), 1));
        delivery.finish().await;
    }
    nsq.channel_comes_to("in_flight_count", 0).await;
    assert_eq!((nsq.channel("depth").await, nsq.channel("requeue_count").await), (0, 0));
}

#[tokio::test]
async fn a_message_comes_again_until_it_is_finished() {
    let nsq = Nsq::start().await;
    let mut consumer = nsq.consumer(4);
    nsq.publisher().publish(&ids(7..8)).await.unwrap();

    next(&mut consumer).await.requeue(Duration::from_millis(10)).await;
    drop(next(&mut consumer).await);
    let third = next(&mut consumer).await;
    assert_eq!((third.id, third.attempts), (Some(ImageId(7)), 3));
    third.finish().await;

    nsq.channel_comes_to("in_flight_count", 0).await;
    assert_eq!((nsq.channel("depth").await, nsq.channel("deferred_count").await), (0, 0));
    assert_eq!(nsq.channel("requeue_count").await, 2);
}

#[tokio::test]
async fn a_message_that_is_touched_is_nobody_elses() {
    let nsq = Nsq::start_with(&["--msg-timeout=3s"]).await;
    let mut consumer = nsq.consumer(1);
    let mut other = nsq.consumer(1);
    nsq.publisher().publish(&ids(7..8)).await.unwrap();
    let (delivery, other) = tokio::select! {
        delivery = next(&mut consumer) => (delivery, &mut other),
        delivery = next(&mut other) => (delivery, &mut consumer),
    };
    for _ in 0..30 {
        delivery.touch().await;
        let nobodys = timeout(Duration::from_millis(200), other.next()).await;
        assert!(nobodys.is_err(), "{nobodys:?}");
    }
    assert_eq!(nsq.channel("timeout_count").await, 0);

    // Untouched it comes again; the end that comes too late is no harm.
    let again = next(other).await;
    assert_eq!((again.id, again.attempts), (Some(ImageId(7)), 2));
    delivery.finish().await;
    again.finish().await;
    nsq.channel_comes_to("in_flight_count", 0).await;
    assert_eq!(nsq.channel("depth").await, 0);
}

#[tokio::test]
async fn consumers_share_the_messages() {
    const MESSAGES: u64 = 2000;
    let nsq = Nsq::start().await;
    let mut consumers: Vec<_> = (0..4).map(|_| nsq.consumer(8)).collect();
    let publisher = nsq.publisher();
    publisher.publish(&ids(0..1)).await.unwrap();
    nsq.channel_comes_to("client_count", 4).await;
    publisher.publish(&ids(1..MESSAGES)).await.unwrap();

    let (told, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let work: Vec<_> = (0..4)
        .map(|worker| {
            let (told, mut consumer) = (told.clone(), consumers.pop().unwrap());
            tokio::spawn(async move {
                loop {
                    let delivery = consumer.next().await;
                    let id = delivery.id.unwrap();
                    delivery.finish().await;
                    told.send((worker, id)).unwrap();
                }
            })
        })
        .collect();
    let (mut seen, mut workers) = (HashSet::new(), HashSet::new());
    for _ in 0..MESSAGES {
        let (worker, id) = timeout(PATIENCE, ends.recv()).await.unwrap().unwrap();
        assert!(seen.insert(id), "{id} came twice");
        workers.insert(worker);
    }
    assert_eq!(workers.len(), 4);
    nsq.channel_comes_to("in_flight_count", 0).await;
    assert_eq!(nsq.channel("depth").await, 0);
    for task in work {
        task.abort();
    }
}

#[tokio::test]
async fn at_most_the_wanted_number_is_out() {
    let nsq = Nsq::start().await;
    let mut consumer = nsq.consumer(3);
    nsq.publisher().publish(&ids(0..10)).await.unwrap();
    nsq.channel_comes_to("in_flight_count", 3).await;
    for _ in 0..10 {
        let delivery = next(&mut consumer).await;
        assert!(nsq.channel("in_flight_count").await <= 3);
        delivery.finish().await;
    }
    nsq.channel_comes_to("in_flight_count", 0).await;
}

#[tokio::test]
async fn a_consumer_that_goes_gives_back_what_it_did_not_begin() {
    let nsq = Nsq::start().await;
    let mut gone = nsq.consumer(10);
    nsq.publisher().publish(&ids(0..10)).await.unwrap();
    let begun = next(&mut gone).await;
    nsq.channel_comes_to("in_flight_count", 10).await;
    drop(gone);

    let mut consumer = nsq.consumer(10);
    let mut seen = HashSet::from([begun.id.unwrap()]);
    for _ in 1..10 {
        let delivery = next(&mut consumer).await;
        assert!(seen.insert(delivery.id.unwrap()));
        delivery.finish().await;
    }
    // Its end is still heard.
    nsq.channel_comes_to("in_flight_count", 1).await;
    begun.finish().await;
    nsq.channel_comes_to("in_flight_count", 0).await;
    nsq.channel_comes_to("client_count", 1).await;
    assert_eq!((nsq.channel("depth").await, nsq.channel("timeout_count").await), (0, 0));
}

#[tokio::test]
async fn nsqd_may_be_killed_and_start_again() {
    // With these a killed nsqd loses none but the messages that are out.
    let mut nsq = Nsq::start_with(&["--mem-queue-size=0", "--sync-every=1"]).await;
    let mut consumer = nsq.consumer(2);
    let publisher = nsq.publisher();
    for round in 0..2 {
        let first = round * 10;
        publisher.publish(&ids(first..first + 1)).await.unwrap();
        let under_way = next(&mut consumer).await;
        assert_eq!(under_way.id, Some(ImageId(first)));

        nsq.nsqd.kill();
        let error = publisher.publish(&ids(first + 1..first + 2)).await.unwrap_err();
        assert!(matches!(error, QueueError::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains(&nsq.nsqd.tcp()), "{error}");
        assert!(publisher.ping().await.is_err());
        // What is said of a message whose nsqd is gone is said to nobody, and waits for nothing.
        under_way.touch().await;
        under_way.finish().await;

        nsq.nsqd.start_again().await;
        publisher.ping().await.unwrap();
        publisher.publish(&ids(first + 2..first + 5)).await.unwrap();
        // One that was killed gives messages once more that had been finished.
        let mut awaited: HashSet<u64> = (first + 2..first + 5).collect();
        while !awaited.is_empty() {
            let delivery = next(&mut consumer).await;
            let id = delivery.id.unwrap().0;
            assert!(awaited.remove(&id) || id < first + 5, "{id}");
            delivery.finish().await;
        }
    }
}

#[tokio::test]
async fn a_publisher_does_not_notice_that_nsqd_was_started_anew() {
    let mut nsq = Nsq::start().await;
    let publisher = nsq.publisher();
    publisher.publish(&ids(0..1)).await.unwrap();
    nsq.nsqd.kill();
    nsq.nsqd.start_again().await;
    publisher.publish(&ids(1..2)).await.unwrap();
    let mut consumer = nsq.consumer(1);
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.id, Some(ImageId(1)));
    delivery.finish().await;
}

#[tokio::test]
async fn publishers_that_wait_share_the_failure_of_the_one_that_asked() {
    // Takes connections, and answers nothing: each that asks waits until it has had enough.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let publisher = nsq_publisher(&silent.local_addr().unwrap().to_string());
    let mut waiting = tokio::task::JoinSet::new();
    for id in 0..100 {
        let publisher = publisher.clone();
        waiting.spawn(async move { publisher.publish(&ids(id..id + 1)).await });
    }
    let failed = timeout(PATIENCE, waiting.join_all()).await.expect("one waits for all");
    assert!(failed.iter().all(|published| matches!(published, Err(QueueError::Unavailable { .. }))));
}

#[tokio::test]
async fn nsqd_is_found_where_it_was_while_nobody_can_be_asked() {
    let mut nsq = Nsq::start().await;
    let mut consumer = nsq.consumer(1);
    let publisher = nsq.publisher();
    publisher.publish(&ids(0..1)).await.unwrap();
    next(&mut consumer).await.finish().await;

    nsq.lookupd.kill();
    nsq.nsqd.kill();
    nsq.nsqd.start_again().await;
    publisher.publish(&ids(1..2)).await.unwrap();
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.id, Some(ImageId(1)));
    delivery.finish().await;
}

#[tokio::test]
async fn every_nsqd_is_consumed_from() {
    let nsq = Nsq::start().await;
    let more: Vec<TempDir> = (0..2).map(|_| TempDir::new().unwrap()).collect();
    let mut nsqds = Vec::new();
    for folder in &more {
        nsqds.push(Daemon::nsqd(folder.path(), nsq.folder.path(), &[]).await);
    }
    // Before there is a consumer, and while there is one.
    nsq.publisher().publish(&ids(0..5)).await.unwrap();
    nsq_publisher(&nsqds[0].tcp()).publish(&ids(5..10)).await.unwrap();
    nsq_publisher(&nsqds[1].tcp()).publish(&ids(10..15)).await.unwrap();
    let mut consumer = nsq.consumer(4);
    let mut seen = HashSet::new();
    for _ in 0..15 {
        let delivery = next(&mut consumer).await;
        assert!(seen.insert(delivery.id.unwrap().0));
        delivery.finish().await;
    }
    assert_eq!(seen, HashSet::from_iter(0..15));
    nsq.channel_comes_to("in_flight_count", 0).await;
}

#[tokio::test]
async fn more_ids_than_one_command_holds_are_published() {
    let nsq = Nsq::start().await;
    let mut consumer = nsq.consumer(1);
    nsq.publisher().publish(&ids(0..250_000)).await.unwrap();
    nsq.publisher().publish(&[]).await.unwrap();
    next(&mut consumer).await.finish().await;
    nsq.channel_comes_to("message_count", 250_000).await;
}

#[tokio::test]
async fn a_batch_is_published_once_to_an_nsqd_that_is_slow() {
    // It waits for the disk with every message.
    let nsq = Nsq::start_with(&["--mem-queue-size=0", "--sync-every=1"]).await;
    let publisher = nsq.publisher();
    publisher.publish(&ids(0..1)).await.unwrap();
    publisher.publish(&ids(1..10_000)).await.unwrap();
    let mut consumer = nsq.consumer(1);
    next(&mut consumer).await.finish().await;
    nsq.channel_comes_to("message_count", 10_000).await;
}

#[tokio::test]
async fn who_does_not_speak_the_protocol_is_named() {
    let nsq = Nsq::start().await;
    let error = nsq_publisher(&nsq.nsqd.http()).publish(&ids(0..1)).await.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable { .. }), "{error}");
    let error = nsq_publisher("127.0.0.1").publish(&ids(0..1)).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
}
