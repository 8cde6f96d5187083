//! What was seen of the inputs of layers, so that bytes can stand for them.

use std::collections::BTreeMap;

/// The least and the greatest input of layers, by the names of the layers: what [`Network::compile_int8`] needs, and
/// [`Network::record`] finds out.
///
/// [`Network::compile_int8`]: super::Network::compile_int8
/// [`Network::record`]: super::Network::record
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranges {
    of: BTreeMap<String, [f32; 2]>,
}

impl Ranges {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// That of a layer.
    pub fn get(&self, layer: &str) -> Option<[f32; 2]> {
        self.of.get(layer).copied()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, [f32; 2])> {
        self.of.iter().map(|(layer, range)| (layer.as_str(), *range))
    }

    /// Widens the range of a layer so that it holds these.
    pub fn widen(&mut self, layer: &str, [low, high]: [f32; 2]) {
        match self.of.get_mut(layer) {
            Some(range) => *range = [range[0].min(low), range[1].max(high)],
            None => _ = self.of.insert(layer.to_owned(), [low, high]),
        }
    }
}
