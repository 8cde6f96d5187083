//! Enrolment from real folders of real image files.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use facerecog_engine::BoundingBox;
use facerecog_engine::embed::{Embedding, Metric};
use facerecog_engine::gallery::{
    EnrolError, EnrolLimits, EnrolOptions, EnrolRefusal, EnrolledFace, EnrolmentEmbedder, EnrolmentReport, Gallery,
    GalleryError, IndexWriter, KnownFolderFingerprint, OutlierCheck, QualityCheck, Verify, current_generation, enrol,
    verify,
};
use facerecog_engine::model::EmbedderIdentity;
use facerecog_engine::photo::Limits;
use facerecog_engine::quality::Fault;
use tempfile::TempDir;

/// Photos of this shade and lighter ones have a face of little quality.
const DULL: u8 = 250;

/// Decodes photos and takes the mean of each channel for the embedding. The red of the first pixel
/// is the number of faces.
#[derive(Default)]
struct MeanColour {
    calls: AtomicUsize,
}

impl EnrolmentEmbedder for MeanColour {
    fn embed(&self, bytes: &[u8], _limits: &Limits) -> Result<EnrolledFace, EnrolRefusal> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let refusal = |code: &str, message: String| EnrolRefusal { code: code.into(), message };
        let photo = image::load_from_memory(bytes).map_err(|error| refusal("broken_image", error.to_string()))?;
        let photo = photo.to_rgb8();
        let faces_seen = u32::from(photo.get_pixel(0, 0)[0]);
        if faces_seen == 0 {
            return Err(refusal("no_face", "no face was found".into()));
        }
        let dull = photo.get_pixel(1, 1)[0] >= DULL;
        let mut sums = [0.0; 3];
        photo.pixels().for_each(|pixel| (0..3).for_each(|channel| sums[channel] += f32::from(pixel[channel])));
        let pixels = (photo.width() * photo.height()) as f32;
        Ok(EnrolledFace {
            embedding: Embedding::new(sums.map(|sum| sum / pixels).to_vec(), Metric::Euclidean),
            bbox: BoundingBox::new(0.0, 0.0, photo.width() as f32, photo.height() as f32),
            score: 0.9,
            quality: if dull { 0.05 } else { 0.8 },
            fault: dull.then_some(Fault::Blurred),
            faces_seen,
        })
    }
}

/// A known folder and an index folder.
struct Place {
    folder: TempDir,
    embedder: MeanColour,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), embedder: MeanColour::default() };
        fs::create_dir(place.known()).unwrap();
        place
    }

    fn known(&self) -> PathBuf {
        self.folder.path().join("known")
    }

    fn index(&self) -> PathBuf {
        self.folder.path().join("index")
    }

    /// Writes a PNG with this many faces and this shade, last changed an hour ago.
    fn photo(&self, source: &str, faces: u8, shade: u8) {
        let path = self.known().join(source);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_photo(&path, faces, shade);
    }

    fn file(&self, source: &str, content: &[u8]) {
        let path = self.known().join(source);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        age(&path, 3600);
    }

    fn try_enrol(&self, options: &EnrolOptions) -> Result<EnrolmentReport, EnrolError> {
        enrol(&self.known(), &self.index(), &identity(), &self.embedder, options, &|_| {})
    }

    fn enrol(&self) -> EnrolmentReport {
        self.try_enrol(&EnrolOptions::default()).unwrap()
    }

    /// How often the embedder was called since this was last asked.
    fn calls(&self) -> usize {
        self.embedder.calls.swap(0, Ordering::Relaxed)
    }

    fn gallery(&self) -> Gallery {
        Gallery::open(&self.index(), &identity(), Verify::Full).unwrap()
    }

    /// `source=person` of each row.
    fn rows(&self) -> Vec<String> {
        let gallery = self.gallery();
        let row = |row| (gallery.row(row).source, gallery.row(row).person, gallery.row(row).image_name);
        (0..gallery.rows())
            .map(row)
            .inspect(|(source, _, image_name)| assert_eq!(source.rsplit('/').next().unwrap(), *image_name))
            .map(|(source, person, _)| format!("{source}={person}"))
            .collect()
    }
}

fn identity() -> EmbedderIdentity {
    EmbedderIdentity { digest: [5; 32], dims: 3, metric: Metric::Euclidean }
}

fn write_photo(path: &Path, faces: u8, shade: u8) {
    let mut photo = image::RgbImage::from_pixel(4, 3, image::Rgb([shade, shade, 255 - shade]));
    photo.put_pixel(0, 0, image::Rgb([faces, 0, 0]));
    photo.save_with_format(path, image::ImageFormat::Png).unwrap();
    age(path, 3600);
}

fn age(path: &Path, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    File::options().append(true).open(path).unwrap().set_modified(then).unwrap();
}

fn skipped(report: &EnrolmentReport) -> Vec<(&str, &str)> {
    report.skipped.iter().map(|skipped| (skipped.photo.as_str(), skipped.code.as_str())).collect()
}

