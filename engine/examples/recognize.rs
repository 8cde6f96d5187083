//! Who is on a photo? Enrols the sample folder of known people and names every face, largest first.
//! From the root of the repository:
//!
//! ```text
//! cargo run --release --example recognize examples/group.jpg
//! ```

use std::error::Error;
use std::path::Path;

use facerecog_engine::gallery::{EnrolOptions, Gallery, Verify, enrol};
use facerecog_engine::photo::{Limits, Photo};
use facerecog_engine::recognizer::Recognizer;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("which photo? recognize PHOTO")?;
    let photo = Photo::open(path, &Limits::default())?;
    let recognizer = Recognizer::builtin()?;

    // An index that stays, in place of this temporary one, is only brought up to date by `enrol`.
    let index = tempfile::tempdir()?;
    let identity = recognizer.pack().embedder_identity();
    let known = Path::new("known_people");
    enrol(known, index.path(), &identity, &recognizer, &EnrolOptions::default(), &|_| {})?;
    let gallery = Gallery::open(index.path(), &identity, Verify::Full)?;

    for found in recognizer.identify(&photo, &gallery)? {
        match found.best {
            Some(known) => println!("{} (probability {:.2})", known.person, known.probability),
            None => println!("nobody known"),
        }
    }
    Ok(())
}
