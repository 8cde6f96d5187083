#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // A panic in a decoder is caught and becomes an error; libFuzzer's hook would end the run.
        let _ = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
    },
    |bytes: &[u8]| facerecog_fuzz::photo_decode::photo_decode(bytes)
);
