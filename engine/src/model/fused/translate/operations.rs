//! What each ONNX operator is for our kernels.

use facerecog_kernels::network::{Activation, Convolution, Operation, Padding, Window};
use tract_onnx::pb::NodeProto;

use super::attributes::{attribute, integer, integers, number, sides, text, window};
use super::{Form, Known, Map, Result, Translator, Untranslatable};
use crate::model::fused::constant::{Constant, Integer};

/// ONNX's number of f32.
const FLOAT: i64 = 1;

impl Translator {
    pub(super) fn node(&mut self, node: &NodeProto) -> Result<Known> {
        match node.op_type.as_str() {
            "Constant" => constant(node),
            "Cast" => self.cast(node),
            "Identity" | "Dropout" => self.same(node),
            "Conv" => self.convolution(node),
            "BatchNormalization" => self.batch_normalization(node),
            "Relu" => self.activation(node, Activation::Relu),
            "Sigmoid" => self.activation(node, Activation::Sigmoid),
            "LeakyRelu" => self.activation(node, Activation::PRelu(vec![number(node, "alpha", 0.01)])),
            "Clip" => self.clip(node),
            "PRelu" => self.prelu(node),
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(node),
            "MaxPool" | "AveragePool" => self.pool(node),
            "GlobalAveragePool" => self.global_average_pool(node),
            "Gemm" | "MatMul" => self.fully_connected(node),
            "Softmax" => self.softmax(node),
            "Pad" => self.pad(node),
            "Resize" | "Upsample" => self.upsample(node),
            "Concat" => self.concat(node),
            "Flatten" => self.flatten(node),
            "Reshape" => self.reshape(node),
            "Transpose" => self.transpose(node),
            "Shape" => self.shape(node),
            "Gather" => self.gather(node),
            "Slice" => self.slice(node),
            "Unsqueeze" => self.same(node),
            other => Err(Untranslatable(format!("the operator {other}"))),
        }
    }

    fn cast(&self, node: &NodeProto) -> Result<Known> {
        match self.input(node, 0)? {
            // Constants were read as f32 and i64.
            Some(known @ Known::Constant(Constant::Integers(_))) => Ok(known.clone()),
            Some(known) if integer(node, "to", FLOAT) == FLOAT => Ok(known.clone()),
            _ => Err(Untranslatable("Cast to another type than f32".into())),
        }
    }

    fn same(&self, node: &NodeProto) -> Result<Known> {
        match self.input(node, 0)? {
            Some(Known::Map(_)) if node.op_type == "Unsqueeze" => Err(Untranslatable("Unsqueeze of a map".into())),
            Some(known) => Ok(known.clone()),
            None => Err(Untranslatable(format!("{} of nothing", node.op_type))),
        }
    }

    /// A map that operators see as `[1, channels, height, width]`.
    fn spatial(&self, node: &NodeProto, index: usize) -> Result<Map> {
        let map = self.map(node, index)?;
        if map.form == Form::Map { Ok(map) } else { Err(Untranslatable(format!("{} of a reshaped map", node.op_type))) }
    }

    fn convolution(&mut self, node: &NodeProto) -> Result<Known> {
        let map = self.spatial(node, 0)?;
        let Some((&[outputs, _, rows, columns], weights)) = self.numbers(node, 1)? else {
            return Err(Untranslatable("Conv that is not of two dimensions".into()));
        };
        let bias = self.numbers(node, 2)?.map_or(Vec::new(), |(_, bias)| bias.to_vec());
        let window = window(node, [rows, columns])?;
        let groups = usize::try_from(integer(node, "group", 1)).unwrap_or(0);
        let weights = weights.to_vec();
        let convolution = Convolution { outputs, groups, window, weights, bias };
        let like = Map { channels: outputs, ..counted(map, &window)? };
        Ok(self.push(node, Operation::Convolution(convolution), vec![map.value], like))
    }

