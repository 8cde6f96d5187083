//! Networks beside the plainest form of what they compute.

use proptest::collection::vec;
use proptest::prelude::*;

use super::reference::{self, Map};
use super::*;

/// Numbers between −1 and 1 that a seed gives.
pub(super) fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn available() -> impl Iterator<Item = Instructions> {
    Instructions::ALL.into_iter().filter(|instructions| instructions.are_available())
}

/// Greatest difference, relative to the greatest number.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    difference_of(a, b, 0.0)
}

/// Likewise. A few numbers may all be small beside those that they are sums of, and bounds may leave many so: they are
/// then seen beside a tenth of the greatest number on the way, if that is given.
fn difference_of(a: &[f32], b: &[f32], greatest_on_the_way: f32) -> f32 {
    assert_eq!(a.len(), b.len());
    let greatest = b.iter().fold((greatest_on_the_way / 10.0).max(1e-6), |greatest, b| greatest.max(b.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / greatest
}

/// Runs each step on memory of its own, as long as its numbers and full of what must not be used.
#[cfg(unix)]
fn run_guarded(network: &Network, image: &Map, outputs: &Outputs<'_>) {
    use guarded::{Memory, Side};

    let full = |count| {
        let mut memory = Memory::zeros(count);
        memory.numbers_mut().fill(f32::NAN);
        memory
    };
    let lanes = lanes(network.instructions);
    for side in [Side::Begin, Side::End] {
        guarded::put_against(side);
        let plan = network.plan([image.shape[1], image.shape[2]], true).unwrap();
        let mut values = vec![Memory::from_slice(&image.values)];
        values.extend(plan.places.iter().map(|place| full(place.len())));
        for (index, band) in plan.chains.iter().flat_map(|chain| chain.stages(&network.steps, &plan.shapes, &plan.held))
        {
            let step = &network.steps[index];
            let mut scratch = full(plan.scratch[index].len());
            let (before, y) = values.split_at_mut(index + 1);
            let y = y[0].numbers_mut();
            let value = |value: usize| (before[value].numbers(), plan.shapes[value]);
            if let Kernel::Concat = step.kernel {
                let mut channel = 0;
                for &input in &step.inputs {
                    let (x, [channels, height, width]) = value(input);
                    layout::join(lanes, channels, height * width, x, channel, y);
                    channel += channels;
                }
            } else {
                let residual = step.residual.map(value);
                let input = value(step.inputs[0]);
                step.run(
                    network.instructions,
                    input,
                    residual,
                    (y, plan.shapes[index + 1]),
                    scratch.numbers_mut(),
                    band,
                );
            }
        }
        for (given, output) in network.outputs.iter().zip(outputs.iter()) {
            let mut y = full(output.values.len());
            network.give(given, output.shape, values[given.value].numbers(), y.numbers_mut());
            assert_eq!(y.numbers(), output.values, "{side:?}");
        }
    }
}

fn compare(graph: &Graph, [height, width]: [usize; 2]) {
    let shape = [graph.input_channels, height, width];
    let image = Map { shape, values: numbers(7, shape.iter().product()) };
    check::channels(graph).unwrap();
    let expected = reference::run_with_greatest(graph, &image);
    for instructions in available() {
        let network = Network::compile(graph.clone(), instructions, Precision::F32).unwrap();
        let mut workspace = Workspace::new();
        let outputs = network.run(&image.values, [height, width], &mut workspace);
        let ((expected, greatest), outputs) = match (&expected, outputs) {
            (Err(_), Err(RunError::Size { .. })) => continue,
            (Ok(expected), Ok(outputs)) => (expected, outputs),
            (expected, outputs) => panic!("{instructions:?}: {expected:?} but {outputs:?}"),
        };
        assert_eq!(outputs.len(), expected.len());
        #[cfg(unix)]
        run_guarded(&network, &image, &outputs);
        for (output, expected) in outputs.iter().zip(expected) {
            assert_eq!(output.shape, expected.shape, "{instructions:?}");
            let layers = network.explain([height, width]).unwrap();
            let has = |kernel: &str| layers.iter().any(|layer| layer.kernel.contains(kernel));
            // What tiles miss is of what sums are made of.
            let on_the_way = if has("tiles") { *greatest } else { 0.0 };
            let difference = difference_of(output.values, &expected.values, on_the_way);
            let bound = if has("winograd") { 1e-3 } else { 1e-4 };
            assert!(difference <= bound, "{instructions:?}: {difference} in {layers:?}");
        }
    }
}

fn window() -> impl Strategy<Value = Window> {
    let pair = |range: std::ops::RangeInclusive<usize>| [range.clone(), range];
    (pair(1..=5), pair(1..=3), pair(1..=2), [0..3_usize, 0..3, 0..3, 0..3]).prop_map(
        |(kernel, stride, dilation, [top, left, bottom, right])| Window {
            kernel,
            stride,
            dilation,
            padding: Padding { top, left, bottom, right },
            ceil: false,
        },
    )
}

/// No window of it lies in the padding alone, where there is no greatest number.
fn pool_window(window: Window, ceil: bool) -> Window {
    let Padding { top, left, bottom, right } = window.padding;
    let [rows, columns] = window.kernel;
    let padding = Padding {
        top: top.min(rows - 1),
        left: left.min(columns - 1),
        bottom: bottom.min(rows - 1),
        right: right.min(columns - 1),
    };
    Window { ceil, dilation: [1; 2], padding, ..window }
}

fn activation(channels: usize) -> impl Strategy<Value = Option<Activation>> {
    prop_oneof![
        Just(None),
        Just(Some(Activation::Relu)),
        Just(Some(Activation::Clip { low: -0.2, high: 0.3 })),
        Just(Some(Activation::PRelu(vec![0.1]))),
        Just(Some(Activation::PRelu(numbers(3, channels)))),
        Just(Some(Activation::Sigmoid)),
    ]
}

fn node(name: &str, operation: Operation, inputs: &[Value]) -> Node {
    Node { name: name.into(), operation, inputs: inputs.to_vec() }
}

/// A convolution and what may be fused with it, on an input that a plain convolution made.
fn convolution_graph(
    [inputs, outputs, groups]: [usize; 3],
    window: Window,
    activation: Option<Activation>,
    residual_channels: Option<usize>,
) -> Graph {
    let (inputs, outputs) = (inputs * groups, outputs * groups);
    let taps = window.kernel[0] * window.kernel[1];
    let convolution = |outputs: usize, seed| {
        Operation::Convolution(Convolution {
            outputs,
            groups,
            window,
            weights: numbers(seed, outputs * inputs / groups * taps),
            bias: numbers(seed + 1, outputs),
        })
    };
    let mut nodes = vec![node("scale", Operation::Affine { scale: vec![0.5], offset: vec![0.1] }, &[Value::Input])];
    nodes.push(node("a", Operation::Activation(Activation::PRelu(vec![0.5])), &[Value::Node(0)]));
    if let Some(channels) = residual_channels {
        let channels = channels.min(outputs / groups) * groups;
        nodes.push(node("r", convolution(channels, 5), &[Value::Node(1)]));
    }
    nodes.push(node("c", convolution(outputs, 9), &[Value::Node(1)]));
    if residual_channels.is_some() {
        nodes.push(node("s", Operation::Add, &[Value::Node(2), Value::Node(3)]));
    }
    if let Some(activation) = activation {
        let last = Value::Node(nodes.len() - 1);
        nodes.push(node("f", Operation::Activation(activation), &[last]));
    }
    Graph { input_channels: inputs, outputs: vec![Value::Node(nodes.len() - 1)], nodes }
}

/// The nearest number of 8 bits of mantissa, found by looking at both sides.
fn rounded(number: f32) -> f32 {
    let below = f32::from_bits(number.to_bits() & 0xffff_0000);
    let above = f32::from_bits((number.to_bits() & 0xffff_0000) + 0x1_0000);
    let (to_below, to_above) = ((number - below).abs(), (above - number).abs());
    let is_even = |number: f32| number.to_bits() >> 16 & 1 == 0;
    if to_below < to_above || to_below == to_above && is_even(below) { below } else { above }
}

/// Has something after the last node that changes nothing.
fn nodes_after(graph: &mut Graph) {
    let last = graph.outputs[0];
    graph.nodes.push(node("m", Operation::MaxPool(Window::square(1, 1, 0)), &[last]));
    graph.outputs = vec![Value::Node(graph.nodes.len() - 1)];
}

/// A convolution of rounded numbers is that of the numbers in bfloat16.
fn compare_bf16(channels: [usize; 3], window: Window, residual: Option<usize>, [height, width]: [usize; 2]) {
    let mut with_bf16 = available().filter(|instructions| Precision::Bf16.is_available(*instructions)).peekable();
    if with_bf16.peek().is_none() {
        println!("skipped: no bfloat16 on this CPU");
    }
    for instructions in with_bf16 {
        compare_bf16_with(instructions, channels, window, residual, [height, width]);
    }
}

fn compare_bf16_with(
    instructions: Instructions,
    channels: [usize; 3],
    window: Window,
    residual: Option<usize>,
    [height, width]: [usize; 2],
) {
    let mut graph = convolution_graph(channels, window, Some(Activation::Relu), residual);
    // An output would keep all digits.
    nodes_after(&mut graph);
    // Without what precedes the convolutions, so that they read the image.
    for node in &mut graph.nodes[2..] {
        node.inputs.iter_mut().filter(|input| **input == Value::Node(1)).for_each(|input| *input = Value::Input);
    }
    let mut image = Map { shape: [graph.input_channels, height, width], values: Vec::new() };
    image.values = numbers(11, image.shape.iter().product());
    let outputs = {
        let network = Network::compile(graph.clone(), instructions, Precision::Bf16).unwrap();
        let mut workspace = Workspace::new();
        let Ok(outputs) = network.run(&image.values, [height, width], &mut workspace) else { return };
        #[cfg(unix)]
        run_guarded(&network, &image, &outputs);
        let kernels: Vec<_> = network.explain([height, width]).unwrap().into_iter().map(|layer| layer.kernel).collect();
        // These keep all digits.
        if kernels.iter().any(|kernel| kernel.contains("depthwise") || kernel.contains("winograd")) {
            return;
        }
        if !kernels.iter().any(|kernel| kernel.contains("bf16")) {
            return;
        }
        outputs.iter().next().unwrap().values.to_vec()
    };
    image.values.iter_mut().for_each(|number| *number = rounded(*number));
    for node in &mut graph.nodes {
        if let Operation::Convolution(convolution) = &mut node.operation {
            convolution.weights.iter_mut().for_each(|number| *number = rounded(*number));
        }
    }
    let expected = reference::run(&graph, &image).unwrap();
    let difference = difference(&outputs, &expected[0].values);
    assert!(difference <= 1e-5, "{difference}");
}

/// A depthwise convolution, which keeps all digits, a pool after it or none, and a convolution of 1×1.
fn separable_graph(
    channels: usize,
    outputs: usize,
    (window, pool): (Window, Option<Window>),
    exact: impl Fn(u64, usize) -> Vec<f32>,
) -> Graph {
    let taps = window.kernel[0] * window.kernel[1];
    let depthwise =
        Convolution { outputs: channels, groups: channels, window, weights: exact(1, channels * taps), bias: vec![] };
    let pointwise = Convolution {
        outputs,
        groups: 1,
        window: Window::square(1, 1, 0),
        weights: exact(2, channels * outputs),
        bias: numbers(3, outputs),
    };
    let mut nodes = vec![node("d", Operation::Convolution(depthwise), &[Value::Input])];
    let mut push = |name: &str, operation: Operation| {
        let last = Value::Node(nodes.len() - 1);
        nodes.push(node(name, operation, &[last]));
    };
    if let Some(pool) = pool {
        push("l", Operation::MaxPool(pool));
    }
    push("p", Operation::Convolution(pointwise));
    push("r", Operation::Affine { scale: vec![1.0], offset: vec![0.0] });
    push("m", Operation::MaxPool(Window::square(1, 1, 0)));
    Graph { input_channels: channels, outputs: vec![Value::Node(nodes.len() - 1)], nodes }
}

/// Windows of a depthwise convolution and a pool after it, or none; half of them are those that run together.
fn separable_windows() -> impl Strategy<Value = (Window, Option<Window>)> {
    prop_oneof![
        window().prop_map(|window| (window, None)),
        Just((Window::square(3, 1, 1), Some(Window::square(2, 2, 0))))
    ]
}

fn compare_exact(graph: &Graph, image: &Map, range: [f32; 2], expected: &Map) {
    for precision in [Precision::Bf16, Precision::Int8] {
        for instructions in available().filter(|instructions| precision.is_available(*instructions)) {
            compare_pieces(graph, image, (instructions, precision), range, expected);
        }
    }
}

/// Numbers that pieces stand for exactly give what the reference gives.
fn compare_pieces(
    graph: &Graph,
    image: &Map,
    (instructions, precision): (Instructions, Precision),
    range: [f32; 2],
    expected: &Map,
) {
    let size = [image.shape[1], image.shape[2]];
    let mut ranges = Ranges::new();
    let network = Network::compile(graph.clone(), instructions, Precision::F32).unwrap();
    network.explain(size).unwrap().iter().for_each(|layer| ranges.widen(&layer.name, range));
    let network = match precision {
        Precision::Int8 => Network::compile_int8(graph.clone(), instructions, &ranges),
        _ => Network::compile(graph.clone(), instructions, precision),
    }
    .unwrap();
    let mut workspace = Workspace::new();
    let outputs = network.run(&image.values, size, &mut workspace).unwrap();
    #[cfg(unix)]
    run_guarded(&network, image, &outputs);
    let difference = difference(outputs.get(0).unwrap().values, &expected.values);
    assert!(difference <= 1e-5, "{instructions:?} {precision:?}: {difference} in {:?}", network.explain(size));
}

/// A convolution of bytes, a depthwise one, and one that gives out the bytes of that: each as near as half of what bytes
/// are apart, and 16 bits of what is summed.
fn between_bytes([inputs, channels]: [usize; 2], window: Window, slopes: [f32; 2], size: [usize; 2], zero: u8) {
    let few = |seed, count, most: f32| numbers(seed, count).iter().map(|x| (x * most).round()).collect::<Vec<f32>>();
    let convolution = |groups, window, weights| {
        Operation::Convolution(Convolution { outputs: channels, groups, window, weights, bias: numbers(2, channels) })
    };
    let bend = |slope: f32| match slope {
        0.0 => Operation::Activation(Activation::Relu),
        // Bounds that some numbers are beyond.
        6.0 => Operation::Activation(Activation::Clip { low: 0.0, high: 2e4 }),
        // Channels of their own.
        _ => Operation::Activation(Activation::PRelu(
            numbers(3, channels).iter().map(|x| slope * (1.0 + x) / 2.0).collect(),
        )),
    };
    let pointwise = Window::square(1, 1, 0);
    let mut weights = few(1, channels * inputs, 127.0);
    weights.chunks_exact_mut(inputs).for_each(|weights| weights[0] = 127.0);
    // As training leaves some behind.
    weights[inputs..2 * inputs].fill(1e-20);
    let mut nodes = vec![node("p", convolution(1, pointwise, weights), &[Value::Input])];
    let mut push = |name: &str, operation: Operation| {
        let last = Value::Node(nodes.len() - 1);
        nodes.push(node(name, operation, &[last]));
    };
    push("b", bend(slopes[0]));
    let taps = window.kernel[0] * window.kernel[1];
    push("d", convolution(channels, window, numbers(4, channels * taps)));
    push("e", bend(slopes[1]));
    let mut graph = Graph { input_channels: inputs, outputs: vec![Value::Node(nodes.len() - 1)], nodes };
    let shape = [inputs, size[0], size[1]];
    let zero = f32::from(zero);
    let values = numbers(5, shape.iter().product()).iter().map(|x| ((x + 1.0) * 127.5).round() - zero).collect();
    let image = Map { shape, values };
    let Ok((expected, greatest)) = reference::run_with_greatest(&graph, &image) else { return };
    let ends = |map: &Map| map.values.iter().fold([0.0_f32; 2], |[low, high], &x| [low.min(x), high.max(x)]);
    let range = ends(&expected[0]);
    let identity = (0..channels * channels).map(|place| if place % (channels + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let identity = Operation::Convolution(Convolution {
        outputs: channels,
        groups: 1,
        window: pointwise,
        weights: identity,
        bias: vec![],
    });
    graph.nodes.push(node("i", identity, &graph.outputs));
    graph.outputs = vec![Value::Node(graph.nodes.len() - 1)];
    nodes_after(&mut graph);
    let is_of_three = window == Window::square(3, 1, 1) || window == Window::square(3, 2, 1);
    for instructions in available().filter(|instructions| Precision::Int8.is_available(*instructions)) {
        let mut ranges = Ranges::new();
        let layers = Network::compile(graph.clone(), instructions, Precision::F32).unwrap().explain(size).unwrap();
        for layer in layers {
            ranges.widen(&layer.name, if layer.name.starts_with('i') { range } else { [-zero, 255.0 - zero] });
        }
        let network = Network::compile_int8(graph.clone(), instructions, &ranges).unwrap();
        let kernels: Vec<_> = network.explain(size).unwrap().into_iter().map(|layer| layer.kernel).collect();
        // Tiles take these pieces from others.
        let is_given = channels == 32 || channels.is_multiple_of(64);
        #[cfg(target_arch = "x86_64")]
        if is_of_three && is_given && lanes::F16::are_available(instructions) {
            assert!(kernels.iter().any(|kernel| kernel.contains("depthwise f16")), "{kernels:?}");
        }
        let mut workspace = Workspace::new();
        let outputs = network.run(&image.values, size, &mut workspace).unwrap();
        #[cfg(unix)]
        run_guarded(&network, &image, &outputs);
        let bound = (range[1] - range[0]) / 255.0 * 0.51 + greatest * 4e-3;
        for (output, expected) in outputs.get(0).unwrap().values.iter().zip(&expected[0].values) {
            assert!(
                (output - expected).abs() <= bound,
                "{instructions:?}: {output} not {expected} ± {bound} in {kernels:?}"
            );
        }
    }
}

/// Layers that may run in bands, one after the other: each a convolution of 1×1 to so many channels, depthwise with
/// a window, a pool, or a depthwise convolution and a pool that run together.
fn chain_graph([input_channels, first]: [usize; 2], layers: &[(u8, usize, Window)]) -> Graph {
    let convolution = |inputs: usize, outputs: usize, groups: usize, window: Window, seed: usize| {
        let weights = numbers(seed as u64, outputs * inputs / groups * window.kernel[0] * window.kernel[1]);
        let bias = numbers(seed as u64 + 1, outputs);
        Operation::Convolution(Convolution { outputs, groups, window, weights, bias })
    };
    let mut nodes =
        vec![node("first", convolution(input_channels, first, 1, Window::square(3, 1, 1), 1), &[Value::Input])];
    let mut channels = first;
    let (depthwise, pool) = ((1, 0, Window::square(3, 1, 1)), (2, 0, Window::square(2, 2, 0)));
    let layers = layers.iter().flat_map(|&layer| match layer {
        (3, ..) => vec![depthwise, pool],
        // What the first of them adds, the second can.
        (4, outputs, _) => vec![(5, outputs, Window::square(1, 1, 0)), depthwise],
        (5, outputs, _) => vec![(5, outputs, Window::square(1, 1, 0)), depthwise, pool],
        _ => vec![layer],
    });
    for (index, (kind, outputs, window)) in layers.enumerate() {
        let operation = match kind {
            0 | 5 => convolution(channels, outputs, 1, Window::square(1, 1, 0), 2 * index),
            1 => convolution(channels, channels, channels, Window { ceil: false, ..window }, 2 * index),
            _ => Operation::MaxPool(pool_window(window, window.ceil)),
        };
        if matches!(kind, 0 | 5) {
            channels = outputs;
        }
        let input = Value::Node(nodes.len() - 1);
        nodes.push(node(&format!("n{index}"), operation, &[input]));
        if kind < 2 {
            let input = Value::Node(nodes.len() - 1);
            nodes.push(node("r", Operation::Activation(Activation::PRelu(vec![0.3])), &[input]));
        }
    }
    let last = Value::Node(nodes.len() - 1);
    Graph { input_channels, nodes, outputs: vec![last] }
}

/// What layers are seen to read, for bytes, is the same whatever reads it.
fn compare_ranges(graph: &Graph, size: [usize; 2]) {
    let image = numbers(7, graph.input_channels * size[0] * size[1]);
    let record = |instructions| {
        let network = Network::compile(graph.clone(), instructions, Precision::F32).unwrap();
        let mut ranges = Ranges::new();
        let has_run = network.record(&image, size, &mut Workspace::new(), &mut ranges).is_ok();
        let names = network.steps.iter().map(|step| step.name.clone());
        has_run.then(|| names.map(|name| ranges.get(&name)).collect::<Vec<_>>())
    };
    let expected = record(Instructions::Portable);
    for instructions in available() {
        let Some((ranges, expected)) = record(instructions).zip(expected.as_ref()) else { return };
        for (range, expected) in ranges.iter().flatten().zip(expected.iter().flatten()) {
            assert!(difference(range, expected) <= 1e-3, "{instructions:?}: {range:?} but {expected:?}");
        }
    }
}

/// bfloat16 has 8 bits of mantissa, and what a few layers give is about as near.
fn compare_roughly(graph: &Graph, [height, width]: [usize; 2]) {
    let mut graph = graph.clone();
    nodes_after(&mut graph);
    let shape = [graph.input_channels, height, width];
    let image = Map { shape, values: numbers(7, shape.iter().product()) };
    let Ok((expected, greatest)) = reference::run_with_greatest(&graph, &image) else { return };
    for instructions in available().filter(|instructions| Precision::Bf16.is_available(*instructions)) {
        let network = Network::compile(graph.clone(), instructions, Precision::Bf16).unwrap();
        let mut workspace = Workspace::new();
        let outputs = network.run(&image.values, [height, width], &mut workspace).unwrap();
        #[cfg(unix)]
        run_guarded(&network, &image, &outputs);
        let values = outputs.iter().next().unwrap().values;
        let on_the_way = if values.len() < 16 { greatest } else { 0.0 };
        let difference = difference_of(values, &expected[0].values, on_the_way);
        assert!(difference <= 0.06, "{instructions:?}: {difference}");
    }
}

/// How an output looks at a map.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Looks {
    AtItself,
    /// A depthwise convolution after that.
    Separably,
    AtWindow,
}

fn looks() -> impl Strategy<Value = Looks> {
    prop_oneof![Just(Looks::AtItself), Just(Looks::Separably), Just(Looks::AtWindow)]
}

/// Outputs of few channels each that read the same map; some with a sigmoid.
fn heads_graph(input_channels: usize, window: Window, heads: &[(usize, Looks, bool)]) -> Graph {
    let convolution = |inputs: usize, outputs: usize, groups: usize, window: Window, seed: usize| {
        let weights = numbers(seed as u64, outputs * inputs / groups * window.kernel[0] * window.kernel[1]);
        // Some without a bias.
        let bias = if seed.is_multiple_of(3) { Vec::new() } else { numbers(seed as u64 + 1, outputs) };
        Operation::Convolution(Convolution { outputs, groups, window, weights, bias })
    };
    let one = Window::square(1, 1, 0);
    let mut graph = Graph {
        input_channels,
        nodes: vec![node("shared", convolution(input_channels, 20, 1, one, 1), &[Value::Input])],
        outputs: Vec::new(),
    };
    for (index, &(channels, looks, has_sigmoid)) in heads.iter().enumerate() {
        let at = if looks == Looks::AtWindow { window } else { one };
        graph.nodes.push(node(&format!("p{index}"), convolution(20, channels, 1, at, 2 * index), &[Value::Node(0)]));
        if looks == Looks::Separably {
            let depthwise = convolution(channels, channels, channels, window, 2 * index + 1);
            graph.nodes.push(node(&format!("d{index}"), depthwise, &[Value::Node(graph.nodes.len() - 1)]));
        }
        if has_sigmoid {
            let sigmoid = Operation::Activation(Activation::Sigmoid);
            graph.nodes.push(node(&format!("s{index}"), sigmoid, &[Value::Node(graph.nodes.len() - 1)]));
        }
        graph.outputs.push(Value::Node(graph.nodes.len() - 1));
    }
    graph
}

/// A depthwise convolution may look at a pixel alone, and is depthwise still.
#[test]
fn heads_that_look_at_one_pixel_are_joined() {
    for channels in [1, 3] {
        let separable = |channels, has_sigmoid| (channels, Looks::Separably, has_sigmoid);
        let heads = [separable(channels, false), separable(2, true), separable(channels, false)];
        compare(&heads_graph(20, Window::square(1, 1, 0), &heads), [7, 9]);
    }
}

/// Heads of one stride are one convolution of each kind, and nothing else is.
#[test]
fn heads_are_joined() {
    let joined = |looks: Looks| {
        let heads = [(1, looks, true), (1, looks, true), (4, looks, false), (10, looks, false)];
        let graph = heads_graph(20, Window::square(3, 1, 1), &[&heads[..], &[(3, Looks::AtItself, false)]].concat());
        let network = Network::compile(graph, Instructions::Portable, Precision::F32).unwrap();
        let layers = network.explain([9, 9]).unwrap();
        layers.into_iter().map(|layer| (layer.name, layer.shape[0])).collect::<Vec<_>>()
    };
    let layers =
        |layers: &[(&str, usize)]| layers.iter().map(|&(name, count)| (name.to_owned(), count)).collect::<Vec<_>>();
    let dense = ("p0 + p1 + p2 + p3", 16);
    let depthwise = ("d0 + d1 + d2 + d3", 16);
    assert_eq!(joined(Looks::Separably), layers(&[("image", 20), ("shared", 20), dense, depthwise, ("p4", 3)]));
    assert_eq!(joined(Looks::AtWindow), layers(&[("image", 20), ("shared", 20), dense, ("p4", 3)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn heads(
        input_channels in 5..30_usize,
        window in window(),
        heads in vec((1..24_usize, looks(), any::<bool>()), 1..6),
        size in [6..20_usize, 6..20],
    ) {
        compare(&heads_graph(input_channels, window, &heads), size);
    }

    #[test]
    fn chains(
        input_channels in 1..7_usize,
        first in prop_oneof![Just(16_usize), Just(20), Just(32)],
        layers in vec((0..6_u8, prop_oneof![1..40_usize, Just(16), Just(32)], window()), 2..7),
        size in [8..60_usize, 8..40],
    ) {
        let graph = chain_graph([input_channels, first], &layers);
        compare(&graph, size);
        compare_ranges(&graph, size);
        compare_roughly(&graph, size);
    }

    #[test]
    fn separable_convolutions_of_few_pixels(
        first in prop_oneof![Just(16_usize), Just(20), Just(32)],
        layers in vec((4..6_u8, prop_oneof![1..40_usize, Just(16), Just(32)], Just(Window::square(1, 1, 0))), 1..4),
        size in [1..7_usize, 1..40],
    ) {
        let graph = chain_graph([3, first], &layers);
        compare(&graph, size);
        compare_roughly(&graph, size);
    }

    #[test]
    fn convolutions(
        channels in (1..40_usize, 1..70_usize).prop_map(|(inputs, outputs)| [inputs, outputs, 1]),
        window in window(),
        activation in activation(1),
        residual in proptest::option::of(1..70_usize),
        size in [1..20_usize, 1..20],
    ) {
        compare(&convolution_graph(channels, window, activation, residual), size);
    }

    #[test]
    fn convolutions_with_weights_of_16_bits(
        channels in (prop_oneof![5..40_usize, Just(32), Just(64), Just(128)], 17..150_usize)
            .prop_map(|(inputs, outputs)| [inputs, outputs, 1]),
        window in window(),
        residual in proptest::option::of(1..70_usize),
        size in [1..20_usize, 1..20],
    ) {
        let mut graph = convolution_graph(channels, window, None, residual);
        let bytes = |graph: &Graph| {
            Network::compile(graph.clone(), Instructions::Avx512, Precision::F32).unwrap().weight_bytes()
        };
        let has_registers = Instructions::Avx512.are_available();
        let of_32_bits = if has_registers { bytes(&graph) } else { 0 };
        for node in &mut graph.nodes {
            let Operation::Convolution(convolution) = &mut node.operation else { continue };
            // The ten bits of their mantissa, where they are above the least that has as many.
            for weight in &mut convolution.weights {
                *weight = if weight.abs() < 1e-4 { 0.0 } else { f32::from_bits(weight.to_bits() & !0x1fff) };
            }
        }
        let is_large = window.kernel[0] * window.kernel[1] * channels[0] * channels[1].next_multiple_of(16) >= 1 << 8;
        if is_large && has_registers {
            assert!(bytes(&graph) < of_32_bits);
        }
        compare(&graph, size);
    }

    #[test]
    fn bf16_convolutions(
        channels in (5..70_usize, 32..70_usize).prop_map(|(inputs, outputs)| [inputs, outputs, 1]),
        window in window(),
        size in [1..20_usize, 1..20],
    ) {
        compare_bf16(channels, window, None, size);
        compare_bf16(channels, window, Some(70), size);
        compare_bf16(channels, Window::square(1, 1, 0), None, size);
    }

    /// Whole numbers of 8 bits, which both bfloat16 and bytes stand for, with sums that f32 has.
    #[test]
    fn exact_separable_convolutions(
        channels in 5..70_usize,
        outputs in 32..70_usize,
        windows in separable_windows(),
        size in [1..20_usize, 1..20],
        zero in 0..=255_u8,
    ) {
        let few = |seed, count| numbers(seed, count).into_iter().map(|x| (x * 1.4).round()).collect::<Vec<f32>>();
        let graph = separable_graph(channels, outputs, windows, few);
        let shape = [channels, size[0], size[1]];
        let image = Map { shape, values: few(8, shape.iter().product()) };
        let Ok(expected) = reference::run(&graph, &image) else { return Ok(()) };
        // The depthwise convolution gives numbers between −50 and 50.
        let range = [-f32::from(zero.clamp(60, 190)), 255.0 - f32::from(zero.clamp(60, 190))];
        compare_exact(&graph, &image, range, &expected[0]);
    }

    /// As many channels as tiles have in a row, or a multiple: what the first convolution gives is what the second takes.
    #[test]
    fn separable_convolutions_of_whole_rows(
        (rows, outputs) in (1..5_usize, 32..130_usize),
        windows in separable_windows(),
        size in [1..20_usize, 1..20],
    ) {
        let graph = separable_graph(32 * rows, outputs, windows, numbers);
        compare(&graph, size);
        let few = |seed, count| numbers(seed, count).into_iter().map(|x| (x * 1.4).round()).collect::<Vec<f32>>();
        let graph = separable_graph(32 * rows, outputs, windows, few);
        let shape = [32 * rows, size[0], size[1]];
        let image = Map { shape, values: few(8, shape.iter().product()) };
        let Ok(expected) = reference::run(&graph, &image) else { return Ok(()) };
        compare_exact(&graph, &image, [-100.0, 155.0], &expected[0]);
    }

    /// With weights of up to 127 in every output, and images of all that a byte stands for.
    #[test]
    fn int8_convolutions(
        inputs in 5..40_usize,
        outputs in 32..70_usize,
        window in window(),
        size in [1..16_usize, 1..16],
        zero in 0..=255_u8,
    ) {
        let taps = window.kernel[0] * window.kernel[1];
        let mut weights: Vec<f32> = numbers(1, outputs * inputs * taps).iter().map(|x| (x * 127.0).round()).collect();
        weights.chunks_exact_mut(inputs * taps).for_each(|weights| weights[0] = 127.0);
        let convolution = Convolution { outputs, groups: 1, window, weights, bias: numbers(2, outputs) };
        let mut graph = Graph {
            input_channels: inputs,
            nodes: vec![node("c", Operation::Convolution(convolution), &[Value::Input])],
            outputs: vec![Value::Node(0)],
        };
        nodes_after(&mut graph);
        let shape = [inputs, size[0], size[1]];
        let zero = f32::from(zero);
        let values = numbers(3, shape.iter().product()).iter().map(|x| ((x + 1.0) * 127.5).round() - zero).collect();
        let image = Map { shape, values };
        let Ok(expected) = reference::run(&graph, &image) else { return Ok(()) };
        for instructions in available().filter(|instructions| Precision::Int8.is_available(*instructions)) {
            compare_pieces(&graph, &image, (instructions, Precision::Int8), [-zero, 255.0 - zero], &expected[0]);
        }
    }

    /// What goes from a convolution of bytes to a depthwise one in 16 bits is as near as bytes and 16 bits are: its bytes
    /// are given out by weights of 1.
    #[test]
    fn depthwise_convolutions_between_bytes(
        (rows, inputs) in (1..5_usize, 5..70_usize),
        window in prop_oneof![Just(Window::square(3, 1, 1)), Just(Window::square(3, 2, 1)), window()],
        slopes in [(); 2].map(|()| prop_oneof![Just(1.0_f32), Just(0.0), Just(6.0), -1.5..1.5_f32]),
        size in [1..20_usize, 1..34],
        zero in 0..=255_u8,
    ) {
        between_bytes([inputs, 32 * rows], window, slopes, size, zero);
    }

    /// Large enough that it pays to do them by squares.
    #[test]
    fn square_convolutions(
        channels in (8..40_usize, 8..70_usize, 1..3_usize).prop_map(|(inputs, outputs, groups)| [inputs, outputs, groups]),
        padding in [0..3_usize, 0..3, 0..3, 0..3],
        activation in activation(1),
        residual in proptest::option::of(1..70_usize),
        size in [8..30_usize, 8..30],
    ) {
        let [top, left, bottom, right] = padding;
        let window = Window { padding: Padding { top, left, bottom, right }, ..Window::square(3, 1, 0) };
        compare(&convolution_graph(channels, window, activation, residual), size);
    }

    #[test]
    fn grouped_convolutions(
        channels in prop_oneof![
            [1..5_usize, 1..5, 1..9],
            (1..70_usize).prop_map(|groups| [1, 1, groups]),
            (1..4_usize).prop_map(|groups| [16, 32, groups]),
        ],
        window in window(),
        activation in activation(1),
        residual in proptest::option::of(1..70_usize),
        size in [1..24_usize, 1..24],
    ) {
        compare(&convolution_graph(channels, window, activation, residual), size);
    }

    #[test]
    fn pooled_depthwise_convolutions(
        channels in 2..40_usize,
        activation in activation(1),
        size in [1..24_usize, 1..150],
    ) {
        let mut graph = convolution_graph([1, 1, channels], Window::square(3, 1, 1), activation, None);
        graph.nodes.push(node("m", Operation::MaxPool(Window::square(2, 2, 0)), &graph.outputs));
        graph.outputs = vec![Value::Node(graph.nodes.len() - 1)];
        compare(&graph, size);
    }

    #[test]
    fn convolutions_over_the_image(
        input_channels in 1..7_usize,
        outputs in 1..40_usize,
        window in window(),
        pool in proptest::option::of((window(), any::<bool>())),
        size in [1..40_usize, 1..40],
    ) {
        let taps = window.kernel[0] * window.kernel[1];
        let weights = numbers(4, outputs * input_channels * taps);
        let bias = numbers(5, outputs);
        let convolution = Operation::Convolution(Convolution { outputs, groups: 1, window, weights, bias });
        let slopes = Operation::Activation(Activation::PRelu(numbers(6, outputs)));
        let nodes = vec![
            node("scale", Operation::Affine { scale: numbers(7, input_channels), offset: numbers(8, 1) }, &[Value::Input]),
            node("c", convolution, &[Value::Node(0)]),
            node("p", slopes, &[Value::Node(1)]),
        ];
        let mut graph = Graph { input_channels, nodes, outputs: vec![Value::Node(2)] };
        if let Some((window, ceil)) = pool {
            let window = pool_window(window, ceil);
            graph.nodes.push(node("m", Operation::MaxPool(window), &graph.outputs));
            graph.nodes.push(node("r", Operation::Activation(Activation::PRelu(numbers(9, outputs))), &[Value::Node(3)]));
            graph.outputs = vec![Value::Node(4)];
        }
        compare(&graph, size);
    }

    #[test]
    fn pools(
        input_channels in 1..40_usize,
        window in window(),
        ceil in any::<bool>(),
        count_padding in any::<bool>(),
        size in [1..20_usize, 1..20],
    ) {
        let window = pool_window(window, ceil);
        let nodes = vec![
            node("m", Operation::MaxPool(window), &[Value::Input]),
            node("a", Operation::AveragePool { window, count_padding }, &[Value::Input]),
            node("s", Operation::Concat, &[Value::Node(0), Value::Node(1), Value::Node(0)]),
            node("g", Operation::GlobalAveragePool, &[Value::Node(2)]),
        ];
        compare(&Graph { input_channels, nodes, outputs: vec![Value::Node(2), Value::Node(3), Value::Node(0)] }, size);
    }

    #[test]
    fn maps_that_move(
        input_channels in 1..40_usize,
        more in 0..20_usize,
        padding in [0..3_usize, 0..3, 0..3, 0..3],
        factors in [1..4_usize, 1..4],
        size in [1..20_usize, 1..20],
        scales in vec(-1.0..1.0_f32, 60),
    ) {
        let [top, left, bottom, right] = padding;
        let padding = Padding { top, left, bottom, right };
        let scale = scales[..input_channels + more].to_vec();
        let nodes = vec![
            node("p", Operation::Pad { channels: more, padding }, &[Value::Input]),
            node("u", Operation::UpsampleNearest { factors }, &[Value::Node(0)]),
            node("a", Operation::Affine { scale, offset: vec![0.25] }, &[Value::Node(1)]),
            node("s", Operation::Softmax, &[Value::Node(2)]),
            node("c", Operation::Concat, &[Value::Node(3), Value::Node(1)]),
            // A sum that the larger map takes along.
            node("v", Operation::UpsampleNearest { factors }, &[Value::Node(0)]),
            node("w", Operation::Add, &[Value::Node(2), Value::Node(5)]),
        ];
        let outputs = vec![Value::Node(4), Value::Node(2), Value::Input, Value::Node(6)];
        compare(&Graph { input_channels, nodes, outputs }, size);
    }

    #[test]
    fn sums_with_larger_maps_before_convolutions(
        channels in prop_oneof![1..70_usize, Just(16), Just(32), Just(64)],
        outputs in 1..70_usize,
        factors in [1..4_usize, 1..4],
        size in [1..30_usize, 1..20],
        is_summed in any::<bool>(),
    ) {
        let pointwise = |inputs: usize, outputs: usize, seed: u64| {
            let (weights, bias) = (numbers(seed, inputs * outputs), numbers(seed + 1, outputs));
            let window = Window::square(1, 1, 0);
            Operation::Convolution(Convolution { outputs, groups: 1, window, weights, bias })
        };
        let mut nodes = vec![
            node("i", Operation::UpsampleNearest { factors }, &[Value::Input]),
            node("r", pointwise(3, channels, 1), &[Value::Node(0)]),
            node("p", pointwise(3, channels, 3), &[Value::Input]),
            node("u", Operation::UpsampleNearest { factors }, &[Value::Node(2)]),
        ];
        if is_summed {
            nodes.push(node("s", Operation::Add, &[Value::Node(1), Value::Node(3)]));
        }
        let last = Value::Node(nodes.len() - 1);
        nodes.push(node("c", pointwise(channels, outputs, 5), &[last]));
        let outputs = vec![Value::Node(nodes.len() - 1)];
        let graph = Graph { input_channels: 3, nodes, outputs };
        compare(&graph, size);
        compare_ranges(&graph, size);
        compare_roughly(&graph, size);
    }

    #[test]
    fn fully_connected(channels in 1..70_usize, outputs in 1..200_usize, size in [1..5_usize, 1..5], off in 0..2_usize) {
        let input = [channels, size[0] + off, size[1]];
        let weights = numbers(1, outputs * input.iter().product::<usize>());
        let operation = Operation::FullyConnected { input, weights, bias: numbers(2, outputs) };
        let nodes = vec![
            node("f", operation, &[Value::Input]),
            node("p", Operation::Activation(Activation::PRelu(numbers(6, outputs))), &[Value::Node(0)]),
        ];
        compare(&Graph { input_channels: channels, nodes, outputs: vec![Value::Node(1)] }, size);
    }
}
