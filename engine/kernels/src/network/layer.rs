//! Layers with their kernels.

use super::Precision;
use super::bands::Band;
use super::error::GraphError;
use super::fuse::{Draft, Given, MOST_PLANAR_CHANNELS, Work, count_reads, of};
use super::graph::{Activation, Convolution, Padding, Window};
use super::kernel::amx;
use super::kernel::dense::{Dense, MOST_BYTES, Maps};
use super::kernel::depthwise::Depthwise;
use super::kernel::elementwise::Elementwise;
use super::kernel::finish::{Bend, per_channel};
use super::kernel::first::First;
use super::kernel::pool::{Pool, Taken, mean};
use super::kernel::upsample::Upsample;
use super::kernel::{blocked_numbers, lanes, layout, softmax};
use super::lanes::{Pieces, Steps};
use super::ranges::Ranges;
use super::shape::{Shape, numbers};
use crate::Instructions;

/// A layer of a network.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) kernel: Kernel,
    /// Values: the image, 0, or what a step gives, its index and 1.
    pub(super) inputs: Vec<usize>,
    pub(super) residual: Option<usize>,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a network has few, and most of them are the large ones")]
pub(super) enum Kernel {
    /// From rows to blocks.
    Block,
    Dense(Dense, Option<[usize; 2]>),
    /// Groups side by side, each of whole blocks.
    Grouped(Vec<Dense>),
    First(First),
    Depthwise(Depthwise),
    Elementwise(Elementwise),
    /// Channels after it, and the padding.
    Pad(usize, Padding),
    Pool(Pool),
    Mean,
    Upsample(Upsample),
    Softmax,
    Concat,
}

/// What products of dense convolutions are taken of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numerics<'a> {
    pub(super) precision: Precision,
    /// What was seen of the inputs of layers, for bytes.
    pub(super) ranges: &'a Ranges,
    /// Whether inputs of weights that were rounded may be rounded too: where reading those takes most of the time.
    pub(super) may_round: bool,
}

impl Numerics<'_> {
    fn pieces(self, layer: &str) -> Result<Pieces, GraphError> {
        match self.precision {
            Precision::F32 => Ok(Pieces::F32),
            Precision::Bf16 => Ok(Pieces::BF16),
            Precision::Int8 => {
                let range = self.ranges.get(layer).ok_or_else(|| GraphError::NoRange { layer: layer.to_owned() })?;
                Ok(Pieces::int8(Steps::new(range)))
            }
        }
    }
}

/// With fewer outputs, to make other numbers of the inputs takes longer than they save.
const FEW_OUTPUTS: usize = 32;

/// Chooses kernels, and packs weights.
pub(super) fn steps(
    instructions: Instructions,
    numerics: Numerics<'_>,
    image_channels: usize,
    drafts: Vec<Draft>,
    outputs: &mut [Given],
) -> Result<Vec<Step>, GraphError> {
    let read = drafts.iter().flat_map(|draft| draft.inputs.iter().chain(&draft.residual));
    let mut builder = Builder {
        instructions,
        numerics,
        image_channels,
        reads: count_reads(drafts.len(), read, outputs),
        image: None,
        steps: Vec::new(),
        channels: Vec::new(),
    };
    // The image itself as an output goes through blocks.
    let mut value_of = vec![0];
    for draft in drafts {
        let is_output = outputs.iter().any(|output| output.value == value_of.len());
        let value = builder.add(draft, &value_of, is_output)?;
        value_of.push(value);
    }
    for output in outputs.iter_mut() {
        output.value = if output.value == 0 { builder.blocked_image() } else { value_of[output.value] };
    }
    let mut steps = builder.steps;
    give_pieces(instructions, &mut steps, outputs);
    #[cfg(target_arch = "x86_64")]
    give_f16(instructions, &mut steps, outputs);
    give_offsets(lanes(instructions), &mut steps, outputs);
    Ok(steps)
}

/// How often each value is read, by steps and by outputs.
pub(super) fn reads(steps: &[Step], outputs: &[Given]) -> Vec<usize> {
    count_reads(steps.len(), steps.iter().flat_map(|step| step.inputs.iter().chain(&step.residual)), outputs)
}