    /// With the statistics of training: `scale · (x − mean) / √(variance + epsilon) + offset`.
    fn batch_normalization(&mut self, node: &NodeProto) -> Result<Known> {
        let map = self.map(node, 0)?;
        let mut statistics = Vec::new();
        for index in 1..=4 {
            match self.numbers(node, index)? {
                Some((_, values)) if values.len() == map.channels => statistics.push(values),
                _ => return Err(Untranslatable("BatchNormalization of other channels".into())),
            }
        }
        if map.form != Form::Map && !is_vector(map) {
            return Err(Untranslatable("BatchNormalization of a reshaped map".into()));
        }
        let epsilon = number(node, "epsilon", 1e-5);
        let scale: Vec<f32> = statistics[0]
            .iter()
            .zip(statistics[3])
            .map(|(scale, variance)| scale / (variance + epsilon).sqrt())
            .collect();
        let offset = (statistics[1].iter().zip(statistics[2]).zip(&scale))
            .map(|((offset, mean), scale)| offset - mean * scale)
            .collect();
        Ok(self.push(node, Operation::Affine { scale, offset }, vec![map.value], map))
    }

    fn activation(&mut self, node: &NodeProto, activation: Activation) -> Result<Known> {
        let map = self.map(node, 0)?;
        Ok(self.push(node, Operation::Activation(activation), vec![map.value], map))
    }

    fn clip(&mut self, node: &NodeProto) -> Result<Known> {
        let bound = |index, name, default| match self.numbers(node, index)? {
            Some((_, &[bound])) => Ok(bound),
            Some(_) => Err(Untranslatable("Clip to more than one number".into())),
            None => Ok(number(node, name, default)),
        };
        let (low, high) = (bound(1, "min", f32::MIN)?, bound(2, "max", f32::MAX)?);
        self.activation(node, Activation::Clip { low, high })
    }

    fn prelu(&mut self, node: &NodeProto) -> Result<Known> {
        let map = self.map(node, 0)?;
        let slopes = self.per_channel(node, 1, map)?;
        self.activation(node, Activation::PRelu(slopes))
    }

    /// A constant that is broadcast along all sides but the channels: one number, or one for each channel.
    fn per_channel(&self, node: &NodeProto, index: usize, map: Map) -> Result<Vec<f32>> {
        let refusal = || Untranslatable(format!("{} by numbers of another shape than the channels", node.op_type));
        let (shape, values) = self.numbers(node, index)?.ok_or_else(refusal)?;
        if values.len() == 1 {
            return Ok(values.to_vec());
        }
        // Counted from the last side, as broadcasting does.
        let channels_at = match map.form {
            Form::Map => 3,
            Form::Flat if is_vector(map) => 1,
            Form::ChannelsLast | Form::Pixels => 1,
            Form::Flat | Form::Rows { .. } => return Err(refusal()),
        };
        let fits = values.len() == map.channels
            && shape.len().checked_sub(channels_at).and_then(|at| shape.get(at)) == Some(&map.channels);
        if fits { Ok(values.to_vec()) } else { Err(refusal()) }
    }

    fn arithmetic(&mut self, node: &NodeProto) -> Result<Known> {
        let is_constant = |index| Ok(matches!(self.input(node, index)?, Some(Known::Constant(_))));
        let (first, second) = (is_constant(0)?, is_constant(1)?);
        if !first && !second {
            let (a, b) = (self.map(node, 0)?, self.map(node, 1)?);
            if node.op_type != "Add" || a.form != b.form || a.channels != b.channels {
                return Err(Untranslatable(format!("{} of two maps", node.op_type)));
            }
            return Ok(self.push(node, Operation::Add, vec![a.value, b.value], a));
        }
        let map = self.map(node, usize::from(first))?;
        let numbers = self.per_channel(node, usize::from(!first), map)?;
        let each = |f: fn(f32) -> f32| numbers.iter().copied().map(f).collect::<Vec<f32>>();
        let (scale, offset) = match (node.op_type.as_str(), first) {
            ("Add", _) => (vec![1.0], numbers),
            ("Sub", false) => (vec![1.0], each(|number| -number)),
            ("Sub", true) => (vec![-1.0], numbers),
            ("Mul", _) => (numbers, vec![0.0]),
            ("Div", false) => (each(f32::recip), vec![0.0]),
            _ => return Err(Untranslatable(format!("{} of a constant by a map", node.op_type))),
        };
        Ok(self.push(node, Operation::Affine { scale, offset }, vec![map.value], map))
    }

