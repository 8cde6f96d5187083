#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use recognizer_server::fuzzing::Requests;

static REQUESTS: LazyLock<Requests> = LazyLock::new(Requests::new);

fuzz_target!(
    init: {
        // A panic in a decoder is caught and becomes an error; libFuzzer's hook would end the run.
        let _ = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
    },
    |bytes: &[u8]| REQUESTS.request(bytes)
);
