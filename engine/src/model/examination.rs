//! What an embedder is that somebody brings, by running it.

use super::onnx_file::OnnxFile;
use super::{Channels, ModelError, Network};
use crate::photo::Photo;
use crate::tensor::planes;

/// Our kernels and tract differ by less than this part of the largest number, as both do from ONNX Runtime.
const MOST_DIFFERENCE: f32 = 1e-3;

/// Embeddings of the tried images differ by more than this part of their length. An embedder that is fed numbers a
/// hundred times too large or too small sees the same in all of them.
const LEAST_DIFFERENCE: f32 = 1e-2;

/// Numbers in an embedding that a manifest may name.
const DIMS: std::ops::RangeInclusive<usize> = 16..=4096;

/// How an embedder's input is made, as in [`EmbedderEntry`](super::EmbedderEntry).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmbedderInput {
    /// Sides of the square, in pixels.
    pub side: u32,
    /// Order of the channels.
    pub channels: Channels,
    /// Subtracted from each channel (values 0…255).
    pub mean: [f32; 3],
    /// Multiplied with each channel after the mean is gone.
    pub scale: [f32; 3],
}

/// What runs of an embedder have shown.
#[derive(Debug, Clone, PartialEq)]
pub struct ExaminedEmbedder {
    /// Numbers in an embedding.
    pub dims: usize,
    /// Whether the file subtracts from the image or multiplies it before anything else: pixels of 0…255 go into such a
    /// one.
    pub scales_itself: bool,
    /// Why tract runs it; `None` where our kernels do.
    pub reason_for_tract: Option<String>,
    /// The largest difference between our kernels and tract, as a part of the largest number; `None` where only one of
    /// the two can run it.
    pub difference: Option<f32>,
}

/// Runs an ONNX file held in memory as an embedder; `name` is for messages.
///
/// # Errors
/// [`ModelError::Network`] with what is wrong: the file, the shape of its input or output, or what it answers. Embeddings
/// have to be finite, the same for the same image, others for other images, and the same from our kernels and from tract
/// where both can run it.
pub fn examine_embedder(name: &str, onnx: &[u8], input: &EmbedderInput) -> Result<ExaminedEmbedder, ModelError> {
    let failure = |reason: String| ModelError::Network { network: name.to_owned(), reason };
    let file = OnnxFile::parse(onnx).map_err(failure)?;
    check_input(&file, input.side as usize).map_err(failure)?;
    let scales_itself = scales_itself(&file);
    drop(file);
    let network = Network::parse(name, onnx)?;
    let images = images(input);
    let run = |network: &Network, image: &[f32]| {
        let side = input.side as usize;
        let outputs = network.run(side, side, image)?;
        let output = outputs.into_iter().next().ok_or_else(|| failure("it has no output".to_owned()))?;
        let dims = output.values.len();
        // Sides of 1 beside the numbers, in whatever order.
        if !output.shape.contains(&dims) || !DIMS.contains(&dims) {
            return Err(network.wrong_shape(&output, format!("an embedding, [1, {}…{}]", DIMS.start(), DIMS.end())));
        }
        Ok(output.values)
    };
    let embeddings: Vec<Vec<f32>> = images.iter().map(|image| run(&network, image)).collect::<Result<_, _>>()?;
    if embeddings.iter().flatten().any(|number| !number.is_finite()) {
        return Err(failure(
            "its embeddings have numbers that are not finite; the file is damaged, or --mean and --scale are not those \
             that it was trained with"
                .to_owned(),
        ));
    }
    if run(&network, &images[0])? != embeddings[0] {
        return Err(failure("it answers the same image with another embedding each time".to_owned()));
    }
    // Not a number when all are zeros.
    let is_alike = |other| {
        let apart = difference(other, &embeddings[0]);
        apart.is_nan() || apart <= LEAST_DIFFERENCE
    };
    if embeddings[1..].iter().any(|other| is_alike(other)) {
        return Err(failure(
            "it answers different images with the same embedding; is it an embedder, and are --kind, --mean and --scale \
             those that it was trained with?"
                .to_owned(),
        ));
    }
    let difference = match (network.reason_for_tract(), Network::parse_for_tract(name, onnx)) {
        (None, Ok(other)) => match run(&other, &images[0]) {
            Ok(embedding) => Some(largest_difference(&embedding, &embeddings[0])),
            // What tract can read but not run, our kernels can.
            Err(_) => None,
        },
        _ => None,
    };
    if let Some(difference) = difference.filter(|difference| difference.is_nan() || *difference > MOST_DIFFERENCE) {
        return Err(failure(format!(
            "our kernels and tract answer the same image with embeddings that differ by {difference:.1e}; this is a bug: \
             please report it with the file"
        )));
    }
    let reason_for_tract = network.reason_for_tract().map(str::to_owned);
    Ok(ExaminedEmbedder { dims: embeddings[0].len(), scales_itself, reason_for_tract, difference })
}

