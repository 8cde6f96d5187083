//! The whole system in one process, with the recognizer, as somebody with a browser meets it.

use std::env;
use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// How often, and how many times, something is looked for that is about to happen.
const PAUSE: Duration = Duration::from_millis(100);
const LOOKS: usize = 600;

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// The recognizer's program: built into the same folder, unless told otherwise.
fn recognizer() -> PathBuf {
    let beside = || Path::new(env!("CARGO_BIN_EXE_pipeline")).with_file_name("recognizer");
    env::var_os("FACERECOG_RECOGNIZER").map_or_else(beside, PathBuf::from)
}

/// What a script prints, without its line end; none when it fails.
fn printed(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::inherit()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    output.status.success().then(|| text.trim_end().to_owned())
}

/// A port that is free now.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// A program, untouched by the environment of whoever runs the tests.
fn program(path: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(path);
    command.env_clear();
    command
}

/// Starts a program in `folder`, and waits until it answers on all `ports`.
fn started(command: &mut Command, folder: &Path, ports: &[u16]) -> Process {
    command.current_dir(folder);
    let mut process = Process(command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")));
    for port in ports {
        for look in 0.. {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok() {
                break;
            }
            let ended = process.0.try_wait().expect("its state");
            assert!(ended.is_none() && look < LOOKS, "{command:?} does not answer on port {port}: {ended:?}");
            sleep(PAUSE);
        }
    }
    process
}

#[test]
fn people_use_the_page() {
    let tests = repository().join("tests/browser");
    let Some(chromium) = printed(&mut Command::new(tests.join("chromium.sh"))) else {
        println!("skipped: there is no Chromium, and it cannot be installed");
        return;
    };
    let venv = repository().join("tests/peers/venv.sh");
    let python = printed(Command::new(venv).arg(&tests).arg("browser-venv")).expect("a Python environment");

    let dir = tempfile::tempdir().unwrap();
    let (grpc, frontend, receiver) = (free_port(), free_port(), free_port());
    let mut recognizer = program(recognizer());
    recognizer.args(["serve", "--metrics-address", "off", "--index", "index", "--known"]);
    recognizer.arg(repository().join("known_people")).args(["--addr", &format!("127.0.0.1:{grpc}")]);
    let _recognizer = started(&mut recognizer, dir.path(), &[grpc]);

    let mut all = program(env!("CARGO_BIN_EXE_pipeline"));
    all.arg("all").env("GRPC_ADDRESS", format!("127.0.0.1:{grpc}"));
    for (service, port) in [("FRONTEND", frontend), ("RECEIVER", receiver)] {
        all.env(format!("{service}_HOST"), "127.0.0.1").env(format!("{service}_PORT"), port.to_string());
    }
    // Photos stay FAILED until the page retries them.
    all.env("REDEEMER_FIRST_DELAY_SECONDS", "3600").env("REDEEMER_LONGEST_DELAY_SECONDS", "3600");
    let _all = started(&mut all, dir.path(), &[frontend, receiver]);

    let mut drive = Command::new(python);
    drive.arg(tests.join("drive.py")).args(["--chromium", &chromium]);
    drive.arg("--frontend").arg(format!("http://127.0.0.1:{frontend}"));
    drive.arg("--receiver").arg(format!("http://127.0.0.1:{receiver}"));
    drive.arg("--examples").arg(repository().join("examples"));
    // Where to save what the README shows.
    if let Some(pictures) = env::var_os("FACERECOG_PICTURES") {
        drive.arg("--pictures").arg(pictures);
    }
    assert_eq!(printed(&mut drive).as_deref(), Some("ok"));
}