fn warnings(report: &EnrolmentReport) -> Vec<(&str, &str)> {
    report.warnings.iter().map(|warning| (warning.photo.as_str(), warning.code.as_str())).collect()
}

/// added, unchanged, removed
fn changes(report: &EnrolmentReport) -> (usize, usize, usize) {
    (report.added, report.unchanged, report.removed)
}

#[test]
fn flat_files_and_folders_of_people_are_enrolled() {
    let place = Place::new();
    for (shade, source) in
        ["hannibal_1.jpg", "hannibal_2.jpg.bak", "ada/x.png", "ada/deep/er/y_7.GIF", "obama.jpg", ".jpg", "赵薇_1.webp"]
            .iter()
            .enumerate()
    {
        place.photo(source, 1, shade as u8 * 10);
    }
    place.file("notes.txt", b"not a photo");
    place.file("ada/Thumbs.db", b"not a photo either");
    let report = place.enrol();
    let expected = [
        ".jpg=.jpg",
        "ada/deep/er/y_7.GIF=ada",
        "ada/x.png=ada",
        "hannibal_1.jpg=hannibal",
        "hannibal_2.jpg.bak=hannibal",
        "obama.jpg=obama",
        "赵薇_1.webp=赵薇",
    ];
    assert_eq!(place.rows(), expected);
    assert_eq!((report.generation, report.photos, report.embeddings, report.people), (1, 7, 7, 5));
    assert_eq!((changes(&report), report.embedded), ((7, 0, 0), 7));
    assert_eq!((skipped(&report), warnings(&report)), (vec![], vec![]));
    assert_eq!(report.index, place.index().to_str().unwrap());
    let gallery = place.gallery();
    let row = gallery.row(2);
    assert_eq!((row.bbox, row.score), (BoundingBox::new(0.0, 0.0, 4.0, 3.0), 0.9));
    assert_eq!((row.quality, row.faces_seen), (0.8, 1));
    let bytes = fs::read(place.known().join("ada/x.png")).unwrap();
    assert_eq!((row.file.size, row.file.digest), (bytes.len() as u64, *blake3::hash(&bytes).as_bytes()));
    assert_eq!(gallery.search(row.embedding, 1).unwrap()[0].row, 2);
}

#[test]
fn the_report_has_the_documented_json_form() {
    let place = Place::new();
    place.photo("a.png", 1, 1);
    place.photo("wall.png", 0, 1);
    let json = serde_json::to_value(place.enrol()).unwrap();
    for (key, expected) in [
        ("generation", 1),
        ("photos", 2),
        ("embeddings", 1),
        ("people", 1),
        ("added", 1),
        ("unchanged", 0),
        ("removed", 0),
    ] {
        assert_eq!(json[key], expected, "{key}");
    }
    let expected = serde_json::json!([{"photo": "wall.png", "code": "no_face", "message": "no face was found"}]);
    assert_eq!(json["skipped"], expected);
    assert!(json["seconds"].is_f64() && json["index"].is_string());
}

#[test]
fn only_what_changed_is_embedded() {
    let place = Place::new();
    for number in 0..20 {
        place.photo(&format!("p{number:02}.png"), 1, number);
    }
    place.photo("faceless.png", 0, 1);
    place.file("broken.png", b"no image at all");
    let first = place.enrol();
    assert_eq!((place.calls(), first.embedded, first.generation), (22, 22, 1));

    // Nothing changed.
    let again = place.enrol();
    assert_eq!((place.calls(), again.generation, changes(&again)), (0, 1, (0, 20, 0)));
    assert_eq!(skipped(&again), [("broken.png", "broken_image"), ("faceless.png", "no_face")]);
    assert_eq!(again.skipped, first.skipped);

    // One new, one changed, one gone, one touched.
    place.photo("new.png", 1, 200);
    place.photo("p03.png", 1, 201);
    fs::remove_file(place.known().join("p04.png")).unwrap();
    age(&place.known().join("p05.png"), 7200);
    let report = place.enrol();
    assert_eq!((place.calls(), report.embedded, report.generation, changes(&report)), (2, 2, 2, (2, 18, 1)));
    assert_eq!(report.embeddings, 20);
    let gallery = place.gallery();
    let changed = (0..gallery.rows()).map(|row| gallery.row(row)).find(|row| row.source == "p03.png").unwrap();
    assert!(changed.embedding[1] > 180.0, "{:?}", changed.embedding);

    // A photo of someone becomes one of nobody.
    place.photo("p06.png", 0, 202);
    let report = place.enrol();
    assert_eq!((place.calls(), report.embeddings, changes(&report)), (1, 19, (0, 19, 1)));
}

#[test]
fn unchanged_files_are_not_read() {
    let place = Place::new();
    place.photo("a.png", 1, 1);
    place.enrol();
    let path = place.known().join("a.png");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let size = fs::metadata(&path).unwrap().len();
    fs::write(&path, vec![b'x'; size as usize]).unwrap();
    File::options().append(true).open(&path).unwrap().set_modified(modified).unwrap();
    let report = place.enrol();
    assert_eq!((report.generation, report.unchanged, skipped(&report)), (1, 1, vec![]));
}

