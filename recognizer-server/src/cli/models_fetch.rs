//! Bringing a model file here: from its pinned address or from a folder, checked before it counts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use facerecog_engine::model::ModelFile;
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};
use ureq::http::header::{ACCEPT_ENCODING, CONTENT_RANGE, RANGE};
use ureq::http::{Response, StatusCode};

use super::progress;

/// How a file came to be in the model folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Download {
    /// It has been brought here now.
    Fetched,
    /// It was here already, with the right checksum.
    AlreadyThere,
}

/// Why a model file could not be brought here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The address could not be reached, or broke off more often than is worth trying again.
    #[error(
        "could not download {url}: {reason}; the part that came is kept and the next fetch goes on from there. \
         Without a network: download it elsewhere, put it into a folder as {file}, and run: \
         recognizer models fetch {pack} --from FOLDER (or copy it to {} yourself)", .target.display()
    )]
    Unreachable { url: String, reason: String, file: String, pack: String, target: PathBuf },
    /// The bytes are not those that the manifest names.
    #[error("{}: sha256 is {found}, but the manifest says {expected}; the file was not taken", .path.display())]
    WrongChecksum { path: PathBuf, found: String, expected: String },
    /// The folder given with `--from` has no such file.
    #[error("{}: not found; it can be downloaded from {url}", .path.display())]
    NotInFolder { path: PathBuf, url: String },
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// A download that breaks off is taken up again this often, as long as each try brings some bytes.
const MAX_TRIES: u32 = 8;

/// A server that sends nothing for this long is given up.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Brings `file` into `models_dir`, unless it is there already. What has been downloaded is kept in
/// `<file>.part` and only takes the file's name when its checksum is right.
pub(crate) fn fetch(
    file: &ModelFile,
    pack: &str,
    models_dir: &Path,
    from: Option<&Path>,
) -> Result<Download, FetchError> {
    let target = models_dir.join(&file.file);
    if target.exists() && check(&target, file).is_ok() {
        return Ok(Download::AlreadyThere);
    }
    let folder = target.parent().unwrap_or(models_dir);
    fs::create_dir_all(folder).map_err(at(folder))?;
    let part = part_of(&target);
    match from {
        Some(from) => copy(&from.join(&file.file), &part, file)?,
        None => download(file, pack, &target, &part)?,
    }
    fs::rename(&part, &target).map_err(at(&target))?;
    Ok(Download::Fetched)
}

/// Whether the bytes at `path` are those that the manifest names.
pub(crate) fn check(path: &Path, file: &ModelFile) -> Result<(), FetchError> {
    let found = sha256(path).map_err(at(path))?;
    if found.eq_ignore_ascii_case(&file.sha256) {
        Ok(())
    } else {
        Err(FetchError::WrongChecksum { path: path.to_owned(), found, expected: file.sha256.clone() })
    }
}

fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn copy(source: &Path, part: &Path, file: &ModelFile) -> Result<(), FetchError> {
    if !source.is_file() {
        return Err(FetchError::NotInFolder { path: source.to_owned(), url: file.source.clone() });
    }
    check(source, file)?;
    fs::copy(source, part).map_err(at(part))?;
    sync(part)?;
    check(part, file)
}

