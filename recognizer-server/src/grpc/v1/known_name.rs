//! Names of people and of their photos' files, as callers may choose them.

use facerecog_engine::gallery::is_photo;
use tonic::{Code, Status};

use crate::grpc::status::refusal;

/// Longest name, in bytes: leaves room for an extension within the 255 of common file systems.
const LONGEST: usize = 200;

/// Refuses what is no name of a person's folder.
pub(super) fn check_person(person: &str) -> Result<(), Status> {
    check("person", person)
}

/// The name of a photo's file: `image_name`, with an extension when it has none that counts as a photo's;
/// when it is empty, one made from person and content, the same for the same photo.
pub(super) fn image_name(image_name: &str, person: &str, content: &[u8]) -> Result<String, Status> {
    if image_name.is_empty() {
        return Ok(format!("{person}-{:016x}.{}", short_digest(content), extension(content)));
    }
    check("image_name", image_name)?;
    if is_photo(image_name) { Ok(image_name.to_owned()) } else { Ok(format!("{image_name}.{}", extension(content))) }
}

fn check(field: &str, name: &str) -> Result<(), Status> {
    let reason = match name {
        "" => "is empty".to_owned(),
        _ if name.len() > LONGEST => format!("is {} bytes long, at most {LONGEST} are allowed", name.len()),
        _ if name.starts_with('.') => "begins with a dot".to_owned(),
        _ if name.contains('/') => "holds a /".to_owned(),
        _ if name.chars().any(char::is_control) => "holds a control character".to_owned(),
        _ => return Ok(()),
    };
    Err(refusal(Code::InvalidArgument, "bad_name", &format!("{field} {reason}")))
}

fn short_digest(content: &[u8]) -> u64 {
    use sha2::{Digest, Sha256};
    Sha256::digest(content).iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The extension of the format that `content` begins like.
fn extension(content: &[u8]) -> &'static str {
    match image::guess_format(content) {
        Ok(image::ImageFormat::Pnm) => "pnm",
        Ok(format) => format.extensions_str().first().copied().unwrap_or("jpg"),
        Err(_) => "jpg",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

    #[test]
    fn names_that_would_leave_the_folder_or_hide_in_it_are_refused() {
        let long = "ü".repeat(101);
        for name in ["", ".", "..", ".hidden", "a/b", "/", "a\0b", "a\nb", "\u{7f}", long.as_str()] {
            assert_eq!(check_person(name).unwrap_err().code(), Code::InvalidArgument, "{name:?}");
        }
        let longest = "ü".repeat(100);
        for name in ["ada", "Ada Lovelace", "赵薇", "-rf", "a.b", "a..b", "~", "x.jpg", "a\\b", longest.as_str()] {
            assert!(check_person(name).is_ok(), "{name:?}");
        }
        for name in [".jpg", "../a.jpg", "a/b.jpg", "a\0.jpg", long.as_str()] {
            assert!(image_name(name, "ada", PNG).is_err(), "{name:?}");
        }
    }

    #[test]
    fn every_photo_gets_a_name_that_counts_as_a_photo_s() {
        for (given, expected) in [
            ("ada_1.jpg", "ada_1.jpg"),
            ("A.JPEG", "A.JPEG"),
            ("ada_1", "ada_1.png"),
            ("notes.txt", "notes.txt.png"),
            ("a.webp", "a.webp"),
            ("", "ada-d4cf5fbbc645b0c9.png"),
        ] {
            assert_eq!(
                image_name(given, "ada", if given.is_empty() { b"\x89PNG\r\n\x1a\n1" } else { PNG }).unwrap(),
                expected
            );
        }
        let contents: [(&[u8], &str); 8] = [
            (b"\xff\xd8\xff\xe0", ".jpg"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", ".webp"),
            (b"GIF89a", ".gif"),
            (b"BM\x36\0\0\0\0\0\0\0", ".bmp"),
            (b"II*\0", ".tiff"),
            (b"P6\n", ".pnm"),
            (b"P3\n", ".pnm"),
            (b"", ".jpg"),
        ];
        for (content, end) in contents {
            for given in ["x", ""] {
                let name = image_name(given, "x.y", content).unwrap();
                assert!(name.ends_with(end) && is_photo(&name), "{name}");
            }
        }
    }
}
