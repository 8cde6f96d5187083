//! Settings: flags and environment variables, with the original system's names.

mod processor;
mod redeemer;

pub use processor::ProcessorSettings;
pub use redeemer::RedeemerSettings;