#[test]
fn a_file_too_young_for_its_time_to_be_trusted_is_compared_by_content() {
    let place = Place::new();
    place.photo("a.png", 1, 10);
    let path = place.known().join("a.png");
    // In the future: no clock step can make the test pass or fail by chance.
    let soon = SystemTime::now() + Duration::from_secs(600);
    let set_time = || File::options().append(true).open(&path).unwrap().set_modified(soon).unwrap();
    set_time();
    place.enrol();
    let size = fs::metadata(&path).unwrap().len();
    assert_eq!((place.enrol().generation, place.calls()), (1, 1));

    // The same size, the same time.
    write_photo(&path, 1, 11);
    assert_eq!(fs::metadata(&path).unwrap().len(), size, "the test needs photos of one size");
    set_time();
    let report = place.enrol();
    assert_eq!((report.generation, report.embedded), (2, 1));
}

#[test]
fn a_touched_photo_is_read_once_and_not_embedded() {
    let place = Place::new();
    place.photo("a.png", 1, 1);
    place.photo("wall.png", 0, 1);
    place.enrol();
    place.calls();
    for source in ["a.png", "wall.png"] {
        age(&place.known().join(source), 7200);
    }
    let report = place.enrol();
    assert_eq!((place.calls(), report.generation, changes(&report)), (0, 2, (0, 1, 0)));
    assert_eq!(place.enrol().generation, 2);
}

#[test]
fn a_renamed_photo_is_not_embedded_again() {
    let place = Place::new();
    place.photo("ada_1.png", 1, 1);
    place.photo("wall_1.png", 0, 1);
    place.enrol();
    place.calls();
    fs::create_dir(place.known().join("grace")).unwrap();
    fs::rename(place.known().join("ada_1.png"), place.known().join("grace/g.png")).unwrap();
    fs::rename(place.known().join("wall_1.png"), place.known().join("wall_2.png")).unwrap();
    let report = place.enrol();
    assert_eq!((place.calls(), changes(&report)), (0, (1, 0, 1)));
    assert_eq!(place.rows(), ["grace/g.png=grace"]);
    assert_eq!(skipped(&report), [("wall_2.png", "no_face")]);
}

#[test]
fn full_embeds_everything_again() {
    let place = Place::new();
    place.photo("a.png", 1, 1);
    place.photo("wall.png", 0, 1);
    place.enrol();
    place.calls();
    let report = place.try_enrol(&EnrolOptions { full: true, ..EnrolOptions::default() }).unwrap();
    assert_eq!((place.calls(), report.generation, report.embeddings), (2, 2, 1));
}

#[test]
fn a_dry_run_changes_nothing() {
    let place = Place::new();
    place.photo("a_1.png", 1, 1);
    place.photo("a_2.png", 1, 2);
    let dry = EnrolOptions { dry_run: true, ..EnrolOptions::default() };
    let report = place.try_enrol(&dry).unwrap();
    assert_eq!((report.generation, report.embeddings, report.people, report.embedded), (0, 2, 1, 0));
    assert_eq!(changes(&report), (2, 0, 0));
    assert!(!place.index().exists());

    place.enrol();
    place.calls();
    place.photo("b.png", 1, 3);
    fs::remove_file(place.known().join("a_1.png")).unwrap();
    let report = place.try_enrol(&dry).unwrap();
    assert_eq!((place.calls(), report.generation, changes(&report)), (0, 1, (1, 1, 1)));
    assert_eq!((report.embeddings, report.people), (2, 2));
    assert_eq!(place.rows(), ["a_1.png=a", "a_2.png=a"]);
}

#[test]
fn of_two_files_of_one_name_the_first_is_taken() {
    let place = Place::new();
    place.photo("bob/me.png", 1, 1);
    place.photo("ada/me.png", 1, 2);
    place.photo("me.png", 1, 3);
    let report = place.enrol();
    assert_eq!(place.rows(), ["ada/me.png=ada"]);
    assert_eq!(skipped(&report), [("bob/me.png", "duplicate_name"), ("me.png", "duplicate_name")]);
    for skipped in &report.skipped {
        assert!(skipped.message.contains("ada/me.png") && skipped.message.contains(&skipped.photo), "{skipped:?}");
    }
    assert_eq!((report.photos, report.embedded), (3, 1));
    assert_eq!(place.enrol().generation, 1);
}

