//! Derivatives of the functions that follow a layer.
//!
//! Source: those of Keras `activations`; the piecewise ones have slope 0 at their corners, as in TensorFlow.

use crate::arch::{Isa, SimdOp};
use crate::vector_math::{erf, exp, sigmoid, tanh};
use crate::{Activation, Clamp, InstructionSet};

impl Activation {
    /// `input_gradient = output_gradient * derivative(input)`
    ///
    /// # Panics
    /// If lengths differ.
    pub fn gradient(
        self,
        isa: InstructionSet,
        input: &[f32],
        output_gradient: &[f32],
        input_gradient: &mut [f32],
    ) {
        check_lens(input, output_gradient, input_gradient);
        isa.run(ActivationGradient { function: self, input, output_gradient, input_gradient });
    }
}

impl Clamp {
    /// `input_gradient = output_gradient` where the output lies between the limits, else zero.
    ///
    /// # Panics
    /// If lengths differ.
    pub fn gradient(
        self,
        isa: InstructionSet,
        output: &[f32],
        output_gradient: &[f32],
        input_gradient: &mut [f32],
    ) {
        check_lens(output, output_gradient, input_gradient);
        isa.run(ClampGradient { clamp: self, output, output_gradient, input_gradient });
    }
}

fn check_lens(values: &[f32], output_gradient: &[f32], input_gradient: &[f32]) {
    assert_eq!(values.len(), output_gradient.len(), "gradient of the output");
    assert_eq!(values.len(), input_gradient.len(), "gradient of the input");
}

struct ClampGradient<'a> {
    clamp: Clamp,
    output: &'a [f32],
    output_gradient: &'a [f32],
    input_gradient: &'a mut [f32],
}

impl SimdOp for ClampGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Clamp { low, high } = self.clamp;
        let gradients = self.output_gradient.iter().zip(self.input_gradient);
        for (&y, (&dy, dx)) in self.output.iter().zip(gradients) {
            *dx = if y > low && y < high { dy } else { 0.0 };
        }
    }
}

struct ActivationGradient<'a> {
    function: Activation,
    input: &'a [f32],
    output_gradient: &'a [f32],
    input_gradient: &'a mut [f32],
}

impl SimdOp for ActivationGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        match self.function {
            Activation::Sigmoid => self.each::<I, Sigmoid>(isa),
            Activation::Silu => self.each::<I, Silu>(isa),
            Activation::HardSigmoid => self.each_number(|x| if x.abs() < 3.0 { 1.0 / 6.0 } else { 0.0 }),
            Activation::HardSilu => self.each_number(hard_silu),
            Activation::Gelu => self.each::<I, Gelu>(isa),
            Activation::Tanh => self.each::<I, Tanh>(isa),
        }
    }
}

impl ActivationGradient<'_> {
    #[inline(always)]
    fn each<I: Isa, D: Derivative>(self, isa: I) {
        let (mut x, mut dy) = ([0.0; MOST_LANES], [0.0; MOST_LANES]);
        let parts = self.input.chunks(I::LANES).zip(self.output_gradient.chunks(I::LANES));
        for ((input, output_gradient), to) in parts.zip(self.input_gradient.chunks_mut(I::LANES)) {
            if to.len() == I::LANES {
                isa.store(isa.mul(D::of(isa, isa.load(input)), isa.load(output_gradient)), to);
            } else {
                x[..to.len()].copy_from_slice(input);
                dy[..to.len()].copy_from_slice(output_gradient);
                isa.store(isa.mul(D::of(isa, isa.load(&x)), isa.load(&dy)), &mut x);
                to.copy_from_slice(&x[..to.len()]);
            }
        }
    }

    #[inline(always)]
    fn each_number(self, derivative: impl Fn(f32) -> f32) {
        let gradients = self.output_gradient.iter().zip(self.input_gradient);
        for (&x, (&dy, dx)) in self.input.iter().zip(gradients) {
            *dx = dy * derivative(x);
        }
    }
}

