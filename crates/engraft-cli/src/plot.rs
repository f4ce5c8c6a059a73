//! Pictures: of network architectures, one box per layer, inputs above, results below; of comparisons and of trainings.

mod comparison;
mod curves;
mod dot;
mod layout; // start here: where everything stands
mod png;
mod svg;

use std::path::Path;

use anyhow::Result;
use engraft::{Error, Layer};

pub use comparison::draw as comparison;
pub use curves::draw as curves;

/// A file format of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureFormat {
    /// Vector graphics; text can be searched.
    Svg,
    /// Pixels.
    Png,
    /// The graph alone, for Graphviz.
    Dot,
}

impl PictureFormat {
    /// The format that the ending of `path` names.
    ///
    /// # Errors
    /// [`Error::Setting`] if it ends in none of the three.
    pub fn of(path: &Path) -> Result<PictureFormat> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => Ok(PictureFormat::Svg),
            Some("png") => Ok(PictureFormat::Png),
            Some("dot") => Ok(PictureFormat::Dot),
            _ => Err(Error::Setting {
                setting: "--out",
                found: path.display().to_string(),
                expected: "a name that ends in .svg, .png or .dot",
            }
            .into()),
        }
    }
}

/// The picture as the bytes of a file.
///
/// # Errors
/// If a pixel picture cannot be encoded.
pub fn picture(layers: &[Layer], format: PictureFormat) -> Result<Vec<u8>> {
    match format {
        PictureFormat::Svg => Ok(svg::draw(&layout::lay_out(layers)).into_bytes()),
        PictureFormat::Png => png::draw(&layout::lay_out(layers)),
        PictureFormat::Dot => Ok(dot::write(layers).into_bytes()),
    }
}

/// Fill of a box, `[red, green, blue]`: layers of one purpose look alike.
fn color(layer: &Layer) -> [u8; 3] {
    match layer.kind {
        "Conv2D" | "SeparableConv2D" => [198, 219, 239],
        "DepthwiseConv2D" => [222, 235, 247],
        "Dense" => [253, 208, 162],
        "BatchNormalization" | "LayerNormalization" | "LayerScale" => [229, 245, 224],
        "Activation" | "ReLU" | "Softmax" => [254, 217, 218],
        "Add" | "Multiply" | "Concatenate" => [255, 237, 160],
        "Sequential" => [218, 218, 235],
        kind if kind.contains("Pooling") => [218, 218, 235],
        _ => [240, 240, 240],
    }
}

/// The two lines of a box: what the layer is called, and what it is with the shape of its result.
fn label(layer: &Layer) -> [String; 2] {
    let lens: Vec<String> = layer.output_shape.iter().map(usize::to_string).collect();
    [layer.name.clone(), format!("{}  {}", layer.kind, lens.join(" x "))]
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn layer(name: &str, connected_to: &[&str]) -> Layer {
        Layer {
            name: name.to_owned(),
            kind: "Add",
            output_shape: vec![2, 3, 4],
            parameters: 0,
            trainable_parameters: 0,
            multiply_adds: 0,
            connected_to: connected_to.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn the_ending_decides_the_format() {
        for (path, want) in
            [("a.svg", PictureFormat::Svg), ("b/c.png", PictureFormat::Png), ("d.dot", PictureFormat::Dot)]
        {
            assert_eq!(PictureFormat::of(path.as_ref()).unwrap(), want);
        }
        let error = PictureFormat::of("a.jpg".as_ref()).unwrap_err().to_string();
        assert!(error.contains(".svg, .png or .dot"), "{error}");
    }

    #[test]
    fn every_format_starts_as_it_should() {
        let layers = [layer("a", &[]), layer("b", &["a"])];
        for (format, start) in [
            (PictureFormat::Svg, &b"<svg"[..]),
            (PictureFormat::Png, &b"\x89PNG"[..]),
            (PictureFormat::Dot, &b"digraph"[..]),
        ] {
            assert!(picture(&layers, format).unwrap().starts_with(start), "{format:?}");
        }
    }
}