fn download(file: &ModelFile, pack: &str, target: &Path, part: &Path) -> Result<(), FetchError> {
    let bar = progress::bytes(file.bytes, file.file.clone());
    let unreachable = |reason: String| FetchError::Unreachable {
        url: file.source.clone(),
        reason,
        file: file.file.clone(),
        pack: pack.to_owned(),
        target: target.to_owned(),
    };
    let mut resumed_from_before = length(part)? > 0;
    let mut tries = 0;
    loop {
        let before = length(part)?;
        match continue_download(file, part, before, &bar) {
            Ok(()) => {
                sync(part)?;
                match check(part, file) {
                    Ok(()) => break,
                    // The leftover may be of another version of the file: once, begin afresh.
                    Err(FetchError::WrongChecksum { .. }) if resumed_from_before => {
                        resumed_from_before = false;
                        fs::remove_file(part).map_err(at(part))?;
                    }
                    Err(error) => {
                        fs::remove_file(part).map_err(at(part))?;
                        return Err(error);
                    }
                }
            }
            Err(Interruption::Local(error)) => return Err(error),
            Err(Interruption::Remote(reason)) => {
                tries += 1;
                if length(part)? <= before || tries == MAX_TRIES {
                    return Err(unreachable(reason));
                }
                tracing::info!("{}: broke off ({reason}), going on", file.source);
            }
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Why a try ended before the last byte.
enum Interruption {
    /// The network or the server: worth another try.
    Remote(String),
    /// This machine.
    Local(FetchError),
}

/// Asks for the bytes from `have` on and appends them to `part`.
fn continue_download(file: &ModelFile, part: &Path, have: u64, bar: &ProgressBar) -> Result<(), Interruption> {
    if have >= file.bytes && have > 0 {
        return Ok(());
    }
    let local = |error| Interruption::Local(at(part)(error));
    let mut response = request(&file.source, have)?;
    let resumes = response.status() == StatusCode::PARTIAL_CONTENT && starts_at(&response, have);
    let mut output = OpenOptions::new().create(true).append(true).open(part).map_err(local)?;
    let mut written = have;
    if !resumes {
        output.set_len(0).map_err(local)?;
        written = 0;
    }
    bar.set_position(written);
    // One byte more than expected is enough to know that it is another file.
    let mut body = response.body_mut().as_reader().take(file.bytes + 1 - written.min(file.bytes));
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Err(Interruption::Remote(error.to_string())),
        };
        output.write_all(&buffer[..count]).map_err(local)?;
        written += count as u64;
        bar.set_position(written);
    }
    if written < file.bytes {
        return Err(Interruption::Remote(format!("ended after {written} of {} bytes", file.bytes)));
    }
    Ok(())
}

fn request(url: &str, from: u64) -> Result<Response<ureq::Body>, Interruption> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(STALLED_AFTER))
        .timeout_recv_response(Some(STALLED_AFTER))
        .timeout_per_read(Some(STALLED_AFTER))
        .http_status_as_error(false)
        .build()
        .into();
    // Ranges count bytes of the encoding that is sent, so that only the plain file can be resumed.
    let mut request = agent.get(url).header(ACCEPT_ENCODING, "identity");
    if from > 0 {
        request = request.header(RANGE, format!("bytes={from}-"));
    }
    let response = request.call().map_err(|error| Interruption::Remote(error.to_string()))?;
    match response.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
        status => Err(Interruption::Remote(format!("the server answered {status}"))),
    }
}

/// Whether a partial answer begins at byte `from`: `Content-Range: bytes <from>-…`.
fn starts_at(response: &Response<ureq::Body>, from: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()) == Some(from)
}

fn length(path: &Path) -> Result<u64, FetchError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(at(path)(error)),
    }
}

fn sync(path: &Path) -> Result<(), FetchError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(at(path))
}

