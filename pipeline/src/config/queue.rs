//! Settings of the queue.

/// Where ids of photos are queued.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Queue")]
pub struct ProducerSettings {
    /// nsqd, over TCP
    #[arg(long, env = "NSQ_PRODUCER_ADDRESS", value_name = "HOST:PORT", default_value = "127.0.0.1:4150")]
    pub producer_address: String,
}

/// Where ids of photos come from.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Queue")]
pub struct ConsumerSettings {
    /// nsqlookupd, over HTTP, which names every nsqd; several are parted by commas
    #[arg(long, env = "NSQ_LOOKUP_ADDRESS", value_name = "HOST:PORT", default_value = "127.0.0.1:4161")]
    pub nsq_lookup_address: String,
}