/// Whether the file takes one image of three channels and this side.
fn check_input(file: &OnnxFile<'_>, side: usize) -> Result<(), String> {
    let inputs = file.inputs();
    let [(_, shape)] = inputs.as_slice() else {
        return Err(format!("it has {} inputs, an embedder has one", inputs.len()));
    };
    let told = || {
        let sides = shape.iter().map(|side| side.map_or("?".to_owned(), |side| side.to_string()));
        format!("its input is [{}]", sides.collect::<Vec<_>>().join(", "))
    };
    let open_or = |given: Option<usize>, wanted: usize| given.is_none_or(|given| given == wanted);
    let &[batch, channels, height, width] = shape.as_slice() else {
        return Err(format!("{}, and has to be [1, 3, {side}, {side}]", told()));
    };
    if channels != Some(3) && width == Some(3) {
        return Err(format!("{}, channels last; export it with channels first, [1, 3, {side}, {side}]", told()));
    }
    if !open_or(batch, 1) {
        return Err(format!("{}, several images at once; export it with a batch of 1, or an open one", told()));
    }
    if !open_or(channels, 3) {
        return Err(format!("{}, and has to have 3 channels", told()));
    }
    if !open_or(height, side) || !open_or(width, side) {
        return Err(format!("{}, and the template is of {side}×{side} pixels; choose another with --template", told()));
    }
    Ok(())
}

/// Whether the image goes into arithmetic at once.
fn scales_itself(file: &OnnxFile<'_>) -> bool {
    let inputs = file.inputs();
    let Some((image, _)) = inputs.first() else { return false };
    let reads = |name: &str| file.graph.node.iter().find(|node| node.input.iter().any(|input| input == name));
    let mut first = reads(image);
    // What changes no number may come before.
    while let Some(node) = first
        && matches!(node.op_type.as_str(), "Cast" | "Identity")
    {
        first = node.output.first().and_then(|name| reads(name));
    }
    first.is_some_and(|node| matches!(node.op_type.as_str(), "Sub" | "Add" | "Mul" | "Div"))
}

/// Three images that have nothing in common: stripes, and noise of two kinds, as inputs.
fn images(input: &EmbedderInput) -> [Vec<f32>; 3] {
    let side = input.side as usize;
    let as_input = |pixel: &mut dyn FnMut(usize) -> u8| {
        let rgb = (0..side * side * 3).map(pixel).collect();
        planes(&Photo::from_rgb(input.side, input.side, rgb), input.channels.into(), input.mean, input.scale)
    };
    // A linear congruential generator with Knuth's MMIX constants: the same numbers everywhere.
    let mut state = 2026_u64;
    let mut noise = |_: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let mut stripes = |at: usize| if (at / 3 / side / 8).is_multiple_of(2) { 220 } else { 40 };
    let first = as_input(&mut noise);
    let mut dark = |at: usize| noise(at) / 4;
    [first, as_input(&mut stripes), as_input(&mut dark)]
}

/// Of two vectors, as a part of the longer one.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    let length = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|number| number * number).sum::<f32>().sqrt();
    let apart = length(&mut a.iter().zip(b).map(|(a, b)| a - b));
    apart / length(&mut a.iter().copied()).max(length(&mut b.iter().copied()))
}

/// Of two numbers of vectors, as a part of the largest of all.
fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    let largest = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(f32::abs).fold(0.0, f32::max);
    let apart = largest(&mut a.iter().zip(b).map(|(a, b)| a - b));
    if a.len() == b.len() { apart / largest(&mut b.iter().copied()) } else { f32::INFINITY }
}
