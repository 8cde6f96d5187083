//! Our side of `make compare WORK=search`: searches a gallery of the rows that the peers search too, on one thread, as
//! `search.py` asks for it. Also makes and opens the gallery of `WORK=search-open`.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use facerecog_engine::BoundingBox;
use facerecog_engine::embed::Metric;
use facerecog_engine::gallery::{Gallery, IndexWriter, Row, SourceFile, Verify, current_generation};
use facerecog_engine::model::EmbedderIdentity;

const DIMS: usize = 128;
const IDENTITY: EmbedderIdentity = EmbedderIdentity { digest: [0; 32], dims: DIMS, metric: Metric::Cosine };
type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: compare_search make INDEX ROWS.f32 COUNT | serve INDEX PROBES.f32 | open INDEX";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", index, rows, count] => make(Path::new(index), &read_floats(rows)?, count.parse()?),
        ["serve", index, probes] => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
            pool.install(|| serve(Path::new(index), &read_floats(probes)?))?;
            Ok(())
        }
        ["open", index] => open(Path::new(index)),
        // Also what `cargo bench` and `cargo test` would run.
        _ => Err(USAGE.into()),
    }
}

fn read_floats(path: &str) -> std::io::Result<Vec<f32>> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

/// Publishes a gallery of `count` rows unless there is one. When there are fewer embeddings, they are taken again from
/// the first.
fn make(index: &Path, embeddings: &[f32], count: usize) -> Result<(), Failure> {
    if current_generation(index).ok().flatten().is_some() {
        return Ok(());
    }
    // A name has 8 digits, so that the rows need no string each.
    let names: String = (0..count).map(|row| format!("{row:08}")).collect();
    let rows: Vec<Row<'_>> = embeddings
        .chunks_exact(DIMS)
        .cycle()
        .zip(0..count)
        .map(|(embedding, row)| Row {
            image_name: &names[8 * row..8 * row + 8],
            // Ten rows each.
            person: &names[8 * (row / 10)..8 * (row / 10) + 8],
            source: &names[8 * row..8 * row + 8],
            file: SourceFile { size: 1, modified_ns: 0, settled: true, digest: [0; 32] },
            bbox: BoundingBox::default(),
            score: 1.0,
            quality: 1.0,
            faces_seen: 1,
            embedding,
        })
        .collect();
    IndexWriter::lock(index)?.publish(&IDENTITY, &rows, &[])?;
    Ok(())
}

/// Answers each line of the input with one line: `one FIRST COUNT` and `many FIRST COUNT` with the milliseconds of
/// searching for so many probes, one after the other or together; `rows FIRST COUNT` with the nearest row of each.
fn serve(index: &Path, probes: &[f32]) -> Result<(), Failure> {
    // Checking every byte also brings the file into memory, where a gallery in use is.
    let gallery = Gallery::open(index, &IDENTITY, Verify::Full)?;
    let probes: Vec<&[f32]> = probes.chunks_exact(DIMS).collect();
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [work, first, count] = line.split(' ').collect::<Vec<_>>()[..] else { return Err(line.into()) };
        let first: usize = first.parse()?;
        let probes = &probes[first..first + count.parse::<usize>()?];
        let start = Instant::now();
        match work {
            "one" => {
                for probe in probes {
                    std::hint::black_box(gallery.search(probe, 1)?);
                }
                writeln!(output, "{}", start.elapsed().as_secs_f64() * 1e3)?;
            }
            "many" => {
                std::hint::black_box(gallery.search_many(probes, 1)?);
                writeln!(output, "{}", start.elapsed().as_secs_f64() * 1e3)?;
            }
            "rows" => {
                let rows: Vec<String> =
                    gallery.search_many(probes, 1)?.iter().map(|hits| hits[0].row.to_string()).collect();
                writeln!(output, "{}", rows.join(" "))?;
            }
            _ => return Err(line.into()),
        }
        output.flush()?;
    }
    Ok(())
}

/// Prints how long opening took and what memory of its own it needs: what the process has besides mapped files.
fn open(index: &Path) -> Result<(), Failure> {
    let start = Instant::now();
    let gallery = Gallery::open(index, &IDENTITY, Verify::Header)?;
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let private = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no RssAnon in the status")?;
    let kibibytes: f64 = private.trim().trim_end_matches(" kB").parse()?;
    println!("{milliseconds} {} {}", kibibytes / 1024.0, gallery.rows());
    Ok(())
}
