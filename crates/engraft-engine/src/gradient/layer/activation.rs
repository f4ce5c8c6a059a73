//! Element-wise functions.

use engraft_kernels::Clamp;
use rayon::prelude::*;

use super::{Backward, Forward, Layer};

/// A function of every element.
pub(crate) enum Activation {
    /// Limits, such as those of ReLU.
    Clamp(Clamp),
    /// Any other.
    Function(engraft_kernels::Activation),
}

impl Activation {
    /// The limits, if it is nothing else.
    pub(crate) fn clamp(&self) -> Option<Clamp> {
        if let Activation::Clamp(clamp) = self { Some(*clamp) } else { None }
    }
}

impl Layer for Activation {
    fn forward(&self, pass: Forward) {
        let (isa, len) = (pass.context.isa, pass.output.len() / pass.context.images);
        pass.output.par_chunks_exact_mut(len).zip(pass.inputs[0].par_chunks_exact(len)).for_each(
            |(output, input)| {
                output.copy_from_slice(input);
                match self {
                    Activation::Clamp(clamp) => clamp.run(isa, output),
                    Activation::Function(function) => function.run(isa, output),
                }
            },
        );
    }

    fn backward(&self, pass: Backward) {
        let Some(input_gradient) = &mut pass.input_gradients[0] else { return };
        let (isa, len) = (pass.context.isa, pass.output.len() / pass.context.images);
        let gradients =
            input_gradient.par_chunks_exact_mut(len).zip(pass.output_gradient.par_chunks_exact(len));
        match self {
            Activation::Clamp(clamp) => gradients
                .zip(pass.output.par_chunks_exact(len))
                .for_each(|((dx, dy), output)| clamp.gradient(isa, output, dy, dx)),
            Activation::Function(function) => gradients
                .zip(pass.inputs[0].par_chunks_exact(len))
                .for_each(|((dx, dy), input)| function.gradient(isa, input, dy, dx)),
        }
    }
}