#[test]
fn what_cannot_be_enrolled_is_reported_and_the_rest_goes_in() {
    let place = Place::new();
    place.photo("good.png", 1, 1);
    place.photo("crowd.png", 4, 1);
    place.photo("wall.png", 0, 1);
    place.file("broken.jpg", b"\xff\xd8\xff and no more");
    place.file("empty.png", b"");
    place.file("large.png", &[0; 5000]);
    let fifo = place.known().join("pipe.jpg");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    symlink("/dev/zero", place.known().join("zero.png")).unwrap();
    symlink("nowhere", place.known().join("dangling.png")).unwrap();
    symlink("nowhere", place.known().join("dangling")).unwrap();
    fs::write(place.known().join(std::ffi::OsStr::from_bytes(b"caf\xe9.jpg")), "x").unwrap();
    fs::create_dir(place.known().join(std::ffi::OsStr::from_bytes(b"ren\xe9"))).unwrap();
    fs::create_dir(place.known().join("a folder.jpg")).unwrap();
    let limits = EnrolLimits { photo: Limits { max_file_bytes: 4096, ..Limits::default() }, ..EnrolLimits::default() };
    let options = EnrolOptions { limits, ..EnrolOptions::default() };
    let report = place.try_enrol(&options).unwrap();
    let expected = [
        ("broken.jpg", "broken_image"),
        ("caf\u{fffd}.jpg", "name_not_utf8"),
        ("dangling.png", "not_found"),
        ("empty.png", "broken_image"),
        ("large.png", "file_too_large"),
        ("pipe.jpg", "not_a_file"),
        ("ren\u{fffd}", "name_not_utf8"),
        ("wall.png", "no_face"),
        ("zero.png", "not_a_file"),
    ];
    assert_eq!(skipped(&report), expected);
    assert_eq!(warnings(&report), [("crowd.png", "several_faces")]);
    assert_eq!(place.rows(), ["crowd.png=crowd", "good.png=good"]);

    // Those that were decoded once are not decoded again; the report says the same.
    place.calls();
    let again = place.try_enrol(&options).unwrap();
    assert_eq!((place.calls(), again.generation), (0, 1));
    assert_eq!((&again.skipped, &again.warnings), (&report.skipped, &report.warnings));
}

#[test]
fn links_are_followed_once() {
    let place = Place::new();
    place.photo("bob/b.png", 1, 1);
    let elsewhere = place.folder.path().join("elsewhere");
    fs::create_dir_all(elsewhere.join("deep")).unwrap();
    write_photo(&elsewhere.join("deep/e.png"), 1, 2);
    write_photo(&place.folder.path().join("single.png"), 1, 3);
    let link = |to: &Path, at: &str| symlink(to, place.known().join(at)).unwrap();
    // A person in another place, twice; real folders come first, then links by name.
    link(&elsewhere, "eve");
    link(&elsewhere, "eve again");
    // Cycles of every length, and the way out of the folder.
    link(&place.known(), "bob/up");
    link(Path::new(".."), "alice");
    link(Path::new("/"), "root");
    link(Path::new("self"), "self");
    symlink("..", elsewhere.join("deep/back")).unwrap();
    // Before the folder it points to, by name.
    link(Path::new("bob"), "a link");
    link(Path::new("../single.png"), "carol_2.png");
    let report = place.enrol();
    assert_eq!(place.rows(), ["bob/b.png=bob", "carol_2.png=carol", "eve/deep/e.png=eve"]);
    assert_eq!(skipped(&report), [("self", "unreadable")]);
}

#[test]
fn a_missing_known_folder_leaves_the_index_alone() {
    let place = Place::new();
    place.photo("a.png", 1, 1);
    let missing = || {
        enrol(
            &place.folder.path().join("missing"),
            &place.index(),
            &identity(),
            &place.embedder,
            &EnrolOptions::default(),
            &|_| {},
        )
    };
    assert!(matches!(missing(), Err(EnrolError::KnownFolder { .. })));
    assert!(!place.index().exists());
    place.enrol();
    let error = missing().unwrap_err();
    assert!(error.to_string().contains(place.folder.path().join("missing").to_str().unwrap()), "{error}");
    let file = place.known().join("a.png");
    let error = enrol(&file, &place.index(), &identity(), &place.embedder, &EnrolOptions::default(), &|_| {});
    assert!(matches!(error, Err(EnrolError::KnownFolder { .. })));
    assert_eq!(place.rows(), ["a.png=a"]);
    verify(&place.index()).unwrap();
}

#[test]
fn a_known_folder_that_goes_away_half_way_leaves_the_index_alone() {
    let place = Place::new();
    place.photo("a.png", 1, 1);
    place.enrol();
    for number in 0..50 {
        place.photo(&format!("{number}.png"), 1, number);
    }
    // As when a volume is unmounted: an empty folder takes its place.
    let unmount = |_| {
        if fs::rename(place.known(), place.folder.path().join("away")).is_ok() {
            fs::create_dir(place.known()).unwrap();
        }
    };
    let once = Mutex::new(Some(unmount));
    let result = enrol(&place.known(), &place.index(), &identity(), &place.embedder, &EnrolOptions::default(), &|_| {
        if let Some(unmount) = once.lock().unwrap().take() {
            unmount(());
        }
    });
    assert!(matches!(result, Err(EnrolError::KnownFolderReplaced { .. })), "{result:?}");
    assert_eq!(place.rows(), ["a.png=a"]);
}

