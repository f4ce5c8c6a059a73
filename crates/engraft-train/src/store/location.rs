//! Where the store is and how large it may grow.

use std::path::PathBuf;

use etcetera::BaseStrategy;

use super::StoreError;

/// The folder of a store and its size limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreLocation {
    /// The cache folder of `engraft`.
    pub folder: PathBuf,
    /// Size in bytes above which the least recently used entries are removed.
    pub limit_bytes: u64,
}

impl StoreLocation {
    /// The limit where none is set: 4 GB.
    pub const DEFAULT_LIMIT_BYTES: u64 = 4_000_000_000;

    /// Reads `ENGRAFT_CACHE` and `ENGRAFT_CACHE_LIMIT`; the default folder is `engraft` in the user's cache folder,
    /// by the XDG base directory specification on Unix.
    ///
    /// # Errors
    /// [`StoreError::Limit`] if the limit is not a size, [`StoreError::NoFolder`] if no folder is known.
    pub fn from_environment() -> Result<StoreLocation, StoreError> {
        let limit_bytes = match set("ENGRAFT_CACHE_LIMIT") {
            Some(text) => parse_size(&text.to_string_lossy())?,
            None => StoreLocation::DEFAULT_LIMIT_BYTES,
        };
        Ok(StoreLocation { folder: StoreLocation::folder_from_environment()?, limit_bytes })
    }

    /// The folder alone, whatever the limit.
    ///
    /// # Errors
    /// [`StoreError::NoFolder`] if no folder is known.
    pub fn folder_from_environment() -> Result<PathBuf, StoreError> {
        if let Some(folder) = set("ENGRAFT_CACHE") {
            return Ok(folder.into());
        }
        let strategy = etcetera::choose_base_strategy().map_err(|_| StoreError::NoFolder)?;
        Ok(strategy.cache_dir().join("engraft"))
    }
}

fn set(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// A number of bytes with an optional decimal unit: `1000`, `1k`, `500M`, `4G`, `4GB`.
fn parse_size(text: &str) -> Result<u64, StoreError> {
    let error = || StoreError::Limit { found: text.to_owned() };
    let digits_len = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_len);
    let factor: u64 = match unit.trim().to_ascii_lowercase().trim_end_matches('b') {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "t" => 1_000_000_000_000,
        _ => return Err(error()),
    };
    digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_decimal_units() {
        for (text, want) in [
            ("0", 0),
            ("1000", 1000),
            ("5k", 5000),
            ("500M", 500_000_000),
            ("4 GB", 4_000_000_000),
            ("1t", 1_000_000_000_000),
        ] {
            assert_eq!(parse_size(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "G", "-1", "4X", "4.5G", "99999999999999999999", "18446744073709551615k"] {
            let error = parse_size(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("ENGRAFT_CACHE_LIMIT is `{text}`")), "{error}");
        }
    }
}
