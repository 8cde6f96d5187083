//! Where a WebP file keeps its EXIF block.

/// Bytes before the first chunk: `RIFF`, the length, `WEBP`.
const FIRST_CHUNK: usize = 12;
/// Name and length of a chunk.
const CHUNK_HEADER: usize = 8;

/// The first EXIF block of a WebP file; none when there is none or it is cut off.
///
/// The decoder has it too, but takes as much memory as the block claims to be long, up to 4 GiB for
/// a file of 30 bytes.
pub(super) fn exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(FIRST_CHUNK..)?;
    loop {
        let (header, after) = rest.split_at_checked(CHUNK_HEADER)?;
        let (name, length) = header.split_at(4);
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let content = after.get(..length)?;
        if name == b"EXIF" {
            return Some(content);
        }
        // Chunks begin at even places.
        rest = after.get(length + length % 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        for (name, length, content) in chunks {
            file.extend_from_slice(*name);
            file.extend_from_slice(&length.to_le_bytes());
            file.extend_from_slice(content);
        }
        file
    }

    #[test]
    fn the_block_is_found_behind_others() {
        let found = file(&[(b"VP8X", 3, b"abc\0"), (b"VP8 ", 2, b"de"), (b"EXIF", 4, b"MM\0*"), (b"EXIF", 1, b"x")]);
        assert_eq!(exif(&found), Some(&b"MM\0*"[..]));
        assert_eq!(exif(&file(&[(b"VP8 ", 2, b"de")])), None);
    }

    #[test]
    fn lengths_that_lie_lead_nowhere() {
        for length in [5, 1 << 31, u32::MAX] {
            assert_eq!(exif(&file(&[(b"EXIF", length, b"MM\0*")])), None);
            assert_eq!(exif(&file(&[(b"VP8 ", length, b"de"), (b"EXIF", 4, b"MM\0*")])), None);
        }
        assert_eq!(exif(b"RIFF"), None);
        assert_eq!(exif(&file(&[(b"VP8 ", 1, b"d")])), None);
    }
}