/// Links that lead to themselves cannot be read even by root, who is refused nothing by permissions.
#[test]
fn what_cannot_be_read_for_the_moment_keeps_its_rows() {
    let place = Place::new();
    place.photo("ada/1.png", 1, 1);
    place.photo("ada/2.png", 1, 2);
    place.photo("ada lovelace/3.png", 1, 3);
    place.photo("bob.png", 1, 4);
    place.photo("wall.png", 0, 4);
    place.enrol();
    place.calls();
    for source in ["ada", "bob.png", "wall.png"] {
        let path = place.known().join(source);
        fs::rename(&path, place.folder.path().join(source)).unwrap();
        symlink(source, &path).unwrap();
    }
    place.photo("new.png", 1, 5);
    let report = place.enrol();
    assert_eq!(place.rows().len(), 5);
    assert_eq!((place.calls(), changes(&report), report.generation), (1, (1, 4, 0), 2));
    assert_eq!(warnings(&report), [("ada", "unreadable"), ("bob.png", "unreadable"), ("wall.png", "unreadable")]);
    assert_eq!(skipped(&report), [("wall.png", "no_face")]);
    // Also when all is to be embedded again.
    let report = place.try_enrol(&EnrolOptions { full: true, ..EnrolOptions::default() }).unwrap();
    assert_eq!((place.calls(), report.embeddings), (2, 5));

    fs::remove_file(place.known().join("ada")).unwrap();
    assert_eq!(changes(&place.enrol()), (0, 3, 2));
}

#[test]
fn an_index_of_another_embedder_or_a_broken_one_is_rebuilt() {
    let place = Place::new();
    place.photo("a.png", 1, 1);
    let other = EmbedderIdentity { digest: [6; 32], dims: 3, metric: Metric::Euclidean };
    enrol(&place.known(), &place.index(), &other, &place.embedder, &EnrolOptions::default(), &|_| {}).unwrap();
    let report = place.enrol();
    assert_eq!((report.generation, report.embedded), (2, 1));
    assert!(report.rebuilt.unwrap().contains("embedder"));
    assert_eq!(place.rows(), ["a.png=a"]);

    // A damaged embedding must not be copied into a generation with right checksums.
    let path = place.index().join("gallery.2.idx");
    let mut bytes = fs::read(&path).unwrap();
    let embeddings = u64::from_le_bytes(bytes[96 + 8..96 + 16].try_into().unwrap()) as usize;
    bytes[embeddings] ^= 1;
    fs::write(&path, bytes).unwrap();
    let report = place.enrol();
    assert_eq!((report.generation, report.embedded), (3, 1));
    assert!(report.rebuilt.unwrap().contains("checksum of embeddings"));

    fs::remove_file(place.index().join("gallery.3.idx")).unwrap();
    assert_eq!(place.enrol().generation, 4);
    verify(&place.index()).unwrap();
    assert_eq!(place.enrol().rebuilt, None);
}

#[test]
fn a_second_enrolment_at_the_same_time_is_refused() {
    let place = Place::new();
    place.photo("a.png", 1, 1);
    let _other = IndexWriter::lock(&place.index()).unwrap();
    let error = place.try_enrol(&EnrolOptions::default()).unwrap_err();
    assert!(matches!(error, EnrolError::Gallery(GalleryError::Locked { .. })), "{error}");
    assert_eq!(current_generation(&place.index()).unwrap(), None);
}

#[test]
fn an_empty_known_folder_makes_an_empty_gallery() {
    let place = Place::new();
    let report = place.enrol();
    assert_eq!((report.generation, report.photos, place.gallery().rows()), (1, 0, 0));
    assert_eq!(place.enrol().generation, 1);
}

#[test]
fn too_many_photos_are_refused() {
    let place = Place::new();
    for number in 0..4 {
        place.photo(&format!("{number}.png"), 1, number);
    }
    let options = |max_photos| EnrolOptions {
        limits: EnrolLimits { max_photos, ..EnrolLimits::default() },
        ..EnrolOptions::default()
    };
    let error = place.try_enrol(&options(3)).unwrap_err();
    assert!(matches!(error, EnrolError::TooManyPhotos { limit: 3, .. }), "{error}");
    assert_eq!(place.try_enrol(&options(4)).unwrap().embeddings, 4);
}

#[test]
fn progress_names_every_photo_once() {
    let place = Place::new();
    for number in 0..30 {
        place.photo(&format!("{number}.png"), number % 2, number);
    }
    let seen: Mutex<HashMap<String, usize>> = Mutex::default();
    let progress = |at: facerecog_engine::gallery::EnrolProgress<'_>| {
        assert_eq!(at.total, 30);
        assert!(seen.lock().unwrap().insert(at.path.to_owned(), at.done).is_none());
    };
    enrol(&place.known(), &place.index(), &identity(), &place.embedder, &EnrolOptions::default(), &progress).unwrap();
    let mut done: Vec<usize> = seen.lock().unwrap().values().copied().collect();
    done.sort();
    assert_eq!(done, (1..=30).collect::<Vec<_>>());
}

