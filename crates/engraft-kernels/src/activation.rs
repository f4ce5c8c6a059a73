//! Element-wise functions that follow a layer.
//!
//! Source: Keras `activations`: `sigmoid`, `silu`, `hard_sigmoid`, `hard_silu`, `gelu` (exact), `tanh`.

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};
use crate::vector_math::{erf, sigmoid, silu, tanh};

/// A function of one number that is more than a [`crate::Clamp`]. Arguments must be finite or NaN, which stays NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `x * sigmoid(x)`
    Silu,
    /// `min(max(x + 3, 0), 6) / 6`
    HardSigmoid,
    /// `x * hard_sigmoid(x)`
    HardSilu,
    /// `x * (1 + erf(x / sqrt(2))) / 2`
    Gelu,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Applies the function in place.
    pub fn run(self, isa: InstructionSet, values: &mut [f32]) {
        isa.run(Activate { activation: self, values });
    }

    /// Applies the function to the first `len` elements of each of `count` rows that lie `stride` elements apart.
    #[inline(always)]
    pub(crate) fn apply_to_rows<I: Isa>(
        self,
        isa: I,
        values: &mut [f32],
        count: usize,
        stride: usize,
        len: usize,
    ) {
        if stride == len {
            let values = &mut values[..count * len];
            return isa.call(Activate { activation: self, values });
        }
        for row in values.chunks_mut(stride).take(count) {
            isa.call(Activate { activation: self, values: &mut row[..len] });
        }
    }

    /// The same where the vectors of a row may lie apart; `strides` are the elements between rows and between vectors. If
    /// those do not follow each other, `len` must be a multiple of their length.
    #[inline(always)]
    pub(crate) fn apply_to_vectors<I: Isa>(
        self,
        isa: I,
        values: &mut [f32],
        count: usize,
        [row_stride, vector_stride]: [usize; 2],
        len: usize,
    ) {
        // The vector stride does not tell: in a channel-blocked map one pixel wide it is a vector's length too.
        if row_stride >= len {
            return self.apply_to_rows(isa, values, count, row_stride, len);
        }
        for vector in 0..len / I::LANES {
            self.apply_to_rows(isa, &mut values[vector * vector_stride..], count, row_stride, I::LANES);
        }
    }
}

/// An activation that is known when the loop over the elements is compiled. (A closure would stay a function without the
/// instruction set's features.)
trait Function {
    /// The function of every element of a vector.
    fn of<I: Isa>(isa: I, x: I::Vector) -> I::Vector;
}

macro_rules! functions {
    ($($name:ident($isa:ident, $x:ident) => $value:expr;)*) => {
        $(
            struct $name;

            impl Function for $name {
                #[inline(always)]
                fn of<I: Isa>($isa: I, $x: I::Vector) -> I::Vector {
                    $value
                }
            }
        )*
    };
}

functions! {
    Sigmoid(isa, x) => sigmoid(isa, x);
    Silu(isa, x) => silu(isa, x);
    HardSigmoid(isa, x) => hard_sigmoid(isa, x);
    HardSilu(isa, x) => isa.mul(x, hard_sigmoid(isa, x));
    Gelu(isa, x) => gelu(isa, x);
    Tanh(isa, x) => tanh(isa, x);
}

#[inline(always)]
fn hard_sigmoid<I: Isa>(isa: I, x: I::Vector) -> I::Vector {
    let shifted = isa.add(x, isa.splat(3.0));
    let limited = isa.min(isa.splat(6.0), isa.max(isa.splat(0.0), shifted));
    isa.mul(limited, isa.splat(1.0 / 6.0))
}

#[inline(always)]
fn gelu<I: Isa>(isa: I, x: I::Vector) -> I::Vector {
    let half = isa.mul(x, isa.splat(0.5));
    let erf = erf(isa, isa.mul(x, isa.splat(std::f32::consts::FRAC_1_SQRT_2)));
    isa.mul_add(half, erf, half)
}

struct Activate<'a> {
    activation: Activation,
    values: &'a mut [f32],
}

