//! How `train` and `compare` are told how images fill the input.

use engraft::{Fit, UnknownName};

/// A fit, or `None` to choose one by cross-validation.
#[derive(Clone, Copy)]
pub struct FitChoice(pub Option<Fit>);

/// The name of a fit, or `auto`.
pub fn parse_fit(text: &str) -> Result<FitChoice, String> {
    if text == "auto" {
        return Ok(FitChoice(None));
    }
    text.parse().map(|fit| FitChoice(Some(fit))).map_err(|error: UnknownName| format!("{error}, auto"))
}
