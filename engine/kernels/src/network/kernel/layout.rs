//! Numbers that only move: between an image or an output and maps in blocks, and within maps.

use super::blocked_numbers;
use crate::network::graph::Padding;
use crate::network::shape::Shape;

/// Brings `[channels, height, width]` into blocks; zeros in the lanes after the last channel.
pub(in crate::network) fn block(lanes: usize, [channels, height, width]: Shape, x: &[f32], y: &mut [f32]) {
    let pixels = height * width;
    let y = &mut y[..blocked_numbers(lanes, [channels, height, width])];
    for (block, y) in y.chunks_exact_mut(pixels * lanes).enumerate() {
        let planes = (channels - block * lanes).min(lanes);
        for (pixel, y) in y.chunks_exact_mut(lanes).enumerate() {
            for (lane, y) in y.iter_mut().enumerate() {
                *y = if lane < planes { x[(block * lanes + lane) * pixels + pixel] } else { 0.0 };
            }
        }
    }
}

/// Brings channels of a map in blocks, from channel `first` on, to `[channels, height, width]`.
pub(in crate::network) fn unblock(
    lanes: usize,
    first: usize,
    [channels, height, width]: Shape,
    x: &[f32],
    y: &mut [f32],
) {
    let pixels = height * width;
    let (mut channel, end) = (first, first + channels);
    while channel < end {
        let (block, lane) = (channel / lanes, channel % lanes);
        let count = (lanes - lane).min(end - channel);
        let planes = &mut y[(channel - first) * pixels..][..count * pixels];
        let x = &x[block * pixels * lanes..][..pixels * lanes];
        // A few pixels at a time, so that what is read for one lane is still there for the next.
        for (part, x) in x.chunks(64 * lanes).enumerate() {
            for (offset, plane) in planes.chunks_exact_mut(pixels).enumerate() {
                let plane = &mut plane[part * 64..];
                for (y, x) in plane.iter_mut().zip(x.iter().skip(lane + offset).step_by(lanes)) {
                    *y = *x;
                }
            }
        }
        channel += count;
    }
}

/// Continues a map by zeros to `[channels, …]` with `padding` around.
pub(in crate::network) fn pad(lanes: usize, shape: Shape, x: &[f32], padding: Padding, output: Shape, y: &mut [f32]) {
    let [channels, height, width] = shape;
    let y = &mut y[..blocked_numbers(lanes, output)];
    y.fill(0.0);
    let [_, rows, columns] = output;
    for block in 0..channels.div_ceil(lanes) {
        let used = (channels - block * lanes).min(lanes);
        for row in 0..height {
            let x = &x[(block * height + row) * width * lanes..][..width * lanes];
            let place = ((block * rows + row + padding.top) * columns + padding.left) * lanes;
            let y = &mut y[place..][..width * lanes];
            for (x, y) in x.chunks_exact(lanes).zip(y.chunks_exact_mut(lanes)) {
                y[..used].copy_from_slice(&x[..used]);
            }
        }
    }
}

/// Copies the channels of a map of `pixels` to those of another from channel `first` on.
pub(in crate::network) fn join(lanes: usize, channels: usize, pixels: usize, x: &[f32], first: usize, y: &mut [f32]) {
    if first.is_multiple_of(lanes) {
        let numbers = channels.next_multiple_of(lanes) * pixels;
        y[first * pixels..][..numbers].copy_from_slice(&x[..numbers]);
        return;
    }
    for channel in 0..channels {
        let to = first + channel;
        let x = &x[channel / lanes * pixels * lanes..][..pixels * lanes];
        let y = &mut y[to / lanes * pixels * lanes..][..pixels * lanes];
        for (x, y) in x.chunks_exact(lanes).zip(y.chunks_exact_mut(lanes)) {
            y[to % lanes] = x[channel % lanes];
        }
    }
}

/// The least and the greatest number of a map.
pub(in crate::network) fn range(lanes: usize, [channels, height, width]: Shape, x: &[f32]) -> [f32; 2] {
    let mut range = [f32::INFINITY, f32::NEG_INFINITY];
    for (block, x) in x.chunks_exact(height * width * lanes).enumerate() {
        let used = (channels - block * lanes).min(lanes);
        for number in x.chunks_exact(lanes).flat_map(|x| &x[..used]) {
            range = [range[0].min(*number), range[1].max(*number)];
        }
    }
    range
}

/// The least and the greatest number of a map of f32 in two halves each, first those of a pixel's channels that are
/// together and then the others; `of_pixel` numbers of memory are a pixel.
pub(in crate::network) fn range_of_halves(of_pixel: usize, x: &[f32]) -> [f32; 2] {
    let mut range = [f32::INFINITY, f32::NEG_INFINITY];
    for pixel in x.chunks_exact(of_pixel) {
        let (firsts, seconds) = pixel.split_at(of_pixel / 2);
        for (first, second) in firsts.iter().zip(seconds) {
            let (first, second) = (first.to_bits(), second.to_bits());
            for (first, second) in [(first << 16, second << 16), (first & 0xffff_0000, second & 0xffff_0000)] {
                let number = f32::from_bits(first) + f32::from_bits(second);
                range = [range[0].min(number), range[1].max(number)];
            }
        }
    }
    range
}
