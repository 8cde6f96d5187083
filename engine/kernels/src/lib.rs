//! SIMD kernels, chosen once at run time by what the CPU offers. The only SIMD code of facerecog, and with the file
//! that maps the index its only `unsafe` code.
//!
//! [`Kernels::chosen`] are those of the best [`Instructions`] there are. [`codes`] is the compact copy of embeddings
//! that a search reads first, [`network`] runs convolutional networks, [`jpeg`] decodes photos,
//! [`job_pool`] shares work between threads.

pub mod codes;
mod instructions;
pub mod job_pool;
pub mod jpeg;
mod kernels;
pub mod network;

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

pub use instructions::{CPU_VARIABLE, Instructions};
pub use kernels::Kernels;
