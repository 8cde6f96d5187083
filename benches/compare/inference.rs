//! Our side of `make compare WORK=inference`, and tract's: runs one network as `inference.py` asks for it.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use facerecog_engine::model::{Network, Precision, Ranges};
use tract_onnx::prelude::*;

type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: compare_inference FILE.onnx f32|bf16|int8|tract HEIGHT WIDTH [CALIBRATION.f32]";

/// Threads of `both`.
const THREADS: usize = 2;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Also what `cargo bench` and `cargo test` would run.
    let [file, how, height, width, ref calibration @ ..] = arguments[..] else { return Err(USAGE.into()) };
    let size = [height.parse()?, width.parse()?];
    let images = match calibration {
        [] => Vec::new(),
        [calibration] => read_images(calibration, size)?,
        _ => return Err(USAGE.into()),
    };
    serve(&Runner::load(file, how, size, &images)?, size)
}

enum Runner {
    Ours(Box<Network>),
    Tract(Arc<TypedRunnableModel>),
}

impl Runner {
    fn load(file: &str, how: &str, [height, width]: [usize; 2], calibration: &[Vec<f32>]) -> Result<Self, Failure> {
        if how == "tract" {
            let graph = tract_onnx::onnx()
                .with_ignore_output_shapes(true)
                .with_ignore_value_info(true)
                .model_for_path(file)?
                .with_input_fact(0, f32::fact([1, 3, height, width]).into())?;
            return Ok(Self::Tract(graph.into_optimized()?.into_runnable()?));
        }
        let precision = Precision::named(how).ok_or(USAGE)?;
        let onnx = std::fs::read(file)?;
        let mut ranges = Ranges::new();
        if precision == Precision::Int8 {
            let network = Network::parse(file, &onnx)?;
            for image in calibration {
                network.record(height, width, image, &mut ranges)?;
            }
        }
        let network = Network::parse_in(file, &onnx, precision, &ranges)?;
        // Another's time would be measured.
        if let facerecog_engine::model::Explanation::Tract { reason } = network.explain(height, width)? {
            return Err(format!("{file}: not run by our kernels: {reason}").into());
        }
        Ok(Self::Ours(Box::new(network)))
    }

    /// All outputs, one after the other.
    fn run(&self, [height, width]: [usize; 2], image: &[f32]) -> Result<Vec<Vec<f32>>, Failure> {
        match self {
            Self::Ours(network) => {
                Ok(network.run(height, width, image)?.into_iter().map(|output| output.values).collect())
            }
            Self::Tract(plan) => {
                let outputs = plan.run(tvec!(Tensor::from_shape(&[1, 3, height, width], image)?.into()))?;
                let numbers = |output: &TValue| Ok(output.to_plain_array_view::<f32>()?.iter().copied().collect());
                outputs.iter().map(numbers).collect()
            }
        }
    }
}

fn read_images(path: &str, [height, width]: [usize; 2]) -> Result<Vec<Vec<f32>>, Failure> {
    let bytes = std::fs::read(path)?;
    let numbers: Vec<f32> = bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
    Ok(numbers.chunks_exact(3 * height * width).map(<[f32]>::to_vec).collect())
}

/// Answers each line of the input with one line:
///
/// - `outputs IMAGES.f32 OUTPUTS.f32`: writes the outputs for each image, one after the other; answers with their count.
/// - `run IMAGES.f32 COUNT`: milliseconds of each of so many runs on the first image.
/// - `both IMAGES.f32 COUNT`: milliseconds of so many runs on each of two threads at once, in all.
fn serve(runner: &Runner, size: [usize; 2]) -> Result<(), Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build()?;
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [work, images, last] = line.split(' ').collect::<Vec<_>>()[..] else { return Err(line.into()) };
        let images = read_images(images, size)?;
        match work {
            "outputs" => {
                let mut bytes = Vec::new();
                for image in &images {
                    for numbers in runner.run(size, image)? {
                        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
                    }
                }
                std::fs::write(last, &bytes)?;
                writeln!(output, "{}", bytes.len() / 4)?;
            }
            "run" => {
                let mut times = Vec::new();
                for _ in 0..last.parse()? {
                    let start = Instant::now();
                    std::hint::black_box(runner.run(size, &images[0])?);
                    times.push((start.elapsed().as_secs_f64() * 1e3).to_string());
                }
                writeln!(output, "{}", times.join(" "))?;
            }
            "both" => {
                let count: usize = last.parse()?;
                let start = Instant::now();
                let ends = pool.broadcast(|thread| {
                    for _ in 0..count {
                        std::hint::black_box(runner.run(size, &images[thread.index() % images.len()])?);
                    }
                    Ok::<(), Failure>(())
                });
                let milliseconds = start.elapsed().as_secs_f64() * 1e3;
                ends.into_iter().collect::<Result<(), _>>()?;
                writeln!(output, "{milliseconds}")?;
            }
            _ => return Err(line.into()),
        }
        output.flush()?;
    }
    Ok(())
}