/// Calls `join` with each step that nothing reads but one other, which reads it first, and that other.
fn for_sole_readers(steps: &mut [Step], outputs: &[Given], mut join: impl FnMut(&mut Step, &mut Step)) {
    let reads = reads(steps, outputs);
    for index in 0..steps.len() {
        let input = steps[index].inputs[0];
        if input > 0 && reads[input] == 1 {
            let [before, step] = steps.get_disjoint_mut([input - 1, index]).expect("inputs are before");
            join(before, step);
        }
    }
}

/// Lets depthwise convolutions, those over the image and upsampled maps give what the convolutions after them take.
fn give_pieces(instructions: Instructions, steps: &mut [Step], outputs: &[Given]) {
    let lanes = lanes(instructions);
    for_sole_readers(steps, outputs, |before, step| {
        let Kernel::Dense(dense, None) = &mut step.kernel else { return };
        // The lanes after the last channel may hold what is no number, and pieces are read whole.
        if !dense.is_pointwise()
            || dense.takes == Pieces::F32
            || !dense.inputs.is_multiple_of(dense.takes.channels_together(lanes))
        {
            return;
        }
        match &mut before.kernel {
            Kernel::Depthwise(depthwise) => depthwise.gives = dense.takes,
            Kernel::First(first) if first.can_give(instructions, dense.takes) => first.gives = dense.takes,
            Kernel::Upsample(upsample) if dense.takes.are_for_tiles() => upsample.gives = dense.takes,
            _ => return,
        }
        dense.is_given = true;
    });
}

/// Lets convolutions of bytes give numbers of 16 bits to the depthwise ones that make bytes of them.
#[cfg(target_arch = "x86_64")]
fn give_f16(instructions: Instructions, steps: &mut [Step], outputs: &[Given]) {
    for_sole_readers(steps, outputs, |before, step| {
        if let (Kernel::Dense(dense, None), Kernel::Depthwise(depthwise)) = (&mut before.kernel, &mut step.kernel)
            && before.residual.is_none()
            && step.residual.is_none()
            && let Some(units) = dense.units()
            && depthwise.take_f16(instructions, &units)
        {
            dense.give_f16(&units);
        }
    });
}

/// Lets depthwise convolutions add what convolutions in tiles before them begin with, which then are as they leave the
/// tiles.
fn give_offsets(lanes: usize, steps: &mut [Step], outputs: &[Given]) {
    for_sole_readers(steps, outputs, |before, step| {
        if let (Kernel::Dense(dense, None), Kernel::Depthwise(depthwise)) = (&mut before.kernel, &mut step.kernel)
            && before.residual.is_none()
            && let Some(offset) = dense.offset_of_tiles()
            && depthwise.take_offset(offset, lanes)
        {
            dense.leave_offset();
        }
    });
}

/// What is at both ends of a convolution.
#[derive(Debug, Clone, Copy)]
struct Ends {
    /// Whether what is before it can give what it takes.
    can_be_given: bool,
    /// Whether nothing happens to its sums.
    is_plain: bool,
    is_output: bool,
}

struct Builder<'a> {
    instructions: Instructions,
    numerics: Numerics<'a>,
    image_channels: usize,
    /// How often each value of the drafts is read.
    reads: Vec<usize>,
    /// The image in blocks, when something reads it.
    image: Option<usize>,
    steps: Vec<Step>,
    /// Of what each step gives.
    channels: Vec<usize>,
}

