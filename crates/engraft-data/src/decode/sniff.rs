//! What a file is, judged by its first bytes; names and extensions lie too often.

use image::ImageFormat;

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// An image that can be decoded.
    Image(ImageFormat),
    /// An image, or a film, of a format that is not read.
    Unsupported(&'static str),
    /// Something else, in words.
    Other(&'static str),
}

/// Formats recognised by a fixed text at a fixed offset; the first match counts.
const SIGNATURES: [(usize, &[u8], Sniffed); 36] = [
    (0, b"\xff\xd8\xff", Sniffed::Image(ImageFormat::Jpeg)),
    (0, b"\x89PNG\r\n\x1a\n", Sniffed::Image(ImageFormat::Png)),
    (0, b"GIF87a", Sniffed::Image(ImageFormat::Gif)),
    (0, b"GIF89a", Sniffed::Image(ImageFormat::Gif)),
    (8, b"WEBP", Sniffed::Image(ImageFormat::WebP)),
    (0, b"II*\0", Sniffed::Image(ImageFormat::Tiff)),
    (0, b"MM\0*", Sniffed::Image(ImageFormat::Tiff)),
    (0, b"II+\0", Sniffed::Image(ImageFormat::Tiff)),
    (0, b"MM\0+", Sniffed::Image(ImageFormat::Tiff)),
    (4, b"ftypavi", Sniffed::Unsupported("avif")),
    (4, b"ftyphei", Sniffed::Unsupported("heic")),
    (4, b"ftyphev", Sniffed::Unsupported("heic")),
    (4, b"ftypmif1", Sniffed::Unsupported("heif")),
    (4, b"ftyp", Sniffed::Unsupported("mp4 video")),
    (0, b"\x1aE\xdf\xa3", Sniffed::Unsupported("matroska or webm video")),
    (0, b"\xff\x0a", Sniffed::Unsupported("jpeg xl")),
    (4, b"JXL \r\n", Sniffed::Unsupported("jpeg xl")),
    (4, b"jP  \r\n", Sniffed::Unsupported("jpeg 2000")),
    (0, b"\xffO\xffQ", Sniffed::Unsupported("jpeg 2000")),
    (0, b"\0\0\x01\0", Sniffed::Unsupported("icon")),
    (0, b"8BPS", Sniffed::Unsupported("photoshop")),
    (0, b"DDS ", Sniffed::Unsupported("dds")),
    (0, b"v/1\x01", Sniffed::Unsupported("openexr")),
    (0, b"#?RADIANCE", Sniffed::Unsupported("radiance hdr")),
    (0, b"qoif", Sniffed::Unsupported("qoi")),
    (0, b"\x93NUMPY", Sniffed::Other("a numpy array")),
    (8, b"{\"__metadata__", Sniffed::Other("a safetensors file")),
    (0, b"\x89HDF", Sniffed::Other("an hdf5 file")),
    (0, b"%PDF", Sniffed::Other("a pdf document")),
    (0, b"PK\x03\x04", Sniffed::Other("a zip archive")),
    (0, b"Rar!", Sniffed::Other("a rar archive")),
    (0, b"7z\xbc\xaf", Sniffed::Other("a 7z archive")),
    (0, b"\x1f\x8b", Sniffed::Other("gzip data")),
    (0, b"\x7fELF", Sniffed::Other("a program")),
    (0, b"\0\x05\x16\x07", Sniffed::Other("macos metadata")),
    (0, b"version https://git-lfs", Sniffed::Other("a git lfs pointer, not the file itself")),
];

/// Markup recognised by how its first tag starts, in lower case.
const MARKUP: [(&str, &str); 5] = [
    ("<!doctype html", "an html page"),
    ("<html", "an html page"),
    ("<svg", "an svg drawing"),
    ("<?xml", "xml text"),
    ("<!doctype svg", "an svg drawing"),
];

/// Bytes that decide; also how far a text is looked through.
const HEAD_LEN: usize = 512;

/// Judges the first bytes of a file.
pub fn sniff(bytes: &[u8]) -> Sniffed {
    let head = &bytes[..bytes.len().min(HEAD_LEN)];
    let matches = |offset: usize, text: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(text));
    if let Some((_, _, found)) = SIGNATURES.iter().find(|(offset, text, _)| matches(*offset, text)) {
        return *found;
    }
    if is_bmp(head) {
        Sniffed::Image(ImageFormat::Bmp)
    } else if is_pnm(head) {
        Sniffed::Image(ImageFormat::Pnm)
    } else {
        Sniffed::Other(describe(head))
    }
}

/// "BM" alone also starts words, so the size of the second header must be one that exists.
fn is_bmp(head: &[u8]) -> bool {
    let header_len = head.get(14..18).map(|len| [len[0], len[1], len[2], len[3]]).map(u32::from_le_bytes);
    head.starts_with(b"BM") && matches!(header_len, Some(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124))
}

fn is_pnm(head: &[u8]) -> bool {
    matches!(head, [b'P', b'1'..=b'7', space, ..] if space.is_ascii_whitespace())
}

fn describe(head: &[u8]) -> &'static str {
    let text =
        String::from_utf8_lossy(head).trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).to_lowercase();
    let markup = MARKUP.iter().find(|(start, _)| text.starts_with(start));
    match markup {
        Some((_, "xml text")) if text.contains("<svg") => "an svg drawing",
        Some((_, name)) => name,
        None if head.iter().all(|&byte| byte == 0) => "nothing but zero bytes",
        None if is_text(&text) => "text",
        None => "unknown bytes",
    }
}

/// Text has no control characters but white space; the last character may be cut in half.
fn is_text(text: &str) -> bool {
    let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
    !text.contains(|c: char| c == char::REPLACEMENT_CHARACTER || (c.is_control() && !c.is_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_decide_what_a_file_is() {
        let cases: [(&[u8], Sniffed); 13] = [
            (b"\xff\xd8\xff\xe0 a photograph", Sniffed::Image(ImageFormat::Jpeg)),
            (b"RIFF\0\0\0\0WEBPVP8 ", Sniffed::Image(ImageFormat::WebP)),
            (b"P6\n3 2 255\n", Sniffed::Image(ImageFormat::Pnm)),
            (b"P6 is a format", Sniffed::Image(ImageFormat::Pnm)),
            (b"P8\n", Sniffed::Other("text")),
            (b"BM is a shop on the corner", Sniffed::Other("text")),
            (b"\0\0\0\x18ftypheic", Sniffed::Unsupported("heic")),
            (b"  <!DOCTYPE HTML><p>", Sniffed::Other("an html page")),
            (b"<?xml version='1.0'?>\n<svg/>", Sniffed::Other("an svg drawing")),
            ("na\u{ef}ve".as_bytes(), Sniffed::Other("text")),
            (b"\x01\x02\x03\x04", Sniffed::Other("unknown bytes")),
            (b"\0\0\0", Sniffed::Other("nothing but zero bytes")),
            (b"x", Sniffed::Other("text")),
        ];
        for (bytes, want) in cases {
            assert_eq!(sniff(bytes), want, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
