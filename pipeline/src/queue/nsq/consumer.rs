//! Consumes from every nsqd that has the topic.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::sleep;

use super::lookup::lookup;
use super::subscription::Subscription;
use crate::queue::{self, Delivery};

/// How often the lookup daemon is asked while all is well.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// How often it is asked while nsqd is missing.
const LOOK_AGAIN_SOON: Duration = Duration::from_millis(500);

/// The end of the queue that messages come out of.
#[derive(Debug)]
pub(crate) struct Consumer {
    deliveries: mpsc::Receiver<Delivery>,
}

impl Consumer {
    /// Begins to consume, in tasks of their own.
    pub(crate) fn start(lookup: &str, in_flight: u16) -> Self {
        let in_flight = in_flight.max(1);
        let (sender, deliveries) = mpsc::channel(in_flight.into());
        let lookups = lookup.split(',').map(|address| address.trim().to_owned()).collect();
        let discovery = Discovery {
            lookups,
            in_flight,
            known: BTreeSet::new(),
            share: watch::Sender::new(in_flight),
            deliveries: sender,
            subscriptions: JoinSet::new(),
            subscribed: HashMap::new(),
        };
        tokio::spawn(discovery.run());
        Self { deliveries }
    }

    pub(crate) async fn next(&mut self) -> Delivery {
        loop {
            let Some(mut delivery) = self.deliveries.recv().await else {
                // The task that finds nsqd ends after this consumer alone, or with the runtime.
                std::future::pending().await
            };
            match &delivery.unfinished {
                Some(queue::Unfinished::Nsq(message)) if message.is_stale() => delivery.unfinished = None,
                _ => return delivery,
            }
        }
    }
}

/// Keeps a subscription to every nsqd.
#[derive(Debug)]
struct Discovery {
    lookups: Vec<String>,
    in_flight: u16,
    /// Addresses of nsqd, as they were told last.
    known: BTreeSet<String>,
    /// Messages that each nsqd may have out.
    share: watch::Sender<u16>,
    deliveries: mpsc::Sender<Delivery>,
    subscriptions: JoinSet<()>,
    subscribed: HashMap<Id, String>,
}

impl Discovery {
    async fn run(mut self) {
        loop {
            let deliveries = self.deliveries.clone();
            tokio::select! {
                () = deliveries.closed() => break,
                () = self.look() => {}
            }
            tokio::select! {
                () = deliveries.closed() => break,
                () = self.wait() => {}
            }
        }
        // They end by themselves, when nsqd has heard of every message.
        self.subscriptions.detach_all();
    }

    /// Subscribes to what is there and not subscribed to.
    async fn look(&mut self) {
        let mut told = BTreeSet::new();
        let mut complete = true;
        for address in &self.lookups {
            match lookup(address).await {
                Ok(addresses) => told.extend(addresses),
                Err(error) => {
                    complete = false;
                    tracing::warn!(%error, "nsqd is looked for where it was");
                }
            }
        }
        if complete {
            self.known = told;
        } else {
            self.known.extend(told);
        }
        for address in self.known.clone() {
            if self.subscribed.values().any(|subscribed| *subscribed == address) {
                continue;
            }
            match Subscription::open(&address, self.deliveries.clone(), self.share.subscribe()).await {
                Ok(subscription) => {
                    tracing::info!(address, "subscribed to nsqd");
                    let task = self.subscriptions.spawn(subscription.run());
                    self.subscribed.insert(task.id(), address);
                    self.share_out();
                }
                Err(error) => tracing::warn!(%error, "nsqd is tried again"),
            }
        }
    }

    /// Waits until it is time to look again.
    async fn wait(&mut self) {
        let missing = self.subscribed.len() < self.known.len().max(1);
        tokio::select! {
            () = sleep(if missing { LOOK_AGAIN_SOON } else { LOOK_AGAIN }) => {}
            Some(ended) = self.subscriptions.join_next_with_id() => {
                let id = match ended {
                    Ok((id, ())) => id,
                    Err(error) => error.id(),
                };
                self.subscribed.remove(&id);
                self.share_out();
            }
        }
    }

    fn share_out(&self) {
        let subscribed = u16::try_from(self.subscribed.len()).unwrap_or(u16::MAX);
        let share = (self.in_flight / subscribed.max(1)).max(1);
        self.share.send_if_modified(|now| std::mem::replace(now, share) != share);
    }
}
