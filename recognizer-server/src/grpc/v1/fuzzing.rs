//! What the fuzz target `request` and its regression test do with their bytes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};

use facerecog_engine::photo::Limits;
use prost::Message;
use tempfile::TempDir;
use tonic::Status;

use super::known_name::{check_person, image_name};
use super::list_people::{last_name, token};
use super::proto::{
    EnrollRequest, ListPeopleRequest, Photo, RecognizeRequest, RecognizeStreamRequest, ReindexRequest, RemoveRequest,
    VerifyRequest,
};
use super::question::{Question, photo_source};
use crate::grpc::contract::IdentifyRequest;
use crate::grpc::photo_access::{PhotoAccess, PhotoSource};
use crate::grpc::photo_roots::PhotoRoots;

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

    /// Decodes a message, whose kind the first byte tells, checks it as the server does, and opens the
    /// photos that it names.
    ///
    /// # Panics
    /// When a message does not survive being sent on, when a photo outside the folder is opened, or when
    /// a name is let through that is not the name of a file.
    pub fn request(&self, bytes: &[u8]) {
        let Some((kind, bytes)) = bytes.split_first() else { return };
        match kind % 8 {
            0 => {
                if let Some(request) = decoded::<IdentifyRequest>(bytes) {
                    self.open(&PhotoSource::Path(request.image_path.into()));
                }
            }
            1 => {
                if let Some(request) = decoded::<RecognizeRequest>(bytes) {
                    self.ask(Question::new(request.photo, request.options));
                }
            }
            2 => {
                if let Some(request) = decoded::<RecognizeStreamRequest>(bytes) {
                    self.ask(Question::new(request.photo, request.options));
                }
            }
            3 => {
                if let Some(request) = decoded::<EnrollRequest>(bytes) {
                    self.enroll(&request);
                    self.open_any(request.photo);
                }
            }
            4 => {
                if let Some(request) = decoded::<VerifyRequest>(bytes) {
                    self.open_any(request.first);
                    self.open_any(request.second);
                }
            }
            5 => drop(decoded::<RemoveRequest>(bytes)),
            6 => {
                if let Some(ListPeopleRequest { page_token, .. }) = decoded(bytes)
                    && let Ok(Some(name)) = last_name(&page_token)
                {
                    assert_eq!(token(&name), page_token.to_ascii_lowercase());
                }
            }
            _ => drop(decoded::<ReindexRequest>(bytes)),
        }
    }

    fn ask(&self, question: Result<Question, Status>) {
        if let Ok(Question { source, options, .. }) = question {
            assert!((1..=100).contains(&options.top_k) && options.min_face >= 0.0, "{options:?}");
            self.open(&source);
        }
    }

    fn enroll(&self, request: &EnrollRequest) {
        let EnrollRequest { person, image_name: asked, .. } = request;
        if check_person(person).is_err() {
            return;
        }
        for content in [INSIDE, b""] {
            if let Ok(name) = image_name(asked, person, content) {
                for name in [person, &name] {
                    let mut parts = Path::new(name).components();
                    assert!(matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)), "{name:?}");
                    assert!(name.len() <= 255 && !name.contains('\0'), "{name:?}");
                }
            }
        }
    }

    fn open_any(&self, photo: Option<Photo>) {
        if let Ok(source) = photo_source(photo) {
            self.open(&source);
        }
    }

    fn open(&self, source: &PhotoSource) {
        let PhotoSource::Path(path) = source else { return };
        for path in [path, &self.folder.path().join("in").join(path)] {
            match self.photos.read(path) {
                Ok(content) => assert_eq!(content, INSIDE, "{}: read", path.display()),
                Err(status) => assert!(!status.message().is_empty()),
            }
        }
    }
}

fn decoded<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    let sent = message.encode_to_vec();
    // Bytes, since a NaN is not equal to itself.
    let again = M::decode(&*sent).expect("what was decoded can be sent on");
    assert_eq!(again.encode_to_vec(), sent);
    Some(message)
}
