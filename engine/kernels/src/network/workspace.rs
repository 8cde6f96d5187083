//! Memory that runs share.

use std::ops::Range;

use super::memory::Memory;
use super::plan::Plan;
use super::shape::Shape;

/// Plans that are kept. Photos of many sizes, of which a pyramid of many levels is made, need more than they use again.
const PLANS_KEPT: usize = 64;

/// Memory for the maps of a run, one stretch that grows to what the largest run takes. A run of a size that was run
/// shortly before allocates nothing. It may serve several networks, one run at a time.
#[derive(Debug, Default)]
pub struct Workspace {
    memory: Memory,
    /// Least recently used first.
    plans: Vec<(u64, [usize; 2], Plan)>,
}

impl Workspace {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that it has for maps: what the largest run so far took.
    pub fn peak_bytes(&self) -> usize {
        size_of_val(self.memory.numbers())
    }

    /// The plan of a network for a size, and memory for it.
    pub(super) fn prepare<E>(
        &mut self,
        network: u64,
        size: [usize; 2],
        plan: impl FnOnce() -> Result<Plan, E>,
    ) -> Result<(&Plan, &mut [f32]), E> {
        let known = self.plans.iter().position(|(of, for_size, _)| (*of, *for_size) == (network, size));
        let entry = match known {
            Some(position) => self.plans.remove(position),
            None => {
                let entry = (network, size, plan()?);
                if self.plans.len() == PLANS_KEPT {
                    self.plans.remove(0);
                }
                entry
            }
        };
        if self.memory.len() < entry.2.numbers {
            // What is in it is not needed any more: both are never held at once.
            self.memory = Memory::default();
            self.memory = Memory::zeros(entry.2.numbers);
        }
        self.plans.push(entry);
        let plan = &self.plans[self.plans.len() - 1].2;
        Ok((plan, self.memory.numbers_mut()))
    }
}

/// What a run gave, in the order of [`Graph::outputs`](super::Graph::outputs). It is in the workspace until the next run.
#[derive(Debug, Clone, Copy)]
pub struct Outputs<'w> {
    places: &'w [(Shape, Range<usize>)],
    memory: &'w [f32],
}

/// One of the [`Outputs`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Output<'w> {
    /// `[channels, height, width]`.
    pub shape: [usize; 3],
    /// In row-major order.
    pub values: &'w [f32],
}

impl<'w> Outputs<'w> {
    pub(super) fn new(places: &'w [(Shape, Range<usize>)], memory: &'w [f32]) -> Self {
        Self { places, memory }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Never: a graph has outputs.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The output of this index.
    pub fn get(&self, index: usize) -> Option<Output<'w>> {
        let (shape, place) = self.places.get(index)?;
        Some(Output { shape: *shape, values: &self.memory[place.clone()] })
    }

    /// All of them in their order.
    pub fn iter(&self) -> impl Iterator<Item = Output<'w>> + use<'w> {
        let outputs = *self;
        (0..self.len()).filter_map(move |index| outputs.get(index))
    }
}
