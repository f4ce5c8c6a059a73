//! SHA-256 digests: the identity of files and of decoded pixels.

use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest; shown and parsed as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest::of_parts(&[bytes])
    }

    /// The digest of all `parts` one after another, without joining them in memory.
    pub fn of_parts(parts: &[&[u8]]) -> Digest {
        let mut hasher = Hasher::default();
        parts.iter().for_each(|part| hasher.update(part));
        hasher.digest()
    }

    /// The digest of the little-endian bytes of `values`, without a copy of all of them.
    pub fn of_floats(values: &[f32]) -> Digest {
        let mut hasher = Hasher::default();
        hasher.update_values(values, |value| value.to_le_bytes());
        hasher.digest()
    }
}

/// Values that are turned into bytes at once.
const PIECE_LEN: usize = 4096;

/// Takes bytes piece by piece to make a [`Digest`] of all of them.
#[derive(Clone, Debug, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Takes the bytes of each of `values`, without holding those of all of them.
    pub fn update_values<T, const N: usize>(&mut self, values: &[T], bytes: impl Fn(&T) -> [u8; N]) {
        let mut piece = [[0; N]; PIECE_LEN];
        for values in values.chunks(PIECE_LEN) {
            let piece = &mut piece[..values.len()];
            piece.iter_mut().zip(values).for_each(|(to, value)| *to = bytes(value));
            self.update(piece.as_flattened());
        }
    }

    /// The digest of all bytes taken.
    pub fn digest(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest, expected 64 hexadecimal digits")]
pub struct DigestParseError(String);

impl FromStr for Digest {
    type Err = DigestParseError;

    fn from_str(text: &str) -> Result<Digest, DigestParseError> {
        let error = || DigestParseError(text.to_string());
        let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
        let digits = digits.filter(|digits| digits.len() == 64).ok_or_else(error)?;
        Ok(Digest(std::array::from_fn(|i| (digits[2 * i] << 4 | digits[2 * i + 1]) as u8)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn floats_in_blocks_have_the_digest_of_their_bytes() {
        for len in [0, 1, 4096, 9001] {
            let values: Vec<f32> = (0..len).map(|i| i as f32 / 3.0 - 5.0).collect();
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert_eq!(Digest::of_floats(&values), Digest::of(&bytes), "{len}");
        }
    }

    #[test]
    fn digest_is_sha256_whether_joined_or_in_parts() {
        assert_eq!(Digest::of(b"abc").to_string(), ABC);
        assert_eq!(Digest::of_parts(&[b"a", b"", b"bc"]).to_string(), ABC);
    }

    #[test]
    fn text_round_trips_and_other_text_is_refused() {
        assert_eq!(ABC.parse::<Digest>(), Ok(Digest::of(b"abc")));
        let wrong = [String::new(), ABC[1..].to_string(), format!("{ABC}0"), ABC.replace('b', "g")];
        for text in wrong {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
