//! What a photo's file name says: whether it is a photo, and of whom.

/// Marks of a photo anywhere in the name, in any case, as in the system that this replaces: there
/// `hannibal.jpg.bak` and `.jpg` are known photos too.
const ANYWHERE: [&str; 3] = [".jpg", ".jpeg", ".png"];
/// Further formats, by the end of the name, in any case.
const AT_THE_END: [&str; 9] = [".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"];

/// Whether a file of this name, without folders, is taken for a photo of a known person.
pub fn is_photo(name: &str) -> bool {
    extension_start(name).is_some()
}

/// Who is on a photo that lies directly in the known folder: the name up to its extension, without
/// a number at the end (`hannibal_1.jpg` is of `hannibal`).
pub(super) fn person(name: &str) -> &str {
    let stem = match extension_start(name) {
        Some(start) if start > 0 => &name[..start],
        _ => name,
    };
    match stem.rsplit_once('_') {
        Some((person, number)) if !person.is_empty() && is_number(number) => person,
        _ => stem,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn extension_start(name: &str) -> Option<usize> {
    let lower = name.to_ascii_lowercase();
    let anywhere = ANYWHERE.iter().filter_map(|mark| lower.rfind(mark)).max();
    let at_the_end = AT_THE_END.iter().find_map(|end| Some(lower.strip_suffix(end)?.len()));
    anywhere.or(at_the_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_told_by_their_names() {
        for name in [
            "hannibal.jpg",
            "H.JPG",
            "h.Png",
            ".jpg",
            "hannibal.jpg.bak",
            "a.jpeg",
            "a.webp",
            "A.TIFF",
            "a.tif",
            "a.gif",
            "a.bmp",
            "a.ppm",
            "a.pgm",
            "a.pbm",
            "a.pnm",
            "ü.jpg",
        ] {
            assert!(is_photo(name), "{name}");
        }
        for name in ["hannibal", "jpg", "a.jpe", "a.gif.bak", "a.txt", "notes.jp", "a.webp~", "", "Thumbs.db", "a.svg"]
        {
            assert!(!is_photo(name), "{name}");
        }
    }

    #[test]
    fn people_are_told_by_the_names_of_their_photos() {
        for (name, expected) in [
            ("hannibal_1.jpg", "hannibal"),
            ("gergely_01.jpg", "gergely"),
            ("john_doe_1.jpg", "john_doe"),
            ("john_doe.jpg", "john_doe"),
            ("obama.jpg", "obama"),
            ("hannibal_2.jpg.bak", "hannibal"),
            ("alex-lacamoire.png", "alex-lacamoire"),
            ("agent_007x.png", "agent_007x"),
            ("a_.png", "a_"),
            ("_1.png", "_1"),
            (".jpg", ".jpg"),
            ("a_1_2.png", "a_1"),
            ("J.R.R._3.GIF", "J.R.R."),
            ("赵薇_1.jpg", "赵薇"),
        ] {
            assert_eq!(person(name), expected, "{name}");
        }
    }
}