impl SimdOp for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        match self.activation {
            Activation::Sigmoid => each::<I, Sigmoid>(isa, self.values),
            Activation::Silu => each::<I, Silu>(isa, self.values),
            Activation::HardSigmoid => each::<I, HardSigmoid>(isa, self.values),
            Activation::HardSilu => each::<I, HardSilu>(isa, self.values),
            Activation::Gelu => each::<I, Gelu>(isa, self.values),
            Activation::Tanh => each::<I, Tanh>(isa, self.values),
        }
    }
}

/// Longest vector of any instruction set.
const MOST_LANES: usize = 16;

#[inline(always)]
fn each<I: Isa, F: Function>(isa: I, values: &mut [f32]) {
    let mut chunks = values.chunks_exact_mut(I::LANES);
    for chunk in &mut chunks {
        isa.store(F::of(isa, isa.load(chunk)), chunk);
    }
    let rest = chunks.into_remainder();
    if !rest.is_empty() {
        let mut vector = [0.0; MOST_LANES];
        vector[..rest.len()].copy_from_slice(rest);
        isa.store(F::of(isa, isa.load(&vector)), &mut vector);
        rest.copy_from_slice(&vector[..rest.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Activation; 6] = [
        Activation::Sigmoid,
        Activation::Silu,
        Activation::HardSigmoid,
        Activation::HardSilu,
        Activation::Gelu,
        Activation::Tanh,
    ];

    /// The error function by its series, or 1 less its continued fraction.
    fn erf(x: f64) -> f64 {
        if x.abs() > 3.0 {
            let fraction = (1..60).rev().fold(0.0, |tail, k| f64::from(k) / 2.0 / (x.abs() + tail));
            let complement = (-x * x).exp() / std::f64::consts::PI.sqrt() / (x.abs() + fraction);
            return (1.0 - complement) * x.signum();
        }
        let mut term = x;
        let mut sum = x;
        for k in 1..80 {
            term *= -x * x / f64::from(k);
            sum += term / f64::from(2 * k + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    fn definition(activation: Activation, x: f64) -> f64 {
        let hard = (x + 3.0).clamp(0.0, 6.0) / 6.0;
        match activation {
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::HardSigmoid => hard,
            Activation::HardSilu => x * hard,
            Activation::Gelu => x * (1.0 + erf(x / 2f64.sqrt())) / 2.0,
            Activation::Tanh => x.tanh(),
        }
    }

    #[test]
    fn functions_equal_their_definition_over_their_whole_range() {
        let arguments: Vec<f32> =
            (-40_000..=40_000).map(|x| x as f32 / 400.0).chain([1e-30, -1e-6, 1e4, -1e4]).collect();
        for isa in InstructionSet::available() {
            for activation in ALL {
                let mut got = arguments.clone();
                activation.run(isa, &mut got);
                for (&x, &got) in arguments.iter().zip(&got) {
                    let want = definition(activation, f64::from(x));
                    // What gelu leaves of large negative numbers is rounded like them; exponentials end at 1e-38.
                    let scale = if activation == Activation::Gelu {
                        want.abs().max(f64::from(x).abs() / 2.0)
                    } else {
                        want.abs()
                    };
                    let tolerance = 5e-7 * scale + 1e-38 * f64::from(x).abs();
                    let error = (f64::from(got) - want).abs();
                    assert!(
                        error <= tolerance,
                        "{activation:?}({x}), {}: got {got}, want {want}",
                        isa.name()
                    );
                }
            }
        }
    }

    #[test]
    fn every_length_is_covered_and_nan_stays() {
        for isa in InstructionSet::available() {
            for activation in ALL {
                for len in 0..40 {
                    let mut got: Vec<f32> = (0..len).map(|x| x as f32 / 8.0 - 2.0).collect();
                    let want: Vec<f32> = got
                        .iter()
                        .map(|&x| {
                            let mut one = [x];
                            activation.run(isa, &mut one);
                            one[0]
                        })
                        .collect();
                    activation.run(isa, &mut got);
                    assert_eq!(got, want, "{activation:?}, {}, {len}", isa.name());
                }
                let mut nan = [f32::NAN; 17];
                activation.run(isa, &mut nan);
                assert!(nan.iter().all(|x| x.is_nan()), "{activation:?}, {}", isa.name());
            }
        }
    }
}