impl Builder<'_> {
    fn push(&mut self, step: Step, channels: usize) -> usize {
        self.steps.push(step);
        self.channels.push(channels);
        self.steps.len()
    }

    fn blocked_image(&mut self) -> usize {
        if let Some(image) = self.image {
            return image;
        }
        let step = Step { name: "image".into(), kernel: Kernel::Block, inputs: vec![0], residual: None };
        let image = self.push(step, self.image_channels);
        self.image = Some(image);
        image
    }

    /// A value in blocks.
    fn blocked(&mut self, value: usize, value_of: &[usize]) -> usize {
        if value == 0 { self.blocked_image() } else { value_of[value] }
    }

    fn add(&mut self, draft: Draft, value_of: &[usize], is_output: bool) -> Result<usize, GraphError> {
        let is_first = draft.is_over_image() && self.image_channels <= MOST_PLANAR_CHANNELS;
        let Draft { names, work, inputs, residual, activation, pool, channels } = draft;
        let name = names.join(" + ");
        let lanes = lanes(self.instructions);
        let residual = residual.map(|residual| {
            let residual = self.blocked(residual, value_of);
            let has = self.channels[residual - 1];
            if has == channels || has.is_multiple_of(lanes) {
                return residual;
            }
            // Lanes after the last channel hold anything; here they are added to channels.
            let kernel = Kernel::Pad(channels - has, Padding::default());
            self.push(Step { name: name.clone(), kernel, inputs: vec![residual], residual: None }, channels)
        });
        let bend = match &activation {
            None => Some(Bend::None),
            Some(activation) => Bend::new(activation, channels, lanes),
        };
        let sigmoid = activation == Some(Activation::Sigmoid);
        let bend = bend.unwrap_or(Bend::None);
        if let Work::Convolution(convolution, _) = &work
            && is_first
        {
            let Convolution { outputs, window, weights, bias, .. } = convolution;
            let first =
                First::new(self.instructions, [self.image_channels, *outputs], *window, weights, bias, bend, pool);
            return Ok(self.push(Step { name, kernel: Kernel::First(first), inputs, residual }, channels));
        }
        let is_sole = self.reads[inputs[0]] == 1;
        let inputs: Vec<usize> = inputs.into_iter().map(|input| self.blocked(input, value_of)).collect();
        let given = self.channels[inputs[0] - 1];
        let kernel = match work {
            Work::Convolution(convolution, map) => {
                let ends = Ends {
                    can_be_given: is_sole && self.steps[inputs[0] - 1].can_give_pieces(self.instructions),
                    is_plain: matches!(bend, Bend::None) && residual.is_none(),
                    is_output,
                };
                self.convolution(&name, convolution, (map, pool), given, bend, ends)?
            }
            Work::Elementwise(affine) => {
                let affine = affine.map(|numbers| numbers.map(|numbers| per_channel(&numbers, channels, lanes)));
                Kernel::Elementwise(Elementwise { channels, affine, bend, sigmoid })
            }
            Work::Pad(padding) => Kernel::Pad(channels - given, padding),
            Work::MaxPool(window) => Kernel::Pool(Pool { window, taken: Taken::Greatest }),
            Work::AveragePool(window, count_padding) => {
                Kernel::Pool(Pool { window, taken: Taken::Mean { count_padding } })
            }
            Work::Mean => Kernel::Mean,
            Work::Upsample(factors) => Kernel::Upsample(Upsample { factors, gives: Pieces::F32 }),
            Work::Softmax => Kernel::Softmax,
            Work::Concat => Kernel::Concat,
        };
        Ok(self.push(Step { name, kernel, inputs, residual }, channels))
    }

    fn convolution(
        &self,
        name: &str,
        convolution: Convolution,
        (map, pool): (Option<[usize; 2]>, Option<Window>),
        inputs: usize,
        bend: Bend,
        ends: Ends,
    ) -> Result<Kernel, GraphError> {
        let Convolution { outputs, groups, window, weights, bias } = convolution;
        let instructions = self.instructions;
        let lanes = lanes(instructions);
        let taps = window.kernel[0] * window.kernel[1];
        let (group_inputs, group_outputs) = (inputs / groups, outputs / groups);
        if groups > 1 && group_inputs == 1 && group_outputs == 1 && map.is_none()
            || [inputs, outputs] == [1; 2] && map.is_none()
        {
            return Ok(Kernel::Depthwise(Depthwise::new(
                instructions,
                inputs,
                (window, pool.is_some()),
                &weights,
                &bias,
                bend,
            )));
        }
        let has_tiles = instructions == Instructions::Amx && map.is_none();
        let is_given = has_tiles && ends.can_be_given && window == Window::square(1, 1, 0);
        let few = outputs < FEW_OUTPUTS && !(is_given && self.numerics.precision == Precision::Bf16);
        // What goes out keeps its digits.
        let keeps = few || ends.is_output || inputs * taps > MOST_BYTES;
        let takes = if keeps { Pieces::F32 } else { self.numerics.pieces(name)? };
        let for_tiles = takes.for_tiles(lanes, group_inputs);
        let costs = amx::Costs {
            channels: [group_inputs, group_outputs],
            is_given,
            is_plain: ends.is_plain,
            weights: &weights,
            may_round: self.numerics.may_round,
        };
        let pays = has_tiles && costs.are_less(&window, for_tiles);
        // Where there are tiles, products of bf16 in registers take as long as two of f32.
        let takes = match takes.precision {
            _ if pays => for_tiles,
            Precision::Bf16 if has_tiles => Pieces::F32,
            _ => takes,
        };
        let made_of = (instructions, takes, self.numerics.may_round);
        if groups == 1 {
            let dense = Dense::new(made_of, [inputs, outputs], window, &weights, &bias, bend);
            return Ok(Kernel::Dense(dense, map));
        }
        if group_inputs.is_multiple_of(lanes) && group_outputs.is_multiple_of(lanes) {
            let dense = |group: usize| {
                let weights = &weights[group * group_outputs * group_inputs * taps..];
                let weights = &weights[..group_outputs * group_inputs * taps];
                let bias: Vec<f32> = (0..group_outputs).map(|o| of(&bias, group * group_outputs + o)).collect();
                let bend = bend.part(group * group_outputs, group_outputs);
                Dense::new(made_of, [group_inputs, group_outputs], window, weights, &bias, bend)
            };
            return Ok(Kernel::Grouped((0..groups).map(dense).collect()));
        }
        // Groups that are not of whole blocks: as one, with zeros between them.
        let mut spread = vec![0.0; outputs * inputs * taps];
        for (output, weights) in weights.chunks_exact(group_inputs * taps).enumerate() {
            let place = (output * inputs + output / group_outputs * group_inputs) * taps;
            spread[place..][..weights.len()].copy_from_slice(weights);
        }
        let dense = Dense::new(made_of, [inputs, outputs], window, &spread, &bias, bend);
        Ok(Kernel::Dense(dense, map))
    }
}

