//! A size that was run before is run again without allocating.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use facerecog_kernels::Instructions;
use facerecog_kernels::network::{
    Activation, Convolution, Graph, Network, Node, Operation, Precision, Value, Window, Workspace,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator, with a count beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's word.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's word.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn convolution(inputs: usize, outputs: usize, groups: usize, window: Window) -> Operation {
    let numbers = outputs * inputs / groups * window.kernel[0] * window.kernel[1];
    let weights = (0..numbers).map(|number| (number % 17) as f32 / 17.0 - 0.5).collect();
    Operation::Convolution(Convolution { outputs, groups, window, weights, bias: vec![0.1; outputs] })
}

fn graph() -> Graph {
    let operations = [
        (convolution(3, 24, 1, Window::square(3, 2, 1)), vec![Value::Input]),
        (Operation::Activation(Activation::PRelu(vec![0.25; 24])), vec![Value::Node(0)]),
        (convolution(24, 24, 24, Window::square(3, 1, 1)), vec![Value::Node(1)]),
        (convolution(24, 40, 1, Window::square(1, 1, 0)), vec![Value::Node(2)]),
        (convolution(40, 40, 1, Window::square(3, 1, 1)), vec![Value::Node(3)]),
        (Operation::Add, vec![Value::Node(4), Value::Node(3)]),
        (Operation::MaxPool(Window::square(2, 2, 0)), vec![Value::Node(5)]),
        (Operation::UpsampleNearest { factors: [2; 2] }, vec![Value::Node(6)]),
        (Operation::Concat, vec![Value::Node(7), Value::Node(5)]),
        (Operation::Softmax, vec![Value::Node(8)]),
        (Operation::GlobalAveragePool, vec![Value::Node(9)]),
        (Operation::Activation(Activation::Sigmoid), vec![Value::Node(10)]),
    ];
    let node = |(index, (operation, inputs))| Node { name: format!("node {index}"), operation, inputs };
    let nodes = operations.into_iter().enumerate().map(node).collect();
    Graph { input_channels: 3, nodes, outputs: vec![Value::Node(11), Value::Node(9)] }
}

#[test]
fn the_second_run_of_a_size_allocates_nothing() {
    for instructions in Instructions::ALL.into_iter().filter(|instructions| instructions.are_available()) {
        let network = Network::compile(graph(), instructions, Precision::F32).unwrap();
        let mut workspace = Workspace::new();
        let image = vec![0.5; 3 * 64 * 96];
        let sizes = [[64, 96], [32, 48], [48, 48]];
        let mut outputs = Vec::new();
        for [height, width] in sizes {
            let output = network.run(&image[..3 * height * width], [height, width], &mut workspace).unwrap();
            outputs.push(output.iter().map(|output| output.values.to_vec()).collect::<Vec<_>>());
        }
        let peak = workspace.peak_bytes();
        assert_eq!(peak, network.map_bytes([64, 96]).unwrap());
        let before = ALLOCATIONS.get();
        for ([height, width], expected) in sizes.into_iter().zip(&outputs) {
            let output = network.run(&image[..3 * height * width], [height, width], &mut workspace).unwrap();
            assert!(output.iter().map(|output| output.values).eq(expected));
        }
        assert_eq!(ALLOCATIONS.get(), before, "{instructions:?}");
        assert_eq!(workspace.peak_bytes(), peak);
    }
}

/// All maps of the network at once would be more: memory is used again.
#[test]
fn maps_that_are_not_needed_any_more_make_room() {
    let network = Network::compile(graph(), Instructions::Portable, Precision::F32).unwrap();
    let layers = network.explain([64, 96]).unwrap();
    let all: usize = layers.iter().map(|layer| 4 * layer.shape.iter().product::<usize>()).sum();
    let taken = network.map_bytes([64, 96]).unwrap();
    assert!(taken < all, "{taken} bytes, and {all} for all maps");
}
