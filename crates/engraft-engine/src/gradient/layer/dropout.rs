//! Random zeroes, the same ones in both directions.

use engraft_kernels::random_key;
use rayon::prelude::*;

use super::{Backward, Context, Forward, Layer};

/// Zeroes a fraction of the elements of every image, or of the images, and scales up what is left.
pub(crate) struct Dropout {
    pub rate: f32,
    /// Whether all elements of an image are zeroed together: stochastic depth.
    pub whole_images: bool,
    /// Position in the network: two dropouts draw independently.
    pub node: usize,
}

impl Dropout {
    /// The same draw for the same seed, node, image and element, whichever thread asks.
    fn run(&self, context: Context, input: &[f32], output: &mut [f32]) {
        let len = output.len() / context.images;
        output.par_chunks_exact_mut(len).zip(input.par_chunks_exact(len)).enumerate().for_each(
            |(image, (output, input))| {
                let key = random_key(&[context.seed, self.node as u64, image as u64]);
                let dropout = engraft_kernels::Dropout { rate: self.rate, key };
                if self.whole_images {
                    dropout.run_whole(input, output);
                } else {
                    dropout.run(input, output);
                }
            },
        );
    }
}

impl Layer for Dropout {
    fn forward(&self, pass: Forward) {
        self.run(pass.context, pass.inputs[0], pass.output);
    }

    fn backward(&self, pass: Backward) {
        if let Some(input_gradient) = &mut pass.input_gradients[0] {
            self.run(pass.context, pass.output_gradient, input_gradient);
        }
    }
}