/// Shape of what a step gives, and the numbers of scratch it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) shape: Shape,
    pub(super) scratch: usize,
}

impl Step {
    /// For inputs of these shapes. All sizes that `run` relies on are checked here.
    pub(super) fn sizes(
        &self,
        instructions: Instructions,
        inputs: &[Shape],
        residual: Option<Shape>,
    ) -> Result<Sizes, String> {
        let lanes = lanes(instructions);
        let [channels, height, width] = inputs[0];
        let of_map = |channels: usize, [rows, columns]: [usize; 2], scratch: usize| {
            // The lanes after the last channel take memory too.
            numbers([channels.next_multiple_of(lanes), rows, columns])?;
            numbers([scratch, 1, 1])?;
            if rows == 0 || columns == 0 {
                return Err("nothing is left of the map".to_owned());
            }
            Ok(Sizes { shape: [channels, rows, columns], scratch })
        };
        let sizes = match &self.kernel {
            Kernel::Block => of_map(channels, [height, width], 0),
            Kernel::Dense(_, Some(map)) if *map != [height, width] => {
                Err(format!("a map of {}×{} is read, but one of {height}×{width} given", map[0], map[1]))
            }
            Kernel::Dense(dense, _) => {
                let size = dense.window.count([height, width])?;
                dense.prepare(instructions, size);
                of_map(dense.outputs, size, dense.scratch_numbers(instructions, width, size))
            }
            Kernel::Grouped(groups) => {
                let size = groups[0].window.count([height, width])?;
                groups.iter().for_each(|group| group.prepare(instructions, size));
                let outputs = groups.iter().map(|group| group.outputs).sum();
                of_map(outputs, size, groups[0].scratch_numbers(instructions, width, size))
            }
            Kernel::First(first) => {
                let [convolved, given] = first.sizes([height, width])?;
                numbers([1, convolved[0], convolved[1]])?;
                of_map(first.outputs, given, first.scratch_numbers(instructions, convolved))
            }
            Kernel::Depthwise(depthwise) => of_map(channels, depthwise.looks().count([height, width])?, 0),
            Kernel::Elementwise(_) => of_map(channels, [height, width], 0),
            Kernel::Pad(more, Padding { top, left, bottom, right }) => {
                of_map(channels + more, [height + top + bottom, width + left + right], 0)
            }
            Kernel::Pool(pool) => of_map(channels, pool.window.count([height, width])?, 0),
            Kernel::Mean => of_map(channels, [1, 1], 0),
            Kernel::Upsample(Upsample { factors: [rows, columns], .. }) => {
                let size = height.checked_mul(*rows).zip(width.checked_mul(*columns));
                let (rows, columns) = size.ok_or("the map becomes too large")?;
                of_map(channels, [rows, columns], 0)
            }
            Kernel::Softmax => of_map(channels, [height, width], softmax::scratch_numbers(instructions, channels)),
            Kernel::Concat => {
                if let Some([_, rows, columns]) = inputs.iter().find(|input| input[1..] != [height, width]) {
                    return Err(format!("maps of {height}×{width} and {rows}×{columns} are to be joined"));
                }
                of_map(inputs.iter().map(|input| input[0]).sum(), [height, width], 0)
            }
        }?;
        match residual {
            Some([_, rows, columns]) if [rows, columns] != sizes.shape[1..] => {
                let [_, height, width] = sizes.shape;
                Err(format!("maps of {height}×{width} and {rows}×{columns} are to be added"))
            }
            _ => Ok(sizes),
        }
    }

