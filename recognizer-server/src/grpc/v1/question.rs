//! What a request asks, checked before it takes a place in the queue.

use facerecog_engine::recognizer::RecognizeOptions;
use tonic::Status;

use super::proto;
use crate::grpc::photo_access::PhotoSource;
use crate::grpc::status::bad_request;

/// Most people named for a face.
const MOST_MATCHES: u32 = 100;

/// A photo and what to find on it.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) source: PhotoSource,
    pub(super) options: RecognizeOptions,
    pub(super) include_embeddings: bool,
}

impl Question {
    pub(super) fn new(photo: Option<proto::Photo>, options: Option<proto::RecognizeOptions>) -> Result<Self, Status> {
        let options = options.unwrap_or_default();
        Ok(Self {
            source: photo_source(photo)?,
            options: recognize_options(&options)?,
            include_embeddings: options.include_embeddings,
        })
    }
}

/// INVALID_ARGUMENT for a request without a photo.
pub(super) fn photo_source(photo: Option<proto::Photo>) -> Result<PhotoSource, Status> {
    match photo.and_then(|photo| photo.source) {
        Some(proto::photo::Source::Content(bytes)) => Ok(PhotoSource::Bytes(bytes)),
        Some(proto::photo::Source::Path(path)) if path.is_empty() => Err(bad_request("bad_path", "the path is empty")),
        Some(proto::photo::Source::Path(path)) => Ok(PhotoSource::Path(path.into())),
        None => Err(bad_request("no_photo", "the request has no photo; give its content or its path")),
    }
}

fn recognize_options(options: &proto::RecognizeOptions) -> Result<RecognizeOptions, Status> {
    let &proto::RecognizeOptions { top_k, min_face, min_similarity, .. } = options;
    if top_k > MOST_MATCHES {
        return Err(bad_request("bad_option", &format!("top_k is {top_k}, more than {MOST_MATCHES}")));
    }
    if !(0.0..=f32::MAX).contains(&min_face) {
        return Err(bad_request("bad_option", &format!("min_face is {min_face}, not a number of pixels")));
    }
    if let Some(least) = min_similarity
        && !(-1.0..=1.0).contains(&least)
    {
        return Err(bad_request("bad_option", &format!("min_similarity is {least}, not a number from -1 to 1")));
    }
    Ok(RecognizeOptions { top_k: top_k.max(1) as usize, min_face, min_similarity })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::status::reason_of;

    #[test]
    fn options_are_checked_and_have_their_defaults() {
        let parsed = |options| recognize_options(&options).map_err(|status| reason_of(&status));
        let default = proto::RecognizeOptions::default();
        assert_eq!(parsed(default), Ok(RecognizeOptions::default()));
        let all = proto::RecognizeOptions {
            top_k: 100,
            min_face: 80.0,
            min_similarity: Some(-1.0),
            include_embeddings: true,
        };
        let wanted = RecognizeOptions { top_k: 100, min_face: 80.0, min_similarity: Some(-1.0) };
        assert_eq!(parsed(all), Ok(wanted));
        for bad in [
            proto::RecognizeOptions { top_k: 101, ..default },
            proto::RecognizeOptions { min_face: -1.0, ..default },
            proto::RecognizeOptions { min_face: f32::NAN, ..default },
            proto::RecognizeOptions { min_face: f32::INFINITY, ..default },
            proto::RecognizeOptions { min_similarity: Some(1.5), ..default },
            proto::RecognizeOptions { min_similarity: Some(f32::NAN), ..default },
        ] {
            assert_eq!(parsed(bad), Err("bad_option".to_owned()), "{bad:?}");
        }
    }
}
