//! What can be wrong with a graph, or with the image it is run on.

use crate::Instructions;

use super::Precision;

/// A graph that cannot be run on any image, or not on this CPU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A node that contradicts itself or what it reads.
    #[error("node {node} ({name}): {reason}")]
    Node {
        /// Its index.
        node: usize,
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Something that concerns no node alone.
    #[error("{0}")]
    Graph(String),
    /// The CPU does not have these.
    #[error("this CPU has no {} instructions", .0.name())]
    NoInstructions(Instructions),
    /// The instructions have no products of this precision.
    #[error("no {} on this CPU with {} instructions: choose precision f32", precision.name(), instructions.name())]
    NoPrecision {
        /// Asked for.
        precision: Precision,
        /// Asked for.
        instructions: Instructions,
    },
}

/// An image that a network cannot be run on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The slice is no map of the given size.
    #[error("an image of {channels}×{height}×{width} has not {numbers} numbers")]
    WrongLength {
        /// Channels the network reads.
        channels: usize,
        /// As given.
        height: usize,
        /// As given.
        width: usize,
        /// Length of the slice.
        numbers: usize,
    },
    /// A layer whose maps do not fit together at this size of the image.
    #[error("an image of {height}×{width}: layer {layer}: {reason}")]
    Size {
        /// As given.
        height: usize,
        /// As given.
        width: usize,
        /// Name of the layer.
        layer: String,
        /// What is wrong.
        reason: String,
    },
}
