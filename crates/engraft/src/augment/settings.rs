//! Reading what a person gives as augmentation.

use std::{fmt::Display, fs::File, io::Read, path::Path};

use engraft_data::augment::Augmentation;

use crate::Error;

/// A larger file is no list of settings.
const MAX_SETTINGS_BYTES: u64 = 1 << 20;

/// Reads what a person gives as augmentation: the name of a `.toml` file, or settings as [`Augmentation::parse`] takes them.
///
/// # Errors
/// [`Error::Augment`] for settings, [`Error::Data`] for a file that cannot be read or holds others.
pub fn read_augmentation(text: &str) -> Result<Augmentation, Error> {
    if !text.ends_with(".toml") {
        return Ok(Augmentation::parse(text)?);
    }
    let path = Path::new(text);
    let wrong = |problem: &dyn Display| Error::data(path, &problem.to_string());
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let mut settings = String::new();
    file.take(MAX_SETTINGS_BYTES).read_to_string(&mut settings).map_err(|error| wrong(&error))?;
    Augmentation::parse_toml(&settings).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_settings_of_a_file_are_read_and_its_errors_name_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        fs::write(&path, "preset = 'tutorial'\n").unwrap();
        let text = path.to_str().unwrap();
        assert_eq!(read_augmentation(text).unwrap(), Augmentation::parse("tutorial").unwrap());
        fs::write(&path, "rotation = 'far'\n").unwrap();
        let error = read_augmentation(text).unwrap_err().to_string();
        assert!(error.contains("mine.toml: augmentation `rotation` is \"far\", expected degrees"), "{error}");
        assert!(read_augmentation("absent.toml").unwrap_err().to_string().contains("absent.toml"));
    }
}
