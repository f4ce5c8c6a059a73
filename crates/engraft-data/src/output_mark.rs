//! Recognising the files that `engraft` itself writes, so that one beside the images is never taken for data.

use std::{fs::File, io::Read, path::Path};

/// How the header of each safetensors file that `engraft` writes starts, behind the 8 bytes of its length.
pub const OUTPUT_MARK: &[u8] = br#"{"__metadata__":{"engraft"#;

/// Bytes of the number before the header.
const LENGTH_LEN: usize = 8;

/// Whether the regular file at `path` is a model or a table of features; its name does not matter.
pub(crate) fn is_output(path: &Path) -> bool {
    let mut head = [0; LENGTH_LEN + OUTPUT_MARK.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok()
        && head[LENGTH_LEN..] == *OUTPUT_MARK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_decides() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cat.jpg");
        let marked = [&[9; LENGTH_LEN][..], OUTPUT_MARK, b"_features\":\"1\"}}"].concat();
        for (bytes, want) in [
            (&marked[..], true),
            (&marked[..LENGTH_LEN + OUTPUT_MARK.len()], true),
            (&marked[..LENGTH_LEN + OUTPUT_MARK.len() - 1], false),
            (&marked[1..], false),
            (br#"12345678{"__metadata__":{"format":"pt"}}"#, false),
            (b"", false),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(is_output(&path), want, "{:?}", String::from_utf8_lossy(bytes));
        }
        assert!(!is_output(&folder.path().join("absent")));
    }
}
