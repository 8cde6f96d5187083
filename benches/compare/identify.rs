//! Our side of `make compare WORK=identify`: tells who is on photos of `known_people/`, on one thread, as `identify.py`
//! asks for it.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use facerecog_engine::detect::DetectOptions;
use facerecog_engine::gallery::{EnrolOptions, Gallery, Verify, enrol};
use facerecog_engine::model::Manifest;
use facerecog_engine::photo::{self, Limits};
use facerecog_engine::recognizer::{IdentifiedFace, Recognizer};

type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: compare_identify KNOWN_PEOPLE MODELS";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Also what `cargo bench` and `cargo test` would run.
    let [known, models] = &arguments[..] else { return Err(USAGE.into()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    pool.install(|| serve(Path::new(known), Path::new(models)))
}

/// Answers each line of the input with one line:
///
/// - `who PHOTO`: how many faces there are, and of the largest the name and x, y, width and height.
/// - `run PHOTO COUNT`: milliseconds of each of so many times of reading the file and telling who is on it.
fn serve(known: &Path, models: &Path) -> Result<(), Failure> {
    let pack = Manifest::builtin().pack("fast", Some(models))?;
    let recognizer = Recognizer::new(pack, DetectOptions::default())?;
    let (index, identity) = (tempfile::tempdir()?, recognizer.pack().embedder_identity());
    enrol(known, index.path(), &identity, &recognizer, &EnrolOptions::default(), &|_| {})?;
    let gallery = Gallery::open(index.path(), &identity, Verify::Full)?;
    let identify = |photo: &str| -> Result<Vec<IdentifiedFace>, Failure> {
        let limits = Limits::default();
        let file = photo::read(photo, &limits)?;
        Ok(recognizer.identify(&recognizer.decode(&file, &limits, 0.0)?, &gallery)?)
    };
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["who", photo] => {
                let faces = identify(photo)?;
                let largest = faces.first().ok_or("no face was found")?;
                let name = largest.best.as_ref().map_or("-", |best| best.person.as_str());
                let [x, y, width, height] = <[f32; 4]>::from(largest.face.bbox);
                writeln!(output, "{} {name} {x} {y} {width} {height}", faces.len())?;
            }
            ["run", photo, count] => {
                let mut times = Vec::new();
                for _ in 0..count.parse()? {
                    let start = Instant::now();
                    std::hint::black_box(identify(photo)?);
                    times.push((start.elapsed().as_secs_f64() * 1e3).to_string());
                }
                writeln!(output, "{}", times.join(" "))?;
            }
            _ => return Err(line.into()),
        }
        output.flush()?;
    }
    Ok(())
}
