//! Elementary functions on vectors.
//!
//! Each is accurate to a few units in the last place over the stated range; NaN stays NaN.

use crate::arch::Isa;

/// Beyond these the exponential leaves the normal numbers.
const EXP_LOW: f32 = -87.0;
const EXP_HIGH: f32 = 88.0;

/// ln 2 in two parts; the first has trailing zeros, so that its multiples are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `e^r - 1 - r` divided by `r²`, highest power first, for r within half of ln 2.
///
/// Source: Cephes mathematical library, `expf`.
const EXP_POLYNOMIAL: [f32; 6] =
    [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5];

/// Zero for a number too small to be a normal one. What an optimizer remembers of a unit that has died halves again and again and would
/// stay subnormal for ever, which costs a processor several times the time; TensorFlow rounds such numbers to zero as well.
#[inline(always)]
pub(crate) fn flush_subnormal(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0 } else { x }
}

/// `e^x`; x is limited to -87..88 first.
#[inline(always)]
pub(crate) fn exp<I: Isa>(isa: I, x: I::Vector) -> I::Vector {
    let x = isa.min(isa.splat(EXP_HIGH), isa.max(isa.splat(EXP_LOW), x));
    let n = isa.round(isa.mul(x, isa.splat(std::f32::consts::LOG2_E)));
    let r = isa.mul_add(n, isa.splat(-LN_2_HIGH), x);
    let r = isa.mul_add(n, isa.splat(-LN_2_LOW), r);
    let tail = isa.mul_add(polynomial(isa, &EXP_POLYNOMIAL, r), isa.mul(r, r), r);
    isa.scale_by_power(isa.add(tail, isa.splat(1.0)), n)
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(crate) fn sigmoid<I: Isa>(isa: I, x: I::Vector) -> I::Vector {
    isa.div(isa.splat(1.0), one_plus_exp_of_negative(isa, x))
}

/// `x / (1 + e^-x)`, for finite x.
#[inline(always)]
pub(crate) fn silu<I: Isa>(isa: I, x: I::Vector) -> I::Vector {
    isa.div(x, one_plus_exp_of_negative(isa, x))
}

/// The quotient of `e^-r - 1` and r, highest power first, for r within half of ln 2: the polynomial with the least greatest
/// relative error of `e^-r`, which is 2e-8.
const EXP_OF_NEGATIVE_POLYNOMIAL: [f32; 6] =
    [1.384_364_3e-3, -8.374_164e-3, 4.166_8e-2, -0.166_664_32, 0.499_999_94, -1.0];

/// `1 + e^-x`; as [`exp`], but next to 1 a shorter polynomial does, and no sign is changed.
#[inline(always)]
fn one_plus_exp_of_negative<I: Isa>(isa: I, x: I::Vector) -> I::Vector {
    let one = isa.splat(1.0);
    let x = isa.min(isa.splat(-EXP_LOW), isa.max(isa.splat(-EXP_HIGH), x));
    let n = isa.round(isa.mul(x, isa.splat(-std::f32::consts::LOG2_E)));
    let r = isa.mul_add(n, isa.splat(LN_2_HIGH), x);
    let r = isa.mul_add(n, isa.splat(LN_2_LOW), r);
    let power = isa.mul_add(polynomial(isa, &EXP_OF_NEGATIVE_POLYNOMIAL, r), r, one);
    isa.add(isa.scale_by_power(power, n), one)
}

/// Where the error function and the hyperbolic tangent are 1 in single precision.
const ERF_LIMIT: f32 = 4.0;
const TANH_LIMIT: f32 = 9.0;

/// Numerator and denominator of `erf(x) / x` in x², highest power first, for x in -4..4.
///
/// Source: the rational approximation of Eigen's `generic_fast_erf_float`.
const ERF_NUMERATOR: [f32; 7] = [
    -2.726_142_3e-10,
    2.770_681_4e-8,
    -2.101_024e-6,
    -5.692_506_4e-5,
    -7.349_906_3e-4,
    -2.954_6e-3,
    -1.609_603_3e-2,
];
const ERF_DENOMINATOR: [f32; 5] =
    [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];

/// The error function.
#[inline(always)]
pub(crate) fn erf<I: Isa>(isa: I, x: I::Vector) -> I::Vector {
    let x = isa.min(isa.splat(ERF_LIMIT), isa.max(isa.splat(-ERF_LIMIT), x));
    let square = isa.mul(x, x);
    let numerator = isa.mul(x, polynomial(isa, &ERF_NUMERATOR, square));
    isa.div(numerator, polynomial(isa, &ERF_DENOMINATOR, square))
}

/// Numerator and denominator of `tanh(x) / x` in x², highest power first, for x in -9..9.
///
/// Source: the rational approximation of Eigen's `generic_fast_tanh_float`.
const TANH_NUMERATOR: [f32; 7] = [
    -2.760_768_4e-16,
    2.000_188e-13,
    -8.604_672e-11,
    5.122_297_1e-8,
    1.485_722_4e-5,
    6.372_619e-4,
    4.893_524_6e-3,
];
const TANH_DENOMINATOR: [f32; 4] = [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3];

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh<I: Isa>(isa: I, x: I::Vector) -> I::Vector {
    let x = isa.min(isa.splat(TANH_LIMIT), isa.max(isa.splat(-TANH_LIMIT), x));
    let square = isa.mul(x, x);
    let numerator = isa.mul(x, polynomial(isa, &TANH_NUMERATOR, square));
    isa.div(numerator, polynomial(isa, &TANH_DENOMINATOR, square))
}

/// Horner's scheme, highest power first.
#[inline(always)]
fn polynomial<I: Isa, const N: usize>(isa: I, coefficients: &[f32; N], x: I::Vector) -> I::Vector {
    let mut value = isa.splat(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        value = isa.mul_add(value, x, isa.splat(coefficient));
    }
    value
}
