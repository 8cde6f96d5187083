//! Style, script and icons, in the binary. Their address holds a digest of them all, so that browsers may keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/live.js");
const ICON: &str = include_str!("assets/icon.svg");

/// Shown in place of a photo that cannot be.
pub(super) const NO_PICTURE: &str = include_str!("assets/no-picture.svg");

/// Where pages find what they need.
pub(super) static ADDRESSES: LazyLock<Addresses> = LazyLock::new(|| {
    let digest = [STYLE, SCRIPT, ICON].iter().fold(blake3::Hasher::new(), |mut hasher, asset| {
        hasher.update(asset.as_bytes());
        hasher
    });
    let digest = digest.finalize().to_hex()[..16].to_owned();
    let address = |name: &str| format!("/assets/{digest}/{name}");
    Addresses { style: address("style.css"), script: address("live.js"), icon: address("icon.svg"), digest }
});

#[derive(Debug)]
pub(super) struct Addresses {
    pub(super) style: String,
    pub(super) script: String,
    pub(super) icon: String,
    digest: String,
}

/// Answers `/assets/{digest}/{name}`. A page of another version gets what there is, and may not keep it: during a
/// rolling update pages and assets come from different servers.
pub(super) async fn asset(Path((digest, name)): Path<(String, String)>) -> Response {
    let (kind, content) = match name.as_str() {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "live.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let keep = if digest == ADDRESSES.digest { "public, max-age=31536000, immutable" } else { "no-store" };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)], content).into_response()
}