#[test]
fn embeddings_of_another_length_are_refused() {
    let place = Place::new();
    place.photo("a.png", 1, 1);
    let wider = EmbedderIdentity { dims: 4, ..identity() };
    let error = enrol(&place.known(), &place.index(), &wider, &place.embedder, &EnrolOptions::default(), &|_| {});
    assert!(matches!(error, Err(EnrolError::Gallery(GalleryError::InvalidRow { .. }))));
    assert_eq!(current_generation(&place.index()).unwrap(), None);
}

/// Notes which photos are asked for, and panics at the photo of this number.
struct Killed<'a> {
    place: &'a Place,
    at: usize,
}

impl EnrolmentEmbedder for Killed<'_> {
    fn embed(&self, bytes: &[u8], limits: &Limits) -> Result<EnrolledFace, EnrolRefusal> {
        if self.place.embedder.calls.load(Ordering::Relaxed) >= self.at {
            std::panic::panic_any("killed here");
        }
        self.place.embedder.embed(bytes, limits)
    }
}

impl Place {
    /// Enrols until this many photos are embedded, and no further.
    fn enrol_until_killed(&self, at: usize, options: &EnrolOptions) {
        let embedder = Killed { place: self, at };
        let enrol = || enrol(&self.known(), &self.index(), &identity(), &embedder, options, &|_| {}).map(drop);
        // One thread, so that the number is exact.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let killed = pool.install(|| std::panic::catch_unwind(std::panic::AssertUnwindSafe(enrol)));
        assert!(killed.is_err(), "it was to be killed");
    }

    fn journal(&self) -> PathBuf {
        self.index().join("ENROLMENT")
    }
}

#[test]
fn what_was_finished_before_a_kill_is_not_embedded_again() {
    let place = Place::new();
    for number in 0..20 {
        place.photo(&format!("p{number:02}.png"), number % 5, number);
    }
    place.enrol_until_killed(8, &EnrolOptions::default());
    assert_eq!((place.calls(), current_generation(&place.index()).unwrap()), (8, None));
    // Killed once more.
    place.enrol_until_killed(4, &EnrolOptions::default());
    assert_eq!(place.calls(), 4);
    assert!(place.journal().exists());
    let report = place.enrol();
    assert_eq!((report.resumed, report.embedded, place.calls()), (12, 8, 8));
    assert_eq!((report.generation, report.added, report.skipped.len()), (1, 16, 4));
    assert!(!place.journal().exists(), "the index holds what it said");

    // The same as without a kill.
    let other = Place { folder: tempfile::tempdir().unwrap(), embedder: MeanColour::default() };
    fs::rename(place.known(), other.known()).unwrap();
    let whole = other.enrol();
    assert_eq!((&whole.skipped, &whole.warnings), (&report.skipped, &report.warnings));
    let (one, two) = (place.gallery(), other.gallery());
    assert_eq!(one.rows(), two.rows());
    (0..one.rows()).for_each(|row| assert_eq!(one.row(row), two.row(row)));
    assert!(one.skipped().eq(two.skipped()));
}

#[test]
fn full_takes_nothing_from_an_enrolment_that_was_killed() {
    let place = Place::new();
    for number in 0..6 {
        place.photo(&format!("{number}.png"), 1, number);
    }
    place.enrol_until_killed(3, &EnrolOptions::default());
    place.calls();
    let full = EnrolOptions { full: true, ..EnrolOptions::default() };
    let report = place.try_enrol(&full).unwrap();
    assert_eq!((report.resumed, report.embedded, place.calls()), (0, 6, 6));
    assert!(!place.journal().exists());
}