    fn pool(&mut self, node: &NodeProto) -> Result<Known> {
        let map = self.spatial(node, 0)?;
        let kernel = sides(node, "kernel_shape")?.ok_or_else(|| Untranslatable("a pool without a kernel".into()))?;
        let window = window(node, kernel)?;
        let operation = match node.op_type.as_str() {
            "MaxPool" => Operation::MaxPool(window),
            _ => Operation::AveragePool { window, count_padding: integer(node, "count_include_pad", 0) != 0 },
        };
        let like = counted(map, &window)?;
        Ok(self.push(node, operation, vec![map.value], like))
    }

    fn global_average_pool(&mut self, node: &NodeProto) -> Result<Known> {
        let map = self.spatial(node, 0)?;
        let like = of_one_pixel(map);
        Ok(self.push(node, Operation::GlobalAveragePool, vec![map.value], like))
    }

    /// `[1, inputs] · weights + bias`.
    fn fully_connected(&mut self, node: &NodeProto) -> Result<Known> {
        let map = self.map(node, 0)?;
        let plain =
            number(node, "alpha", 1.0) == 1.0 && number(node, "beta", 1.0) == 1.0 && integer(node, "transA", 0) == 0;
        let (Some([height, width]), Form::Flat, true) = (map.size, map.form, plain) else {
            return Err(Untranslatable(format!("{} of a map of unknown size", node.op_type)));
        };
        let input = [map.channels, height, width];
        let inputs: usize = input.iter().product();
        let Some((&[rows, columns], values)) = self.numbers(node, 1)? else {
            return Err(Untranslatable(format!("{} by no matrix", node.op_type)));
        };
        let outputs_first = integer(node, "transB", 0) != 0;
        let (outputs, fits) = if outputs_first { (rows, columns == inputs) } else { (columns, rows == inputs) };
        if !fits {
            return Err(Untranslatable(format!("{} of {inputs} numbers by {rows}×{columns}", node.op_type)));
        }
        let weights = if outputs_first {
            values.to_vec()
        } else {
            (0..outputs).flat_map(|output| values.iter().skip(output).step_by(outputs).copied()).collect()
        };
        let bias = match self.numbers(node, 2)? {
            None => Vec::new(),
            Some((_, &[bias])) => vec![bias; outputs],
            Some((_, bias)) => bias.to_vec(),
        };
        let like = Map { channels: outputs, ..of_one_pixel(map) };
        Ok(self.push(node, Operation::FullyConnected { input, weights, bias }, vec![map.value], like))
    }

    fn softmax(&mut self, node: &NodeProto) -> Result<Known> {
        let map = self.map(node, 0)?;
        let rank = rank(map.form);
        let axis = integer(node, "axis", if self.opset < 13 { 1 } else { -1 });
        let axis = if axis < 0 { axis + rank } else { axis };
        let over_channels = match map.form {
            // Before version 13 all sides from the axis on were one.
            Form::Map => axis == 1 && (self.opset >= 13 || map.size == Some([1, 1])),
            Form::Flat => axis == 1 && is_vector(map),
            Form::ChannelsLast | Form::Pixels => axis == rank - 1,
            Form::Rows { columns, .. } => axis == rank - 1 && columns == map.channels,
        };
        if !over_channels {
            return Err(Untranslatable("Softmax over other sides than the channels".into()));
        }
        Ok(self.push(node, Operation::Softmax, vec![map.value], map))
    }

