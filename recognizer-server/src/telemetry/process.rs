//! What the process takes of the machine.

/// Numbers of this process; 0 where the system does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ProcessNumbers {
    /// Memory in use, in bytes, mapped files included.
    pub(super) resident_bytes: u64,
    /// Memory in use that belongs to the process alone, in bytes.
    pub(super) private_bytes: u64,
    pub(super) threads: u64,
    pub(super) open_files: u64,
}

impl ProcessNumbers {
    /// The numbers now, as Linux tells them in `/proc`.
    pub(super) fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let open_files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as u64;
        Self {
            resident_bytes: field(&status, "VmRSS:") << 10,
            private_bytes: field(&status, "RssAnon:") << 10,
            threads: field(&status, "Threads:"),
            // The listing has a descriptor of its own.
            open_files: open_files.saturating_sub(1),
        }
    }
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_by_name() {
        let status = "Name:\trecognizer\nVmRSS:\t   123456 kB\nThreads:\t9\n";
        assert_eq!((field(status, "VmRSS:"), field(status, "Threads:"), field(status, "RssAnon:")), (123_456, 9, 0));
    }

    #[test]
    fn this_process_has_memory_threads_and_files() {
        let now = ProcessNumbers::now();
        assert!(now.resident_bytes > now.private_bytes && now.private_bytes > 0, "{now:?}");
        assert!(now.threads > 0 && now.open_files > 0, "{now:?}");
    }
}