#[test]
fn a_journal_that_is_damaged_or_in_the_way_stops_nobody() {
    let place = Place::new();
    for number in 0..6 {
        place.photo(&format!("{number}.png"), 1, number);
    }
    place.enrol_until_killed(3, &EnrolOptions::default());
    place.calls();
    let mut bytes = fs::read(place.journal()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(place.journal(), bytes).unwrap();
    let report = place.enrol();
    assert_eq!((report.resumed, report.embedded), (2, 4));

    fs::create_dir(place.journal()).unwrap();
    place.photo("6.png", 1, 6);
    let report = place.enrol();
    assert_eq!((report.resumed, report.embedded, report.embeddings, report.generation), (0, 1, 7, 2));
    verify(&place.index()).unwrap();
}

#[test]
fn a_dry_run_leaves_the_journal_alone() {
    let place = Place::new();
    for number in 0..4 {
        place.photo(&format!("{number}.png"), 1, number);
    }
    place.enrol_until_killed(2, &EnrolOptions::default());
    let before = fs::read(place.journal()).unwrap();
    place.try_enrol(&EnrolOptions { dry_run: true, ..EnrolOptions::default() }).unwrap();
    assert_eq!(fs::read(place.journal()).unwrap(), before);
    assert_eq!(place.enrol().resumed, 2);
}

/// Shades are apart by √3 times their difference.
fn outliers(reject: bool) -> EnrolOptions {
    EnrolOptions { outliers: Some(OutlierCheck { threshold: 50.0, reject }), ..EnrolOptions::default() }
}

#[test]
fn a_photo_of_somebody_else_is_warned_of_and_left_out_when_asked() {
    let place = Place::new();
    for (source, shade) in
        [("ada/1.png", 10), ("ada/2.png", 15), ("ada/3.png", 200), ("bob_1.png", 10), ("bob_2.png", 202)]
    {
        place.photo(source, 1, shade);
    }
    let report = place.try_enrol(&outliers(false)).unwrap();
    assert_eq!((warnings(&report), report.embeddings), (vec![("ada/3.png", "unlike_the_person")], 5));
    // What is known is judged as well, and again.
    place.calls();
    let report = place.try_enrol(&outliers(true)).unwrap();
    assert_eq!((skipped(&report), warnings(&report)), (vec![("ada/3.png", "unlike_the_person")], vec![]));
    assert_eq!((report.embeddings, changes(&report), report.generation), (4, (0, 4, 1), 2));
    let report = place.try_enrol(&outliers(true)).unwrap();
    assert_eq!((skipped(&report), report.generation), (vec![("ada/3.png", "unlike_the_person")], 2));
    assert_eq!(place.calls(), 0, "nothing that was known is embedded again");
    assert_eq!(place.rows(), ["ada/1.png=ada", "ada/2.png=ada", "bob_1.png=bob", "bob_2.png=bob"]);

    // Another person's photos change nothing.
    place.photo("bob_3.png", 1, 12);
    let report = place.try_enrol(&outliers(true)).unwrap();
    assert_eq!((skipped(&report).len(), place.calls()), (2, 1));
    assert_eq!(skipped(&report), [("ada/3.png", "unlike_the_person"), ("bob_2.png", "unlike_the_person")]);

    // A photo that it is like: both are in.
    place.photo("ada/4.png", 1, 205);
    let report = place.try_enrol(&outliers(true)).unwrap();
    assert_eq!((skipped(&report), place.calls()), (vec![("bob_2.png", "unlike_the_person")], 2));
    assert_eq!((report.added, report.embeddings), (2, 6));

    // The check is left off: whoever was left out is in.
    let report = place.enrol();
    assert_eq!((skipped(&report), report.embeddings, place.calls()), (vec![], 7, 1));
}

#[test]
fn a_photo_left_out_comes_back_when_the_others_go_or_it_moves() {
    let place = Place::new();
    for (source, shade) in [("ada/1.png", 10), ("ada/2.png", 15), ("ada/3.png", 200), ("eve/4.png", 201)] {
        place.photo(source, 1, shade);
    }
    assert_eq!(skipped(&place.try_enrol(&outliers(true)).unwrap()), [("ada/3.png", "unlike_the_person")]);
    fs::rename(place.known().join("ada/3.png"), place.known().join("eve/3.png")).unwrap();
    let report = place.try_enrol(&outliers(true)).unwrap();
    assert_eq!((skipped(&report), report.embeddings), (vec![], 4));

    fs::rename(place.known().join("eve/3.png"), place.known().join("ada/3.png")).unwrap();
    assert_eq!(skipped(&place.try_enrol(&outliers(true)).unwrap()), [("ada/3.png", "unlike_the_person")]);
    fs::remove_file(place.known().join("ada/2.png")).unwrap();
    let report = place.try_enrol(&outliers(true)).unwrap();
    assert_eq!((skipped(&report), report.embeddings, report.removed), (vec![], 3, 1));
    // Touching one that is left out makes it be looked at, and no new generation.
    place.photo("ada/5.png", 1, 11);
    assert_eq!(skipped(&place.try_enrol(&outliers(true)).unwrap()), [("ada/3.png", "unlike_the_person")]);
    place.calls();
    let generation = place.try_enrol(&outliers(true)).unwrap().generation;
    assert_eq!((generation, place.calls()), (current_generation(&place.index()).unwrap().unwrap(), 0));
}

#[test]
fn photos_that_vanish_while_the_folder_is_read_are_left_out() {
    let place = Place::new();
    for number in 0..40 {
        place.photo(&format!("{number:02}.png"), 1, number);
    }
    let vanished = Mutex::new(0);
    let report = enrol(&place.known(), &place.index(), &identity(), &place.embedder, &EnrolOptions::default(), &|at| {
        if at.path.ends_with("00.png") {
            for number in 0..40 {
                // Those that were read already are in.
                *vanished.lock().unwrap() +=
                    usize::from(fs::remove_file(place.known().join(format!("{number:02}.png"))).is_ok());
            }
        }
    })
    .unwrap();
    assert_eq!(*vanished.lock().unwrap(), 40);
    assert_eq!(report.embeddings + report.skipped.len(), 40);
    assert!(report.skipped.iter().all(|skipped| skipped.code == "not_found"), "{:?}", report.skipped);
    assert_eq!(changes(&place.enrol()), (0, 0, report.embeddings));
}

#[test]
fn a_fingerprint_changes_with_what_would_be_enrolled_and_with_nothing_else() {
    let place = Place::new();
    let of = || KnownFolderFingerprint::of(&place.known(), 5).unwrap();
    let at = |name: &str| place.known().join(name);
    let mut seen = vec![of()];
    let mut changed = |what: &str, change: &dyn Fn()| {
        change();
        assert!(!seen.contains(&of()), "{what} is not seen");
        seen.push(of());
        assert_eq!(of(), *seen.last().unwrap());
    };
    changed("a new photo", &|| place.photo("a.png", 1, 1));
    changed("another time", &|| age(&at("a.png"), 7200));
    changed("another size", &|| {
        let before = fs::metadata(at("a.png")).unwrap().modified().unwrap();
        place.file("a.png", b"shorter");
        File::options().append(true).open(at("a.png")).unwrap().set_modified(before).unwrap();
    });
    changed("another name", &|| fs::rename(at("a.png"), at("b.png")).unwrap());
    changed("a photo in a folder", &|| place.photo("ada/a.png", 1, 1));
    changed("a photo that is none", &|| symlink("nowhere", at("c.png")).unwrap());
    changed("a photo that cannot be read", &|| symlink("d.png", at("d.png")).unwrap());
    changed("too many", &|| (0..4).for_each(|number| place.photo(&format!("{number}.png"), 1, 1)));
    (0..4).for_each(|number| fs::remove_file(at(&format!("{number}.png"))).unwrap());

    let before = of();
    place.file("notes.txt", b"not a photo");
    place.file(".enrolling-1-1", b"half of one");
    symlink("/", at("everything")).unwrap();
    symlink(place.known(), at("again")).unwrap();
    assert_eq!(of(), before);
    assert!(matches!(KnownFolderFingerprint::of(&at("nowhere"), 5), Err(EnrolError::KnownFolder { .. })));
}

#[test]
fn a_journal_of_what_is_in_the_index_is_of_no_account() {
    let place = Place::new();
    for number in 0..4 {
        place.photo(&format!("{number}.png"), 1, number);
    }
    place.enrol_until_killed(3, &EnrolOptions::default());
    let left = fs::read(place.journal()).unwrap();
    place.enrol();
    place.calls();
    // Killed between the last step of publishing and the removal.
    fs::write(place.journal(), &left).unwrap();
    let report = place.enrol();
    assert_eq!((report.resumed, report.embedded, report.generation, changes(&report)), (0, 0, 1, (0, 4, 0)));
    assert!(!place.journal().exists());

    // All is asked for anew, and that is killed before the first answer.
    fs::write(place.journal(), &left).unwrap();
    place.enrol_until_killed(0, &EnrolOptions { full: true, ..EnrolOptions::default() });
    assert!(!place.journal().exists());
}

fn least_quality(least: f32) -> EnrolOptions {
    EnrolOptions { quality: QualityCheck { least, ..QualityCheck::default() }, ..EnrolOptions::default() }
}

#[test]
fn a_photo_of_low_quality_is_warned_of_and_left_out_when_asked() {
    let place = Place::new();
    place.photo("ada.png", 1, 10);
    place.photo("bob.png", 1, DULL);
    let report = place.enrol();
    assert_eq!((warnings(&report), report.embeddings), (vec![("bob.png", "low_quality")], 2));
    assert_eq!(report.warnings[0].message, "the face is blurred: quality 0.05");
    // What the index keeps is the number alone.
    let report = place.enrol();
    assert_eq!((warnings(&report), report.generation), (vec![("bob.png", "low_quality")], 1));
    assert_eq!(report.warnings[0].message, "its face is hard to recognise: quality 0.05");

    // What is known is judged as well.
    place.calls();
    let report = place.try_enrol(&least_quality(0.2)).unwrap();
    assert_eq!((skipped(&report), warnings(&report)), (vec![("bob.png", "low_quality")], vec![]));
    assert_eq!((changes(&report), report.generation, place.calls()), ((0, 1, 1), 2, 0));
    // It is looked at again, and nothing is written for it.
    let report = place.try_enrol(&least_quality(0.2)).unwrap();
    assert_eq!((skipped(&report), report.generation, place.calls()), (vec![("bob.png", "low_quality")], 2, 1));
    let message = &report.skipped[0].message;
    assert_eq!(message, "the face is blurred: quality 0.05, must be 0.2 at least");
    assert_eq!(place.rows(), ["ada.png=ada"]);

    // Another photo of this content is not taken for one without a face.
    place.photo("eve.png", 1, DULL);
    let report = place.try_enrol(&least_quality(0.05)).unwrap();
    assert_eq!((skipped(&report), report.embeddings, report.generation), (vec![], 3, 3));
    // Nothing is asked for: nothing is left out.
    let report = place.try_enrol(&least_quality(0.9)).unwrap();
    assert_eq!((report.embeddings, skipped(&report).len()), (0, 3));
    assert_eq!(place.enrol().embeddings, 3);
}