    fn pad(&mut self, node: &NodeProto) -> Result<Known> {
        let map = self.spatial(node, 0)?;
        let pads: Vec<i64> = match self.integers(node, 1)? {
            Some(pads) => pads.iter().filter_map(|pad| pad.known()).collect(),
            None => integers(node, "pads").unwrap_or_default().to_vec(),
        };
        let value = match self.numbers(node, 2)? {
            Some((_, values)) => values.first().copied().unwrap_or(0.0),
            None => number(node, "value", 0.0),
        };
        let pads: Vec<usize> = pads.into_iter().filter_map(|pad| usize::try_from(pad).ok()).collect();
        let (&[0, 0, top, left, 0, channels, bottom, right], "constant", 0.0, None) =
            (pads.as_slice(), text(node, "mode", "constant"), value, self.input(node, 3)?)
        else {
            return Err(Untranslatable(format!("Pad by {pads:?}")));
        };
        let padding = Padding { top, left, bottom, right };
        let padded = |[height, width]: [usize; 2]| [height + top + bottom, width + left + right];
        let like = Map { channels: map.channels + channels, ..resized(map, padded) };
        Ok(self.push(node, Operation::Pad { channels, padding }, vec![map.value], like))
    }

    fn upsample(&mut self, node: &NodeProto) -> Result<Known> {
        let map = self.spatial(node, 0)?;
        let scales = match (node.op_type.as_str(), attribute(node, "scales")) {
            ("Upsample", Some(scales)) => scales.floats.clone(),
            ("Upsample", None) => self.numbers(node, 1)?.map_or(Vec::new(), |(_, scales)| scales.to_vec()),
            _ => match self.integers(node, 3)? {
                Some(sizes) => scales(map, sizes),
                None => self.numbers(node, 2)?.map_or(Vec::new(), |(_, scales)| scales.to_vec()),
            },
        };
        let (transformation, rounding) = (
            text(node, "coordinate_transformation_mode", "half_pixel"),
            text(node, "nearest_mode", "round_prefer_floor"),
        );
        // For whole factors each of these repeats every pixel.
        let repeats = node.op_type == "Upsample"
            || matches!(
                (transformation, rounding),
                ("asymmetric", "floor") | ("half_pixel" | "pytorch_half_pixel", "round_prefer_floor")
            );
        let factors: Vec<usize> =
            scales.iter().filter(|scale| scale.fract() == 0.0).map(|&scale| scale as usize).collect();
        let (&[1, 1, rows, columns], "nearest", true) = (factors.as_slice(), text(node, "mode", "nearest"), repeats)
        else {
            return Err(Untranslatable(format!("{} by {scales:?}, {transformation}, {rounding}", node.op_type)));
        };
        let factors = [rows, columns];
        let like = resized(map, |[height, width]| [height * rows, width * columns]);
        Ok(self.push(node, Operation::UpsampleNearest { factors }, vec![map.value], like))
    }

    fn concat(&mut self, node: &NodeProto) -> Result<Known> {
        let axis = integer(node, "axis", 0);
        if let Some(Known::Constant(_)) = self.input(node, 0)? {
            let mut all = Vec::new();
            for index in 0..node.input.len() {
                all.extend_from_slice(self.integers(node, index)?.unwrap_or_default());
            }
            return Ok(Known::Constant(Constant::Integers(all)));
        }
        let maps: Vec<Map> = (0..node.input.len()).map(|index| self.spatial(node, index)).collect::<Result<_>>()?;
        let (Some(&first), 1 | -3) = (maps.first(), axis) else {
            return Err(Untranslatable("Concat along other sides than the channels".into()));
        };
        let channels = maps.iter().map(|map| map.channels).sum();
        let inputs = maps.iter().map(|map| map.value).collect();
        Ok(self.push(node, Operation::Concat, inputs, Map { channels, ..first }))
    }

