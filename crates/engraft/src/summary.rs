//! A network as a table, laid out as Keras' `model.summary()`.

use serde::Serialize;

use crate::{Layer, Network};

/// The layers of a network and their totals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The backbone's name, or the model's path.
    pub name: String,
    /// Each after those it reads.
    pub layers: Vec<Layer>,
    /// Values in all weights.
    pub parameters: usize,
    /// Those of them that training would change.
    pub trainable_parameters: usize,
    /// For one image.
    pub multiply_adds: u64,
    /// Size of the weights in single precision, in bytes.
    pub weights_bytes: usize,
}

impl Summary {
    /// Sums up a network.
    pub fn of(network: &Network) -> Summary {
        let layers = network.layers();
        let parameters = layers.iter().map(|layer| layer.parameters).sum();
        Summary {
            name: network.name().to_owned(),
            parameters,
            trainable_parameters: layers.iter().map(|layer| layer.trainable_parameters).sum(),
            multiply_adds: layers.iter().map(|layer| layer.multiply_adds).sum(),
            weights_bytes: parameters * size_of::<f32>(),
            layers,
        }
    }

    /// The table for people.
    pub fn text(&self) -> String {
        let head =
            ["Layer (type)", "Output Shape", "Param #", "Multiply-adds", "Connected to"].map(str::to_owned);
        let rows: Vec<[String; 5]> = [head].into_iter().chain(self.layers.iter().map(row)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let [name, shape, parameters, multiply_adds] = [0, 1, 2, 3].map(width);
        let lines = rows.iter().map(|[a, b, c, d, e]| {
            format!("{a:<name$}  {b:<shape$}  {c:>parameters$}  {d:>multiply_adds$}  {e}")
        });
        let rule = "=".repeat(name + shape + parameters + multiply_adds + width(4) + 8);
        let mut text = format!("Network: {}\n", self.name);
        for (index, line) in lines.enumerate() {
            text += line.trim_end();
            text.push('\n');
            if index == 0 {
                text += &format!("{rule}\n");
            }
        }
        text + &format!("{rule}\n{}", self.totals())
    }

    fn totals(&self) -> String {
        let count = |name: &str, count: usize| {
            let mebibytes = (count * size_of::<f32>()) as f64 / f64::from(1 << 20);
            format!("{name}: {} ({mebibytes:.2} MB)\n", grouped(count as u64))
        };
        count("Total params", self.parameters)
            + &count("Trainable params", self.trainable_parameters)
            + &count("Non-trainable params", self.parameters - self.trainable_parameters)
            + &format!("Multiply-adds: {} an image\n", grouped(self.multiply_adds))
    }
}

fn row(layer: &Layer) -> [String; 5] {
    [
        format!("{} ({})", layer.name, layer.kind),
        shape(&layer.output_shape),
        grouped(layer.parameters as u64),
        grouped(layer.multiply_adds),
        layer.connected_to.join(", "),
    ]
}

/// As Keras prints it, with the batch in front.
fn shape(lens: &[usize]) -> String {
    let lens: Vec<String> = lens.iter().map(usize::to_string).collect();
    format!("(None, {})", lens.join(", "))
}

/// Digits in groups of three.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use engraft_testing::Golden;

    use super::*;
    use crate::NetworkOptions;

    #[test]
    fn digits_are_grouped() {
        for (count, want) in [(0, "0"), (999, "999"), (1000, "1,000"), (22_910_480, "22,910,480")] {
            assert_eq!(grouped(count), want);
        }
    }

    #[test]
    fn a_table_ends_with_the_totals_of_its_rows() {
        let network = Network::open("efficientnet_lite0".as_ref(), NetworkOptions::default()).unwrap();
        let summary = Summary::of(&network);
        let text = summary.text();
        assert!(text.contains("stem_conv (Conv2D)"), "{text}");
        assert!(text.contains("(None, 112, 112, 32)"), "{text}");
        let counts = Golden::open("zoo/efficientnet_lite0").usize("value_counts");
        assert!(text.contains(&format!("Total params: {} (", grouped(counts[0] as u64))), "{text}");
        assert_eq!(text.lines().count(), summary.layers.len() + 8);
    }
}
