//! `pipeline all`: the whole system and the recognizer in one process, on free ports.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A path in the repository.
pub(crate) fn in_repository(path: &str) -> String {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path).canonicalize().expect("it is in the repository");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// The command in `folder`, on free ports of this host, untouched by the environment of whoever runs the tests.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeline"));
    command.env_clear().current_dir(folder).arg("all");
    for service in ["RECEIVER", "FRONTEND"] {
        command.env(format!("{service}_HOST"), "127.0.0.1").env(format!("{service}_PORT"), "0");
    }
    command
}

/// A process that ends with the test.
#[derive(Debug)]
pub(crate) struct AllProcess {
    child: Child,
    receiver: String,
    frontend: String,
}

impl AllProcess {
    /// Starts it; returns when it answers, which is before it has learned the known people.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("pipeline starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut host = |before: &str, after: &str| {
            let line = lines.next().expect("a line").expect("text");
            let address = line.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            let port = address.and_then(|address| address.strip_prefix("http://localhost:"));
            format!("127.0.0.1:{}", port.unwrap_or_else(|| panic!("it said {line:?}")))
        };
        let receiver = host("send photos to ", "/images");
        let frontend = host("photos and people: ", "");
        Self { child, receiver, frontend }
    }

    /// `host:port` of the receiver.
    pub(crate) fn receiver(&self) -> &str {
        &self.receiver
    }

    /// `host:port` of the page.
    pub(crate) fn frontend(&self) -> &str {
        &self.frontend
    }

    /// Ends it with SIGTERM.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(told.success());
        self.child.wait().expect("its end")
    }
}

impl Drop for AllProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
