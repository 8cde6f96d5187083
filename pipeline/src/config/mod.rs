//! Settings: flags and environment variables, with the original system's names.

mod frontend;

pub use frontend::FrontendSettings;