/// Longest vector of any instruction set.
const MOST_LANES: usize = 16;

/// A derivative that is known when the loop over the elements is compiled.
trait Derivative {
    /// The derivative at every element of a vector.
    fn of<I: Isa>(isa: I, x: I::Vector) -> I::Vector;
}

struct Sigmoid;
struct Silu;
struct Gelu;
struct Tanh;

impl Derivative for Sigmoid {
    #[inline(always)]
    fn of<I: Isa>(isa: I, x: I::Vector) -> I::Vector {
        let s = sigmoid(isa, x);
        isa.mul(s, one_minus(isa, s))
    }
}

impl Derivative for Silu {
    #[inline(always)]
    fn of<I: Isa>(isa: I, x: I::Vector) -> I::Vector {
        let s = sigmoid(isa, x);
        isa.mul(s, isa.mul_add(x, one_minus(isa, s), isa.splat(1.0)))
    }
}

impl Derivative for Gelu {
    #[inline(always)]
    fn of<I: Isa>(isa: I, x: I::Vector) -> I::Vector {
        let half = isa.splat(0.5);
        let erf = erf(isa, isa.mul(x, isa.splat(std::f32::consts::FRAC_1_SQRT_2)));
        let distribution = isa.mul_add(half, erf, half);
        let density = exp(isa, isa.mul(isa.mul(x, x), isa.splat(-0.5)));
        isa.mul_add(isa.mul(x, isa.splat(1.0 / ROOT_OF_TWO_PI)), density, distribution)
    }
}

impl Derivative for Tanh {
    #[inline(always)]
    fn of<I: Isa>(isa: I, x: I::Vector) -> I::Vector {
        let t = tanh(isa, x);
        one_minus(isa, isa.mul(t, t))
    }
}

const ROOT_OF_TWO_PI: f32 = 2.506_628_3;

#[inline(always)]
fn one_minus<I: Isa>(isa: I, x: I::Vector) -> I::Vector {
    isa.mul_add(x, isa.splat(-1.0), isa.splat(1.0))
}

#[inline(always)]
fn hard_silu(x: f32) -> f32 {
    if x <= -3.0 {
        0.0
    } else if x < 3.0 {
        x / 3.0 + 0.5
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Tolerance, assert_close};

    use super::*;

    const ALL: [Activation; 6] = [
        Activation::Sigmoid,
        Activation::Silu,
        Activation::HardSigmoid,
        Activation::HardSilu,
        Activation::Gelu,
        Activation::Tanh,
    ];

    #[test]
    fn derivatives_equal_central_differences_of_the_functions() {
        // Off the corners at -3 and 3.
        let input: Vec<f32> = (-67..=67).map(|i| i as f32 / 8.0 + 0.05).collect();
        let step = 1e-2;
        for isa in InstructionSet::available() {
            for function in ALL {
                let shifted = |by: f32| {
                    let mut values: Vec<f32> = input.iter().map(|x| x + by).collect();
                    function.run(isa, &mut values);
                    values
                };
                let (above, below) = (shifted(step), shifted(-step));
                let slopes = above.iter().zip(&below).map(|(a, b)| 2.0 * (a - b) / (2.0 * step));
                let want: Vec<f32> = slopes.collect();
                let mut got = vec![f32::NAN; input.len()];
                function.gradient(isa, &input, &vec![2.0; input.len()], &mut got);
                assert_close(&got, &want, Tolerance::abs(3e-4));
            }
        }
    }

    #[test]
    fn a_clamped_output_passes_nothing_on() {
        for isa in InstructionSet::available() {
            let mut got = [f32::NAN; 5];
            Clamp::RELU6.gradient(isa, &[0.0, 0.5, 5.5, 6.0, 0.0], &[1.0, 2.0, 3.0, 4.0, 5.0], &mut got);
            assert_eq!(got, [0.0, 2.0, 3.0, 0.0, 0.0], "{}", isa.name());
        }
    }
}
