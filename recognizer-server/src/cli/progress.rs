//! Progress bars on standard error; nothing is drawn when it is not a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts things done of `total`.
pub(crate) fn counting(total: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}  {per_sec}  {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_prefix(what)
}

/// A bar that counts bytes of a download.
pub(crate) fn bytes(total: u64, file: String) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_prefix(file)
}