    fn flatten(&self, node: &NodeProto) -> Result<Known> {
        let map = self.map(node, 0)?;
        match (map.form, integer(node, "axis", 1)) {
            (Form::Map | Form::Flat, 1) => Ok(Known::Map(Map { form: Form::Flat, ..map })),
            (form, axis) => Err(Untranslatable(format!("Flatten of {form:?} at {axis}"))),
        }
    }

    fn reshape(&self, node: &NodeProto) -> Result<Known> {
        let map = self.map(node, 0)?;
        let shape = self.integers(node, 1)?.unwrap_or_default();
        let channels = i64::try_from(map.channels).unwrap_or(i64::MAX);
        let whole = |side: &Integer| matches!(side, Integer::Known(0 | 1) | Integer::OfImage(_));
        let form = match (map.form, shape) {
            (Form::Map | Form::Flat, [Integer::Known(-1..=1), Integer::Known(_)])
            | (Form::Map | Form::Flat, [Integer::OfImage(_), Integer::Known(-1)]) => Form::Flat,
            (Form::ChannelsLast | Form::Pixels, [batch, _, Integer::Known(last)])
                if whole(batch) && *last == channels =>
            {
                Form::Pixels
            }
            (Form::ChannelsLast | Form::Pixels, [Integer::Known(-1), Integer::Known(columns)]) => {
                Form::Rows { columns: part_of(&map, *columns)?, batch: false }
            }
            (Form::ChannelsLast | Form::Pixels, [batch, Integer::Known(-1), Integer::Known(columns)])
                if whole(batch) =>
            {
                Form::Rows { columns: part_of(&map, *columns)?, batch: true }
            }
            (form, shape) => return Err(Untranslatable(format!("Reshape of {form:?} to {shape:?}"))),
        };
        Ok(Known::Map(Map { form, ..map }))
    }

    fn transpose(&self, node: &NodeProto) -> Result<Known> {
        let map = self.map(node, 0)?;
        match (map.form, integers(node, "perm").unwrap_or_default()) {
            // The second leaves the batch, 1, where it moves no number.
            (Form::Map, [0, 2, 3, 1] | [2, 3, 0, 1]) => Ok(Known::Map(Map { form: Form::ChannelsLast, ..map })),
            (form, order) => Err(Untranslatable(format!("Transpose of {form:?} by {order:?}"))),
        }
    }

    fn shape(&self, node: &NodeProto) -> Result<Known> {
        let map = self.spatial(node, 0)?;
        let number = |side: usize| i64::try_from(side).unwrap_or(i64::MAX);
        let side = |axis: usize| match (map.size, map.samples) {
            (Some(size), _) => Integer::Known(number(size[axis])),
            (None, samples) => Integer::OfImage(samples.map(|samples| samples.map(|size| number(size[axis])))),
        };
        let integers = vec![Integer::Known(1), Integer::Known(number(map.channels)), side(0), side(1)];
        Ok(Known::Constant(Constant::Integers(integers)))
    }

    /// Of a shape, as exporters take its first two sides.
    fn slice(&self, node: &NodeProto) -> Result<Known> {
        let refusal = || Untranslatable("Slice of a map, or by steps".into());
        let from = self.integers(node, 0)?.ok_or_else(refusal)?;
        let given = |index: usize, name: &str, default: i64| match self.integers(node, index)? {
            Some(&[Integer::Known(number)]) => Ok(number),
            Some(_) => Err(refusal()),
            None => match integers(node, name) {
                Some(&[number]) => Ok(number),
                Some(_) => Err(refusal()),
                None => Ok(default),
            },
        };
        let (axis, step) = (given(3, "axes", 0)?, given(4, "steps", 1)?);
        // Counted from the end where they are negative, and held within the shape.
        let place = |number: i64| {
            let from_end = i64::try_from(from.len()).unwrap_or(i64::MAX).saturating_add(number);
            usize::try_from(if number < 0 { from_end } else { number }).unwrap_or(0).min(from.len())
        };
        let (start, end) = (place(given(1, "starts", 0)?), place(given(2, "ends", i64::MAX)?));
        match (axis, step, from.get(start..end)) {
            (0, 1, Some(part)) => Ok(Known::Constant(Constant::Integers(part.to_vec()))),
            _ => Err(refusal()),
        }
    }

