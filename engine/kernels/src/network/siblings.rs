//! Convolutions that read the same and give few channels each, as the heads of detectors do, become one: a block takes as
//! long with one channel as with all.

use super::fuse::{Draft, Given, Work, count_reads, of, without_unused};
use super::graph::Convolution;

/// What leads from a value to an output: a convolution, and a depthwise one after it or none.
#[derive(Debug, Clone, Copy)]
struct Head {
    output: usize,
    input: usize,
    dense: usize,
    depthwise: Option<usize>,
}

/// Joins heads of one value where that saves blocks of so many lanes.
pub(super) fn join(mut drafts: Vec<Draft>, mut outputs: Vec<Given>, lanes: usize) -> (Vec<Draft>, Vec<Given>) {
    let read = drafts.iter().flat_map(|draft| draft.inputs.iter().chain(&draft.residual));
    let reads = count_reads(drafts.len(), read, &outputs);
    let ends = outputs.iter().enumerate();
    let mut heads: Vec<Head> = ends.filter_map(|(index, output)| head(&drafts, &reads, index, output.value)).collect();
    while let Some(&first) = heads.first() {
        let window = |draft: usize| convolution(&drafts[draft]).map(|it| it.window);
        let windows = |head: &Head| (window(head.dense), head.depthwise.map(window));
        let is_alike = |head: &Head| head.input == first.input && windows(head) == windows(&first);
        let (alike, others): (Vec<Head>, Vec<Head>) = heads.iter().partition(|head| is_alike(head));
        heads = others;
        let channels = |head: &Head| drafts[head.dense].channels;
        let blocks: usize = alike.iter().map(|head| channels(head).div_ceil(lanes)).sum();
        if alike.iter().map(channels).sum::<usize>().div_ceil(lanes) >= blocks {
            continue;
        }
        let dense: Vec<usize> = alike.iter().map(|head| head.dense).collect();
        let depthwise: Vec<usize> = alike.iter().filter_map(|head| head.depthwise).collect();
        let mut value = join_into_first(&mut drafts, &dense);
        if let Some(&first) = depthwise.first() {
            value = join_into_first(&mut drafts, &depthwise);
            if let Work::Convolution(joined, _) = &mut drafts[first].work {
                joined.groups = joined.outputs;
            }
        }
        let mut channel = 0;
        for head in alike {
            let output = &mut outputs[head.output];
            (output.value, output.first) = (value, channel);
            channel += output.channels;
        }
    }
    without_unused(drafts, outputs)
}

/// The head that an output is the end of, when nothing else reads what is on the way.
fn head(drafts: &[Draft], reads: &[usize], output: usize, mut value: usize) -> Option<Head> {
    let plain = |value: usize| {
        let draft = &drafts[value.checked_sub(1)?];
        let is_plain = draft.residual.is_none() && draft.activation.is_none() && draft.pool.is_none();
        (is_plain && reads[value] == 1).then_some(draft)
    };
    let mut depthwise = None;
    let last = convolution(plain(value)?)?;
    if last.groups == last.outputs && last.weights.len() == last.outputs * last.window.kernel.iter().product::<usize>()
    {
        depthwise = Some(value - 1);
        value = drafts[value - 1].inputs[0];
    }
    let draft = plain(value)?;
    let is_head = convolution(draft)?.groups == 1 && draft.inputs[0] != 0;
    is_head.then_some(Head { output, input: draft.inputs[0], dense: value - 1, depthwise })
}

fn convolution(draft: &Draft) -> Option<&Convolution> {
    match &draft.work {
        Work::Convolution(convolution, None) => Some(convolution),
        _ => None,
    }
}

/// Puts the outputs of convolutions, their weights and biases, into the first of them. Gives its value.
fn join_into_first(drafts: &mut [Draft], members: &[usize]) -> usize {
    let first = members[0];
    for &member in &members[1..] {
        let names = std::mem::take(&mut drafts[member].names);
        let channels = drafts[member].channels;
        let Work::Convolution(taken, _) = std::mem::replace(&mut drafts[member].work, Work::Concat) else { continue };
        let draft = &mut drafts[first];
        draft.names.extend(names);
        draft.channels += channels;
        let Work::Convolution(joined, _) = &mut draft.work else { continue };
        joined.bias = (0..joined.outputs)
            .map(|output| of(&joined.bias, output))
            .chain((0..taken.outputs).map(|output| of(&taken.bias, output)))
            .collect();
        joined.weights.extend(taken.weights);
        joined.outputs += taken.outputs;
    }
    first + 1
}
