//! `recognizer models explain`.

use std::path::Path;

use facerecog_engine::model::{Explanation, Layer, Network, NetworkBytes, Precision, Ranges};
use serde::Serialize;

use super::error::CliError;
use super::session::Session;
use super::table;

/// Height and width of the image for a network that takes every size.
const USUAL_SIZE: [usize; 2] = [640, 640];

/// How one network is run.
#[derive(Serialize)]
struct NetworkRecord {
    file: String,
    /// `kernels` or `tract`.
    run_by: &'static str,
    /// Why it is run by tract.
    reason: Option<String>,
    height: usize,
    width: usize,
    precision: &'static str,
    milliseconds: f64,
    multiplications: u64,
    gflops: f64,
    /// Memory for maps, for each thread.
    map_bytes: usize,
    /// Packed weights, for all threads.
    weight_bytes: usize,
    layers: Vec<LayerRecord>,
}

#[derive(Serialize)]
struct LayerRecord {
    layer: String,
    kernel: String,
    /// Channels, height and width of what it gives.
    shape: [usize; 3],
    multiplications: u64,
    milliseconds: f64,
    /// A multiplication and its addition are two. Those of the layer's definition: Winograd's way takes fewer.
    gflops: f64,
    /// Of the network's time, 0…1.
    share: f64,
}

/// Explains a pack, or a file that is in none.
pub(super) fn explain(session: &Session, what: &str, size: Option<[usize; 2]>) -> Result<(), CliError> {
    if session.manifest.entry(what).is_err() && Path::new(what).is_file() {
        let onnx = NetworkBytes::open(what).map_err(|error| CliError::Failed(format!("{what}: {error}")))?;
        let precision = session.precision.unwrap_or(Precision::F32);
        return answer(session, &Network::parse_in(what, &onnx, precision, &Ranges::new())?, size);
    }
    let pack = session.manifest.pack(what, Some(&session.models_dir))?;
    let side = pack.entry().embedder.input_side as usize;
    for network in pack.detector_networks()? {
        answer(session, &network, size)?;
    }
    answer(session, &pack.embedder_network()?, Some([side, side]))
}

fn answer(session: &Session, network: &Network, asked: Option<[usize; 2]>) -> Result<(), CliError> {
    let [height, width] = network.size().or(asked).unwrap_or(USUAL_SIZE);
    let (run_by, reason, layers, map_bytes, weight_bytes) = match network.explain(height, width)? {
        Explanation::Kernels { layers, map_bytes, weight_bytes } => ("kernels", None, layers, map_bytes, weight_bytes),
        Explanation::Tract { reason } => ("tract", Some(reason), Vec::new(), 0, 0),
    };
    let seconds: f64 = layers.iter().map(seconds).sum();
    let multiplications = layers.iter().map(|layer| layer.multiplications).sum();
    let record = NetworkRecord {
        file: network.name().to_owned(),
        run_by,
        reason,
        height,
        width,
        precision: network.precision().name(),
        milliseconds: seconds * 1e3,
        multiplications,
        gflops: gflops(multiplications, seconds),
        map_bytes,
        weight_bytes,
        layers: layers.into_iter().map(|layer| layer_record(layer, seconds)).collect(),
    };
    session.output.answer(&record, || describe(&record))
}

fn layer_record(layer: Layer, all: f64) -> LayerRecord {
    let seconds = seconds(&layer);
    LayerRecord {
        layer: layer.name,
        kernel: layer.kernel,
        shape: layer.shape,
        multiplications: layer.multiplications,
        milliseconds: seconds * 1e3,
        gflops: gflops(layer.multiplications, seconds),
        share: if all > 0.0 { seconds / all } else { 0.0 },
    }
}

fn seconds(layer: &Layer) -> f64 {
    layer.time.map_or(0.0, |time| time.as_secs_f64())
}

fn gflops(multiplications: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { 2e-9 * multiplications as f64 / seconds } else { 0.0 }
}

fn describe(record: &NetworkRecord) -> String {
    let NetworkRecord { file, height, width, precision, .. } = record;
    if let Some(reason) = &record.reason {
        return format!("{file}: run by tract: {reason}");
    }
    let mut rows = vec![["  ms", "share", "GFLOP/s", "gives", "kernel", "layer"].map(str::to_owned).to_vec()];
    rows.extend(record.layers.iter().map(|layer| {
        let [channels, height, width] = layer.shape;
        vec![
            format!("  {:.3}", layer.milliseconds),
            table::right(&format!("{:.1} %", 100.0 * layer.share), 6),
            table::right(&format!("{:.1}", layer.gflops), 7),
            format!("{channels}×{height}×{width}"),
            layer.kernel.clone(),
            layer.layer.clone(),
        ]
    }));
    format!(
        "{file}: {height}×{width} in {precision}: {:.3} ms, {:.1} GFLOP/s, {} for maps, {} of weights\n{}",
        record.milliseconds,
        record.gflops,
        indicatif::HumanBytes(record.map_bytes as u64),
        indicatif::HumanBytes(record.weight_bytes as u64),
        table::table(&rows),
    )
}