    fn gather(&self, node: &NodeProto) -> Result<Known> {
        let refusal = || Untranslatable("Gather of a map".into());
        let (from, indices) = self.integers(node, 0)?.zip(self.integers(node, 1)?).ok_or_else(refusal)?;
        let gathered = indices.iter().map(|&index| {
            let index = index.known().and_then(|index| usize::try_from(index).ok()).ok_or_else(refusal)?;
            from.get(index).copied().ok_or_else(refusal)
        });
        Ok(Known::Constant(Constant::Integers(gathered.collect::<Result<_>>()?)))
    }
}

fn constant(node: &NodeProto) -> Result<Known> {
    match attribute(node, "value").and_then(|attribute| attribute.t.as_ref()) {
        Some(tensor) => Ok(Known::Constant(Constant::read(tensor)?)),
        None => Err(Untranslatable("Constant that is no tensor".into())),
    }
}

/// How many times larger than a map the sizes are; nothing where that is not known.
fn scales(map: Map, sizes: &[Integer]) -> Vec<f32> {
    let &[Integer::Known(1), Integer::Known(channels), rows, columns] = sizes else { return Vec::new() };
    let ratio = |size: i64, given: usize| (size as f64 / given as f64) as f32;
    let side = |side: Integer, axis: usize| match (side, map.size, map.samples) {
        (Integer::Known(size), Some(given), _) => Some(ratio(size, given[axis])),
        (Integer::OfImage(Some(sizes)), None, Some(samples)) => {
            let [a, b] = [0, 1].map(|sample: usize| ratio(sizes[sample], samples[sample][axis]));
            (a == b).then_some(a)
        }
        _ => None,
    };
    let scales = [Some(1.0), Some(ratio(channels, map.channels)), side(rows, 0), side(columns, 1)];
    scales.into_iter().collect::<Option<_>>().unwrap_or_default()
}

/// A map whose pixels are counted otherwise.
fn resized(map: Map, size: impl Fn([usize; 2]) -> [usize; 2]) -> Map {
    Map { size: map.size.map(&size), samples: map.samples.map(|samples| samples.map(&size)), ..map }
}

fn of_one_pixel(map: Map) -> Map {
    resized(Map { size: Some([1, 1]), ..map }, |_| [1, 1])
}

/// A part of the channels that rows have as columns.
fn part_of(map: &Map, columns: i64) -> Result<usize> {
    match usize::try_from(columns) {
        Ok(columns) if columns > 0 && map.channels.is_multiple_of(columns) => Ok(columns),
        _ => Err(Untranslatable(format!("Reshape of {} channels to rows of {columns}", map.channels))),
    }
}

/// Whether a map is one number for each channel.
fn is_vector(map: Map) -> bool {
    map.size == Some([1, 1])
}

fn rank(form: Form) -> i64 {
    match form {
        Form::Map | Form::ChannelsLast => 4,
        Form::Pixels | Form::Rows { batch: true, .. } => 3,
        Form::Flat | Form::Rows { batch: false, .. } => 2,
    }
}

/// A map after windows.
fn counted(map: Map, window: &Window) -> Result<Map> {
    let size = map.size.map(|size| window.count(size).map_err(Untranslatable)).transpose()?;
    let samples = map.samples.and_then(|[a, b]| Some([window.count(a).ok()?, window.count(b).ok()?]));
    Ok(Map { size, samples, ..map })
}