fn at(path: &Path) -> impl Fn(io::Error) -> FetchError {
    let path = path.to_owned();
    move |source| FetchError::Io { path: path.clone(), source }
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut bytes = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match bytes.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A real HTTP/1.1 server on the loopback that knows ranges and can hang up early.
    struct FileServer {
        url: String,
        /// The first byte asked for, request by request.
        asked_from: Arc<Mutex<Vec<u64>>>,
    }

    impl FileServer {
        /// Serves `bytes`; each connection ends after `most` bytes of body, when given.
        fn start(bytes: Vec<u8>, most: Option<usize>, ranges: bool) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/model.onnx", listener.local_addr().unwrap());
            let asked_from = Arc::new(Mutex::new(Vec::new()));
            let asked = Arc::clone(&asked_from);
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let from = requested_start(&stream);
                    asked.lock().unwrap().push(from);
                    // A client that hangs up early is its own business.
                    let _ = answer(stream, &bytes, if ranges { from as usize } else { 0 }, most);
                }
            });
            Self { url, asked_from }
        }

        fn asked_from(&self) -> Vec<u64> {
            self.asked_from.lock().unwrap().clone()
        }
    }

    fn requested_start(stream: &TcpStream) -> u64 {
        let mut from = 0;
        for line in BufReader::new(stream).lines() {
            let line = line.unwrap().to_ascii_lowercase();
            if let Some(range) = line.strip_prefix("range: bytes=") {
                from = range.trim_end_matches('-').parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        from
    }

    fn answer(mut stream: TcpStream, bytes: &[u8], from: usize, most: Option<usize>) -> io::Result<()> {
        let body = &bytes[from..];
        let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
        let range = if from > 0 {
            format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len())
        } else {
            String::new()
        };
        write!(stream, "HTTP/1.1 {status}\r\n{range}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
        stream.write_all(&body[..most.unwrap_or(usize::MAX).min(body.len())])
    }

    fn bytes() -> Vec<u8> {
        (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    }

    fn model_file(url: &str, bytes: &[u8]) -> ModelFile {
        ModelFile {
            file: "model.onnx".into(),
            sha256: hex(&Sha256::digest(bytes)),
            bytes: bytes.len() as u64,
            licence: "CC0-1.0".into(),
            source: url.into(),
        }
    }

    #[test]
    fn a_whole_download_takes_the_files_name() {
        let server = FileServer::start(bytes(), None, true);
        let dir = tempfile::tempdir().unwrap();
        let file = model_file(&server.url, &bytes());
        assert_eq!(fetch(&file, "p", dir.path(), None).unwrap(), Download::Fetched);
        assert_eq!(fs::read(dir.path().join("model.onnx")).unwrap(), bytes());
        assert!(!dir.path().join("model.onnx.part").exists());
        assert_eq!(fetch(&file, "p", dir.path(), None).unwrap(), Download::AlreadyThere);
        assert_eq!(server.asked_from(), [0]);
    }

    #[test]
    fn a_download_that_breaks_off_goes_on_where_it_stopped() {
        let server = FileServer::start(bytes(), Some(120_000), true);
        let dir = tempfile::tempdir().unwrap();
        fetch(&model_file(&server.url, &bytes()), "p", dir.path(), None).unwrap();
        assert_eq!(fs::read(dir.path().join("model.onnx")).unwrap(), bytes());
        assert_eq!(server.asked_from(), [0, 120_000, 240_000]);
    }

    #[test]
    fn a_part_of_an_earlier_run_is_continued() {
        let server = FileServer::start(bytes(), None, true);
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("model.onnx.part"), &bytes()[..1000]).unwrap();
        fetch(&model_file(&server.url, &bytes()), "p", dir.path(), None).unwrap();
        assert_eq!(fs::read(dir.path().join("model.onnx")).unwrap(), bytes());
        assert_eq!(server.asked_from(), [1000]);
    }

    #[test]
    fn a_server_without_ranges_sends_it_all_again() {
        let server = FileServer::start(bytes(), None, false);
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("model.onnx.part"), &bytes()[..1000]).unwrap();
        fetch(&model_file(&server.url, &bytes()), "p", dir.path(), None).unwrap();
        assert_eq!(fs::read(dir.path().join("model.onnx")).unwrap(), bytes());
    }

    #[test]
    fn a_leftover_of_another_file_is_thrown_away() {
        let server = FileServer::start(bytes(), None, true);
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("model.onnx.part"), vec![7; 1000]).unwrap();
        fetch(&model_file(&server.url, &bytes()), "p", dir.path(), None).unwrap();
        assert_eq!(fs::read(dir.path().join("model.onnx")).unwrap(), bytes());
        assert_eq!(server.asked_from(), [1000, 0]);
    }

    #[test]
    fn wrong_bytes_are_refused_and_leave_nothing() {
        let mut wrong = bytes();
        wrong[5] ^= 1;
        let server = FileServer::start(wrong, None, true);
        let dir = tempfile::tempdir().unwrap();
        let error = fetch(&model_file(&server.url, &bytes()), "p", dir.path(), None).unwrap_err();
        assert!(matches!(error, FetchError::WrongChecksum { .. }), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn offline_the_error_says_what_to_do() {
        // A port that was free a moment ago: nobody listens.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://{address}/model.onnx");
        let dir = tempfile::tempdir().unwrap();
        let message = fetch(&model_file(&url, &bytes()), "fast", dir.path(), None).unwrap_err().to_string();
        for part in [&url, "models fetch fast --from", dir.path().join("model.onnx").to_str().unwrap()] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_folder_stands_in_for_the_network() {
        let (source, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = model_file("http://127.0.0.1:1/model.onnx", &bytes());
        let error = fetch(&file, "p", dir.path(), Some(source.path())).unwrap_err();
        assert!(matches!(error, FetchError::NotInFolder { .. }), "{error}");

        fs::write(source.path().join("model.onnx"), b"something else").unwrap();
        let error = fetch(&file, "p", dir.path(), Some(source.path())).unwrap_err();
        assert!(matches!(error, FetchError::WrongChecksum { .. }), "{error}");

        fs::write(source.path().join("model.onnx"), bytes()).unwrap();
        assert_eq!(fetch(&file, "p", dir.path(), Some(source.path())).unwrap(), Download::Fetched);
        assert_eq!(fs::read(dir.path().join("model.onnx")).unwrap(), bytes());
    }
}
