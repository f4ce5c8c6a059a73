//! Keeping a panic inside a codec from ending more than the one image it was decoding.

use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::DecodeError;

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a codec, where a panic becomes [`DecodeError::Panicked`].
///
/// A program's panic hook can ask this and stay silent.
pub fn is_decoding() -> bool {
    DECODING.get()
}

/// Runs `work`, the code of a codec for `format`; its panic is the file's fault and becomes an error.
pub fn guarded<T>(
    format: &'static str,
    work: impl FnOnce() -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let before = DECODING.replace(true);
    // Whatever a panic leaves half-done is dropped with the closure or belongs to the codec, which is not used again.
    let result = catch_unwind(AssertUnwindSafe(work));
    DECODING.set(before);
    result.unwrap_or_else(|panic| Err(DecodeError::panicked(format, message(&*panic))))
}

/// What `panic!` was given: nearly always a text.
fn message(panic: &(dyn Any + Send)) -> &str {
    let formatted = panic.downcast_ref::<String>().map(String::as_str);
    formatted.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_its_thread_goes_on() {
        assert_eq!(guarded("png", || Ok(is_decoding())), Ok(true));
        let plain = guarded::<()>("png", || panic!("index out of range"));
        let formatted = guarded::<()>("png", || panic!("index {} out\nof range", plain.is_err()));
        let other = guarded::<()>("png", || std::panic::panic_any(7));
        for (result, want) in
            [(plain, "index out of range"), (formatted, "index true out of range"), (other, "no message")]
        {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), "codec_panic");
            assert_eq!(error.to_string(), format!("the png decoder cannot cope with it: {want}"));
            assert!(!is_decoding());
        }
    }
}
