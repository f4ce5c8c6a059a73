//! How `summary` and `plot` are told what to look at.

use std::path::PathBuf;

use anyhow::Result;
use engraft::{Network, NetworkOptions};

/// A backbone or a model.
#[derive(clap::Args)]
pub struct NetworkArgs {
    /// Name of a backbone, several names joined by +, or model file
    #[arg(value_name = "NAME|MODEL")]
    network: PathBuf,

    /// With the classifier of the 1000 ImageNet classes
    #[arg(long)]
    with_top: bool,

    /// Side of the input in pixels, or HEIGHTxWIDTH
    #[arg(long, value_name = "PIXELS", value_parser = parse_size)]
    input_size: Option<[usize; 2]>,
}

impl NetworkArgs {
    /// What was asked for.
    pub fn open(&self) -> Result<Network> {
        let options = NetworkOptions { with_top: self.with_top, input_px: self.input_size };
        Ok(Network::open(&self.network, options)?)
    }
}

fn parse_size(text: &str) -> Result<[usize; 2], String> {
    let (height, width) = text.split_once('x').unwrap_or((text, text));
    match (height.parse(), width.parse()) {
        (Ok(height), Ok(width)) => Ok([height, width]),
        _ => Err(format!("`{text}` is no size, expected a number of pixels or HEIGHTxWIDTH")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_one_number_or_two() {
        assert_eq!(parse_size("96"), Ok([96, 96]));
        assert_eq!(parse_size("96x128"), Ok([96, 128]));
        for text in ["", "x", "96x", "-1", "96x96x3", "big"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
