//! The list of an identification: a CSV file with the columns `role,person,image` and, if wanted, `group`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::csv_list::read_lines;

/// What a photo is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Its person is known by it.
    Gallery,
    /// It is searched for.
    Probe,
}

/// A photo of the list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct PersonPhoto {
    pub(crate) role: Role,
    pub(crate) person: String,
    /// Relative to the root folder.
    pub(crate) image: PathBuf,
    /// What results are told apart by; of probes alone.
    #[serde(default)]
    pub(crate) group: Option<String>,
}

/// Why a list could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PersonListError {
    /// The file cannot be opened, or a line is no photo of a person.
    #[error("{}: {reason}; the columns are role,person,image and, if wanted, group; role is gallery or probe", .path.display())]
    Unreadable { path: PathBuf, reason: String },
    /// Without both nothing can be searched.
    #[error("{}: it has {gallery} photos of role gallery and {probes} of role probe; both are needed", .path.display())]
    OneRole { path: PathBuf, gallery: usize, probes: usize },
}

/// The photos of a list, in its order.
pub(crate) fn read_people(path: &Path) -> Result<Vec<PersonPhoto>, PersonListError> {
    let lines = read_lines(path).and_then(Iterator::collect);
    let photos: Vec<PersonPhoto> =
        lines.map_err(|reason| PersonListError::Unreadable { path: path.to_owned(), reason })?;
    let gallery = photos.iter().filter(|photo| photo.role == Role::Gallery).count();
    let probes = photos.len() - gallery;
    if gallery == 0 || probes == 0 {
        return Err(PersonListError::OneRole { path: path.to_owned(), gallery, probes });
    }
    Ok(photos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<PersonPhoto>, PersonListError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_people(file.path())
    }

    #[test]
    fn a_group_may_be_given() {
        let photos = read("role,person,image\ngallery,Ada,a/1.jpg\nprobe, Bo ,\"b,1.jpg\"\n").unwrap();
        assert_eq!(photos[0].role, Role::Gallery);
        let probe = PersonPhoto { role: Role::Probe, person: "Bo".into(), image: "b,1.jpg".into(), group: None };
        assert_eq!(photos[1], probe);
        let grouped = read("image,group,person,role\n1.jpg,young,Ada,gallery\n2.jpg,,Ada,probe\n").unwrap();
        assert_eq!(grouped[0].group.as_deref(), Some("young"));
        assert_eq!(grouped[1].group, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |text| read(text).unwrap_err().to_string();
        assert!(message("role,person,image\nspectator,Ada,1.jpg\n").contains("line: 2"));
        assert!(message("role,image\ngallery,1.jpg\n").contains("person"));
        assert!(message("role,person,image\ngallery,Ada,1.jpg\n").contains("0 of role probe"));
    }
}
