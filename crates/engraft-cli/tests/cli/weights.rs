//! Weights of a second backbone, small enough to be made up in a test.

use serde_json::{Map, Value, json};

/// The smallest backbone there is.
pub const SMALL: &str = "mobilenet_025";

/// Length of its features.
pub const SMALL_FEATURES: usize = 256;

/// A safetensors file of the smallest backbone; its weights are noise of a size that keeps values in range.
pub fn small_weights() -> Vec<u8> {
    let filters = [16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256];
    let mut file = Weights::default();
    file.convolution("conv1", [3, 3, 3, 8], 8);
    let mut channels = 8;
    for (index, filters) in (1..).zip(filters) {
        file.convolution(&format!("conv_dw_{index}"), [3, 3, channels, 1], channels);
        file.convolution(&format!("conv_pw_{index}"), [1, 1, channels, filters], filters);
        channels = filters;
    }
    file.into_bytes()
}

/// Tensors one after another.
#[derive(Default)]
struct Weights {
    header: Map<String, Value>,
    data: Vec<u8>,
    state: u32,
}

impl Weights {
    /// A kernel and the batch normalisation behind it.
    fn convolution(&mut self, name: &str, kernel: [usize; 4], channels: usize) {
        let [height, width, inputs, multiplier] = kernel;
        let fan_in = height * width * if multiplier == 1 { 1 } else { inputs };
        let bound = (6.0 / fan_in as f32).sqrt();
        self.tensor(&format!("{name}/kernel"), &kernel, |noise| bound * noise);
        for (role, center, spread) in [
            ("gamma", 1.0, 0.1),
            ("beta", 0.0, 0.3),
            ("moving_mean", 0.0, 0.1),
            ("moving_variance", 1.0, 0.1),
        ] {
            self.tensor(&format!("{name}_bn/{role}"), &[channels], |noise| center + spread * noise);
        }
    }

    /// A tensor of single precision; `value` makes each value of noise in -1..1.
    fn tensor(&mut self, name: &str, shape: &[usize], value: impl Fn(f32) -> f32) {
        let begin = self.data.len();
        for _ in 0..shape.iter().product() {
            self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (self.state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            self.data.extend(value(noise).to_le_bytes());
        }
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, self.data.len()]});
        self.header.insert(name.to_owned(), entry);
    }

    fn into_bytes(self) -> Vec<u8> {
        let header = Value::Object(self.header).to_string();
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &self.data].concat()
    }
}
