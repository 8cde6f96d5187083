//! The services around the recognizer: the [`receiver`] takes paths of photos and stores them, the [`processor`]
//! asks the recognizer who is on them, the [`redeemer`] gives those that failed another try, and the [`frontend`]
//! shows them. [`all`] is the four and the recognizer in one process.
//!
//! Services know each other through the [`store`] (SQLite, or MySQL as the original system has it) and the [`queue`]
//! (inside the process, or NSQ) alone.

pub mod all;
pub mod config;
pub mod frontend;
pub mod image;
pub mod processor;
pub mod queue;
pub mod receiver;
pub mod recognizer;
pub mod redeemer;
pub mod store;
pub mod telemetry;

mod cli;
mod http_client;
mod http_server;
mod upload_folder;

pub use cli::run;
