//! What the layers of a pack's networks read on photos of the user's: what int8 takes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use facerecog_kernels::network::Ranges;
use serde::{Deserialize, Serialize};

use super::ModelError;

/// The ranges of a pack's networks, by the sha256 of their files. A file of TOML beside the networks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    networks: BTreeMap<String, NetworkRanges>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkRanges {
    /// For people.
    file: String,
    /// Least and greatest number that a layer read, by the layer's name.
    layers: BTreeMap<String, [f32; 2]>,
}

impl Calibration {
    /// Name of the file for a pack.
    pub fn file_name(pack: &str) -> String {
        format!("{pack}.ranges.toml")
    }

    /// Reads the file for a pack.
    pub(super) fn load(pack: &str, path: &Path) -> Result<Self, ModelError> {
        let text = fs::read_to_string(path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => ModelError::MissingRanges { pack: pack.to_owned(), path: path.to_owned() },
            _ => ModelError::Unreadable { path: path.to_owned(), source },
        })?;
        let refuse = |reason: String| ModelError::Manifest { path: path.to_owned(), reason };
        let calibration: Self = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        for NetworkRanges { file, layers } in calibration.networks.values() {
            // Also not a number.
            let wrong = layers.iter().find(|(_, [low, high])| !(low.is_finite() && high.is_finite() && low <= high));
            if let Some((layer, [low, high])) = wrong {
                return Err(refuse(format!("{file}: layer {layer}: {low}…{high} is no range")));
            }
        }
        Ok(calibration)
    }

    /// Writes the file, or replaces it as a whole.
    ///
    /// # Errors
    /// [`ModelError::Unwritable`].
    pub fn write(&self, path: &Path) -> Result<(), ModelError> {
        let write = || {
            let text = toml::to_string(self).map_err(std::io::Error::other)?;
            let part = path.with_extension("part");
            let mut file = fs::File::create(&part)?;
            file.write_all(
                b"# What layers read on the photos of `recognizer models calibrate`: int8 depends on it.\n",
            )?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&part, path)
        };
        write().map_err(|source| ModelError::Unwritable { path: path.to_owned(), source })
    }

    /// Those of the network with this sha256; none for one that was not there.
    pub(super) fn ranges(&self, sha256: &str) -> Ranges {
        let mut ranges = Ranges::new();
        for (layer, range) in self.networks.get(sha256).into_iter().flat_map(|network| &network.layers) {
            ranges.widen(layer, *range);
        }
        ranges
    }

    /// How many layers have a range, of all networks.
    pub fn layers(&self) -> usize {
        self.networks.values().map(|network| network.layers.len()).sum()
    }
}

/// Gathers ranges while networks run, on as many threads as they do.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Calibration>);

impl Recorder {
    pub(super) fn widen(&self, sha256: &str, file: &str, seen: &Ranges) {
        let mut calibration = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let network = calibration.networks.entry(sha256.to_owned()).or_default();
        file.clone_into(&mut network.file);
        for (layer, [low, high]) in seen.iter() {
            let range = network.layers.entry(layer.to_owned()).or_insert([low, high]);
            *range = [range[0].min(low), range[1].max(high)];
        }
    }

    /// Begins anew.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Calibration::default();
    }

    /// What was gathered so far.
    pub fn calibration(&self) -> Calibration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
