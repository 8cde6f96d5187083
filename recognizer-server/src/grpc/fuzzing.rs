//! What the fuzz target `request` and its regression test do with their bytes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use facerecog_engine::photo::Limits;
use prost::Message;
use tempfile::TempDir;

use super::contract::IdentifyRequest;
use super::photo_access::PhotoAccess;
use super::photo_roots::PhotoRoots;
use super::v1::proto::{
    EnrollRequest, ListPeopleRequest, Photo, RecognizeRequest, RecognizeStreamRequest, ReindexRequest, RemoveRequest,
    VerifyRequest, photo::Source,
};

/// One red pixel, and one blue.
const INSIDE: &[u8] = b"P3 1 1 255 255 0 0";
const OUTSIDE: &[u8] = b"P3 1 1 255 0 0 255";

/// Takes requests as bytes from the wire.
#[derive(Debug)]
pub struct Requests {
    folder: TempDir,
    photos: PhotoAccess,
}

impl Requests {
    /// With a folder of photos that callers may name, and one beside it that they may not.
    ///
    /// # Panics
    /// When there is no place for temporary files.
    #[expect(clippy::new_without_default, reason = "it writes files")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        for (place, photo) in [(&inside, INSIDE), (&outside, OUTSIDE)] {
            fs::create_dir(place).expect("a folder");
            fs::write(place.join("a"), photo).expect("a photo");
        }
        for (target, link) in [("../out/a", "l"), ("../out", "d"), ("a", "k")] {
            symlink(target, inside.join(link)).expect("a link");
        }
        let roots = PhotoRoots::new(&[inside]).expect("the folder is there");
        let limits = Limits { max_pixels: 1 << 20, max_decode_bytes: 64 << 20, ..Limits::default() };
        Self { folder, photos: PhotoAccess { roots, limits } }
    }

    /// Decodes a message, whose kind the first byte tells, and opens the photos that it names.
    ///
    /// # Panics
    /// When a message does not survive being sent on, or a photo outside the folder is opened.
    pub fn request(&self, bytes: &[u8]) {
        let Some((kind, bytes)) = bytes.split_first() else { return };
        match kind % 8 {
            0 => self.open(decoded::<IdentifyRequest>(bytes).map(|request| Source::Path(request.image_path))),
            1 => self.open(decoded::<RecognizeRequest>(bytes).and_then(|request| source(request.photo))),
            2 => self.open(decoded::<RecognizeStreamRequest>(bytes).and_then(|request| source(request.photo))),
            3 => self.open(decoded::<EnrollRequest>(bytes).and_then(|request| source(request.photo))),
            4 => {
                if let Some(request) = decoded::<VerifyRequest>(bytes) {
                    self.open(source(request.first));
                    self.open(source(request.second));
                }
            }
            5 => drop(decoded::<RemoveRequest>(bytes)),
            6 => drop(decoded::<ListPeopleRequest>(bytes)),
            _ => drop(decoded::<ReindexRequest>(bytes)),
        }
    }

    fn open(&self, source: Option<Source>) {
        let path = match source {
            Some(Source::Path(path)) => path,
            Some(Source::Content(_)) | None => return,
        };
        let inside = self.folder.path().join("in").join(&path);
        for path in [Path::new(&path), &inside] {
            match self.photos.open(path) {
                Ok(photo) => assert_eq!(photo.rgb(), [255, 0, 0], "{}: opened", path.display()),
                Err(status) => assert!(!status.message().is_empty()),
            }
        }
    }
}

fn source(photo: Option<Photo>) -> Option<Source> {
    photo?.source
}

fn decoded<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    let sent = message.encode_to_vec();
    // Bytes, since a NaN is not equal to itself.
    let again = M::decode(&*sent).expect("what was decoded can be sent on");
    assert_eq!(again.encode_to_vec(), sent);
    Some(message)
}
