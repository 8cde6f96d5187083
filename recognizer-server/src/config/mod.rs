//! What a server is set up with: flags, environment and a TOML file, made into one [`ServerConfig`].

mod error;
mod file;
mod input;
mod server;

pub(crate) use error::ConfigError;
pub(crate) use input::ServeInput;
pub(crate) use server::{LogFormat, LogLevel, ServerConfig, available_threads, default_index_dir};
