//! How long each step from photo bytes to names takes. `README.md` says how to run and read it.

mod align;
mod decode;
mod detect;
mod embed;
mod identify;
mod packs;
mod photos;
mod quality;
mod search;
mod threads;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let recognizers = packs::recognizers();
    decode::bench(&mut criterion);
    for recognizer in &recognizers {
        detect::bench(&mut criterion, recognizer);
        align::bench(&mut criterion, recognizer);
        quality::bench(&mut criterion, recognizer);
        embed::bench(&mut criterion, recognizer);
        identify::bench(&mut criterion, recognizer);
    }
    search::bench(&mut criterion);
    criterion.final_summary();
}
