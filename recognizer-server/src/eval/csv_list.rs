//! Lists in CSV files, whose first line names the columns.

use std::path::Path;

use serde::de::DeserializeOwned;

/// The lines of a file, without the space around fields; errors in words.
pub(super) fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<impl Iterator<Item = Result<T, String>>, String> {
    let reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(|error| error.to_string())?;
    Ok(reader.into_deserialize().map(|line: csv::Result<T>| line.map_err(|error| error.to_string())))
}
