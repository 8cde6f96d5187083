//! What runs a network, and what each of its layers takes.

use facerecog_kernels::network::Layer;

/// How a network is run.
#[derive(Debug, Clone)]
pub enum Explanation {
    /// By our kernels.
    Kernels {
        /// In the order in which they run. The time of each is its least of several runs.
        layers: Vec<Layer>,
        /// Bytes of memory for maps, for each thread.
        map_bytes: usize,
        /// Bytes of the packed weights, for all threads.
        weight_bytes: usize,
    },
    /// By tract.
    Tract {
        /// Why.
        reason: String,
    },
}