    /// Whether it can run in bands of rows, as the first of a chain or after another.
    pub(super) fn has_bands(&self, is_first: bool) -> bool {
        match &self.kernel {
            Kernel::Dense(dense, None) => dense.has_bands(),
            Kernel::Depthwise(_) => true,
            Kernel::First(_) | Kernel::Pool(_) | Kernel::Upsample(_) => is_first,
            _ => false,
        }
    }

    /// Whether it reads rows as one, each for the row of the same index.
    pub(super) fn is_flat(&self) -> bool {
        matches!(&self.kernel, Kernel::Dense(dense, None) if dense.has_bands())
    }

    /// The window of a layer that [has bands](Self::has_bands) after another.
    pub(super) fn band_window(&self) -> &Window {
        match &self.kernel {
            Kernel::Dense(Dense { window, .. }, _) => window,
            Kernel::Depthwise(depthwise) => depthwise.looks(),
            _ => unreachable!("{} has no bands", self.name),
        }
    }

    /// Whether it can give its map in pieces for tiles, to a layer that reads it alone.
    fn can_give_pieces(&self, instructions: Instructions) -> bool {
        match &self.kernel {
            Kernel::Depthwise(_) | Kernel::Upsample(_) => true,
            Kernel::First(first) => first.can_give(instructions, Pieces::F32.for_tiles(lanes(instructions), 1)),
            _ => false,
        }
    }

    /// In which pieces its map is.
    pub(super) fn gives(&self) -> Pieces {
        match &self.kernel {
            Kernel::Dense(dense, _) => dense.gives,
            Kernel::Depthwise(depthwise) => depthwise.gives,
            Kernel::First(first) => first.gives,
            Kernel::Upsample(upsample) => upsample.gives,
            _ => Pieces::F32,
        }
    }

    /// Runs it on one input; [`Kernel::Concat`] has [`join`](Self::join).
    pub(super) fn run(
        &self,
        instructions: Instructions,
        (x, shape): (&[f32], Shape),
        residual: Option<(&[f32], Shape)>,
        (y, output): (&mut [f32], Shape),
        scratch: &mut [f32],
        band: Band,
    ) {
        if band.rows.is_empty() {
            return;
        }
        let lanes = lanes(instructions);
        let pixels = shape[1] * shape[2];
        let size = [output[1], output[2]];
        let residual = residual.map(|(residual, shape)| (residual, shape[0].next_multiple_of(lanes)));
        let maps = &mut Maps { x, shape, residual, y, size, band, scratch };
        match &self.kernel {
            Kernel::Block => layout::block(lanes, shape, x, maps.y),
            Kernel::Dense(dense, _) => dense.run(instructions, maps),
            Kernel::Grouped(groups) => {
                for (index, group) in groups.iter().enumerate() {
                    let (inputs, outputs) = (group.inputs, group.outputs);
                    let first = index * outputs;
                    let part = blocked_numbers(lanes, [outputs, size[0], size[1]]);
                    let residual = maps
                        .residual
                        .filter(|(_, channels)| *channels > first)
                        .map(|(residual, channels)| (&residual[index * part..], (channels - first).min(outputs)));
                    let mut maps = Maps {
                        x: &maps.x[index * inputs * pixels..],
                        shape: [inputs, shape[1], shape[2]],
                        residual,
                        y: &mut maps.y[index * part..][..part],
                        size,
                        band: maps.band.clone(),
                        scratch: maps.scratch,
                    };
                    group.run(instructions, &mut maps);
                }
            }
            Kernel::First(first) => first.run(instructions, maps),
            Kernel::Depthwise(depthwise) => depthwise.run(instructions, maps),
            Kernel::Elementwise(elementwise) => elementwise.run(instructions, maps),
            Kernel::Pad(_, padding) => layout::pad(lanes, shape, x, *padding, output, maps.y),
            Kernel::Pool(pool) => pool.run(instructions, maps),
            Kernel::Mean => mean(instructions, shape[0], pixels, x, maps.y),
            Kernel::Upsample(upsample) => upsample.run(instructions, maps),
            Kernel::Softmax => softmax::softmax(instructions, shape[0], pixels, x, maps.y, maps.scratch),
            Kernel::Concat => layout::join(lanes, shape[0], pixels, x, 0, maps.y),
        }
    }

