//! The part of a file that is there already, from a download that was broken off.
//!
//! `FILE.part` holds the bytes, `FILE.part.from` their address and the server's tag for that version of the file.
//! Without the tag the bytes are not used: the rest might be of another version.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// Where a download goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ResumePoint {
    /// The position of the next byte.
    pub offset: u64,
    /// The version that the bytes before it are of.
    pub etag: String,
}

/// A file that is being downloaded.
pub(super) struct Partial {
    /// Where its bytes are.
    pub path: PathBuf,
    note: PathBuf,
}

impl Partial {
    /// The part of what will be the file at `path`.
    pub(super) fn of(path: &Path) -> Partial {
        let beside = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        Partial { path: beside(".part"), note: beside(".part.from") }
    }

    /// Where to go on with the file at `url`, if its bytes up to there are known.
    pub(super) fn resume_point(&self, url: &str) -> Option<ResumePoint> {
        let note = fs::read_to_string(&self.note).ok()?;
        let (from, etag) = note.trim_end().split_once('\n')?;
        // The last byte is asked for again, because no server can send the rest of a file that is already whole.
        let offset = fs::metadata(&self.path).ok()?.len().saturating_sub(1);
        (from == url && offset > 0).then(|| ResumePoint { offset, etag: etag.to_owned() })
    }

    /// An empty file for the bytes of `url`.
    pub(super) fn begin(&self, url: &str, etag: Option<&str>) -> io::Result<File> {
        // The old note must never stand beside new bytes.
        remove(&self.note)?;
        let file = File::create(&self.path)?;
        if let Some(etag) = etag {
            fs::write(&self.note, format!("{url}\n{etag}\n"))?;
        }
        Ok(file)
    }

    /// The file, to be written on from `offset`.
    pub(super) fn resume(&self, offset: u64) -> io::Result<File> {
        let file = OpenOptions::new().append(true).open(&self.path)?;
        file.set_len(offset)?;
        Ok(file)
    }

    /// Forgets what there is.
    pub(super) fn discard(&self) -> io::Result<()> {
        remove(&self.note)?;
        remove(&self.path)
    }

    /// Makes it the file at `path`.
    pub(super) fn finish(&self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        remove(&self.note)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_known_bytes_of_the_same_address_are_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let partial = Partial::of(&folder.path().join("a.h5"));
        assert_eq!(partial.resume_point("u"), None, "nothing there");
        let mut file = partial.begin("u", Some("\"1\"")).unwrap();
        assert_eq!(partial.resume_point("u"), None, "no byte there");
        file.write_all(b"abcd").unwrap();
        assert_eq!(partial.resume_point("u"), Some(ResumePoint { offset: 3, etag: "\"1\"".to_owned() }));
        assert_eq!(partial.resume_point("v"), None, "another address");
        partial.resume(3).unwrap().write_all(b"xyz").unwrap();
        assert_eq!(fs::read(&partial.path).unwrap(), b"abcxyz");
        partial.begin("u", None).unwrap().write_all(b"abcd").unwrap();
        assert_eq!(partial.resume_point("u"), None, "no tag");
        partial.discard().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