    /// The kernel's name for an output of this shape, and what it is made for.
    pub(super) fn kernel_name(&self, instructions: Instructions, [_, rows, columns]: Shape) -> String {
        let size = [rows, columns];
        let window = |name: &str, window: &Window| {
            let [rows, columns] = window.kernel;
            let stride = match window.stride {
                [1, 1] => String::new(),
                [rows, columns] if rows == columns => format!(" /{rows}"),
                [rows, columns] => format!(" /{rows}×{columns}"),
            };
            format!("{name} {rows}×{columns}{stride}")
        };
        match &self.kernel {
            Kernel::Block => "blocks".into(),
            Kernel::Dense(_, Some(_)) => "fully connected".into(),
            Kernel::Dense(dense, None) => window(&dense.way_name(instructions, size), &dense.window),
            Kernel::Grouped(groups) => {
                format!("grouped {}", window(&groups[0].way_name(instructions, size), &groups[0].window))
            }
            Kernel::First(First { window: first, pool: Some(pool), .. }) => {
                format!("{}, {}", window("first", first), window("max pool", pool))
            }
            Kernel::First(first) => window("first", &first.window),
            Kernel::Depthwise(Depthwise { window: first, is_pooled: true, .. }) => {
                format!("{}, max pool 2×2 /2", window("depthwise", first))
            }
            Kernel::Depthwise(depthwise) => window(depthwise.name(), &depthwise.window),
            Kernel::Elementwise(_) => "elementwise".into(),
            Kernel::Pad(..) => "pad".into(),
            Kernel::Pool(pool) => match pool.taken {
                Taken::Greatest => window("max pool", &pool.window),
                Taken::Mean { .. } => window("average pool", &pool.window),
            },
            Kernel::Mean => "global average pool".into(),
            Kernel::Upsample(_) => "upsample".into(),
            Kernel::Softmax => "softmax".into(),
            Kernel::Concat => "concat".into(),
        }
    }

    /// Multiplications of its definition, for an input and an output of these shapes.
    pub(super) fn multiplications(&self, input: Shape, output: Shape) -> u64 {
        let [channels, rows, columns] = output;
        let numbers = |[rows, columns]: [usize; 2]| channels as u64 * rows as u64 * columns as u64;
        let product = |window: &Window| window.kernel[0] as u64 * window.kernel[1] as u64;
        let given = numbers([rows, columns]);
        match &self.kernel {
            Kernel::Dense(dense, _) => dense.inputs as u64 * product(&dense.window) * given,
            Kernel::Grouped(groups) => groups[0].inputs as u64 * product(&groups[0].window) * given,
            Kernel::First(first) => {
                let convolved = first.window.count([input[1], input[2]]).map_or(0, numbers);
                first.inputs as u64 * product(&first.window) * convolved
            }
            Kernel::Depthwise(depthwise) => {
                let of_each = if depthwise.is_pooled { 4 } else { 1 };
                product(&depthwise.window) * of_each * given
            }
            _ => 0,
        }
    }

    pub(super) fn weight_bytes(&self) -> usize {
        match &self.kernel {
            Kernel::Dense(dense, _) => dense.weight_bytes(),
            Kernel::Grouped(groups) => groups.iter().map(Dense::weight_bytes).sum(),
            Kernel::First(first) => first.weight_bytes(),
            Kernel::Depthwise(depthwise) => depthwise.weight_bytes(),
            _ => 0,
        }
    }
}
