//! Minimises cross-entropy plus an L2 penalty: L-BFGS around a Newton-like preconditioner.
//!
//! The Hessian of the loss, with each row's curvature replaced by one number (exact for two classes), starts every round; L-BFGS corrections carry it on, and a fresh one is made when they no longer pay. All moves are
//! made in weights and scores at once, so trying a step length costs no matrix product. Sources: Nocedal and Wright,
//! "Numerical Optimization", 2nd edition, algorithms 7.4 (L-BFGS) and 3.1 (backtracking); Böhning, "Multinomial
//! logistic regression algorithm" (1992), for using one curvature for all classes.

use std::collections::VecDeque;

use super::{
    loss::{Curvature, Evaluation, Targets},
    space::{Preconditioner, Space, dot},
};
use crate::Progress;

/// A point of the search, or a move between two.
#[derive(Clone)]
pub(crate) struct Point {
    /// In the coordinates of the space, `[len, classes]`.
    pub weights: Vec<f32>,
    /// The scores of the training rows that follow from `weights`, `[n, classes]`.
    scores: Vec<f32>,
    /// `[classes]`
    pub bias: Vec<f32>,
}

/// The outcome of a descent.
pub(crate) struct Optimum {
    pub point: Point,
    /// Mean cross-entropy plus penalty.
    pub objective: f64,
    /// Estimate of how far the objective is above its minimum.
    pub excess: f64,
}

/// A problem with its penalty.
pub(crate) struct Descent<'a> {
    pub space: &'a dyn Space,
    pub targets: &'a Targets,
    pub l2: f64,
    /// Stop once the estimated excess is at most this part of the objective.
    pub tolerance: f64,
    /// What the preconditioner makes of a row.
    pub curvature: Curvature,
    /// Asked before every step whether to stop where the descent is.
    pub progress: &'a dyn Progress,
}

/// The objective and its gradient at a point.
struct State {
    objective: f64,
    /// Gradient by the weights, in the coordinates of the space.
    weights: Vec<f32>,
    /// Gradient by the bias.
    bias: Vec<f32>,
    evaluation: Evaluation,
}

/// One L-BFGS correction: a move, and the change of the gradient along it.
struct Correction {
    step: Point,
    weights: Vec<f32>,
    bias: Vec<f32>,
    inverse_product: f64,
}

/// Corrections kept.
const MEMORY: usize = 8;
/// Steps between two preconditioners.
const STEPS_PER_ROUND: usize = 30;
/// Preconditioners made before a descent that still moves is cut off. One number for the curvature of a row is a poor guide where
/// weak penalties meet classes of very different weight: at a penalty of 1e-6 and weights of 4 to 0.25, 80 rows that cannot be told
/// apart end 1e-3 of the objective above its minimum.
const MAX_ROUNDS: usize = 20;

impl Point {
    /// All weights zero.
    pub fn zero(space: &dyn Space, targets: &Targets) -> Point {
        Point {
            weights: vec![0.0; space.len() * targets.classes],
            scores: vec![0.0; targets.labels.len() * targets.classes],
            bias: vec![0.0; targets.classes],
        }
    }

    /// Adds `factor * other`.
    fn add(&mut self, factor: f64, other: &Point) {
        add(&mut self.weights, factor, &other.weights);
        add(&mut self.scores, factor, &other.scores);
        add(&mut self.bias, factor, &other.bias);
    }

    fn scale(&mut self, factor: f64) {
        let parts = [&mut self.weights, &mut self.scores, &mut self.bias];
        parts.into_iter().flatten().for_each(|value| *value *= factor as f32);
    }
}

impl Descent<'_> {
    /// The preconditioner for steps from `point`.
    pub fn preconditioner(&self, point: &Point) -> Preconditioner {
        let curvature = self.targets.evaluate(&point.scores, &point.bias, self.curvature).curvature;
        self.space.preconditioner(&curvature, self.l2)
    }

    /// Goes down from `start` until the estimated excess is within the tolerance, or rounding stops all progress. The
    /// first steps are taken with `preconditioner` if there is one, which may be that of another penalty.
    ///
    /// The excess is half the squared Newton decrement: the squared norm of the gradient, measured by the inverse
    /// Hessian of the search (Boyd and Vandenberghe, "Convex Optimization", section 9.5.1).
    pub fn run(&self, start: Point, mut preconditioner: Option<&Preconditioner>) -> Optimum {
        let mut optimum = Optimum { point: start, objective: f64::INFINITY, excess: f64::INFINITY };
        for _ in 0..MAX_ROUNDS {
            let (state, excess, moved) = self.round(&mut optimum.point, preconditioner.take());
            (optimum.objective, optimum.excess) = (state.objective, excess);
            if !moved || self.is_close(&state, excess) {
                break;
            }
        }
        optimum
    }

    fn is_close(&self, state: &State, excess: f64) -> bool {
        excess <= self.tolerance * state.objective
    }

    /// Takes steps with one preconditioner; also returns the last estimate of the excess and whether `point` moved.
    fn round(&self, point: &mut Point, known: Option<&Preconditioner>) -> (State, f64, bool) {
        // Errors of single precision add up over the steps; each round starts from exact products.
        point.scores = self.space.scores(&point.weights, self.targets.classes);
        let mut state = self.state(point);
        let made = known.is_none().then(|| self.space.preconditioner(&state.evaluation.curvature, self.l2));
        let Some(preconditioner) = known.or(made.as_ref()) else { return (state, f64::INFINITY, false) };
        let mean_curvature = mean(&state.evaluation.curvature);
        let mut memory = VecDeque::with_capacity(MEMORY);
        let mut excess = f64::INFINITY;
        for step in 0..STEPS_PER_ROUND {
            let direction = self.direction(&state, &memory, preconditioner, mean_curvature);
            let slope = self.product(&state.weights, &state.bias, &direction);
            excess = -slope / 2.0;
            if self.is_close(&state, excess) {
                return (state, excess, step > 0);
            }
            if self.progress.is_cancelled() {
                return (state, excess, false);
            }
            let Some((length, next)) = self.search(point, &state, &direction, slope) else {
                return (state, excess, step > 0);
            };
            point.add(length, &direction);
            remember(&mut memory, self.correction(&state, &next, direction, length));
            state = next;
        }
        (state, excess, true)
    }

    fn state(&self, point: &Point) -> State {
        let evaluation = self.targets.evaluate(&point.scores, &point.bias, self.curvature);
        let penalty = self.space.dot(&point.weights, &point.weights, &point.scores);
        self.state_of(point, evaluation, penalty)
    }

    /// The state at `point`, whose weights have the squared norm `penalty`.
    fn state_of(&self, point: &Point, evaluation: Evaluation, penalty: f64) -> State {
        let classes = self.targets.classes;
        let mut weights = self.space.gradient(&evaluation.errors, classes);
        add(&mut weights, self.l2, &point.weights);
        let mut bias = vec![0.0; classes];
        evaluation.errors.chunks_exact(classes).for_each(|row| add(&mut bias, 1.0, row));
        State { objective: evaluation.loss + self.l2 / 2.0 * penalty, weights, bias, evaluation }
    }

    /// The inner product of a gradient with a point.
    fn product(&self, weights: &[f32], bias: &[f32], point: &Point) -> f64 {
        self.space.dot(weights, &point.weights, &point.scores) + dot(bias, &point.bias)
    }

    /// The L-BFGS direction, by the two-loop recursion.
    fn direction(
        &self,
        state: &State,
        memory: &VecDeque<Correction>,
        preconditioner: &Preconditioner,
        mean_curvature: f64,
    ) -> Point {
        let classes = self.targets.classes;
        let mut weights: Vec<f32> = state.weights.iter().map(|x| -x).collect();
        let mut bias: Vec<f32> = state.bias.iter().map(|x| -x).collect();
        let mut factors = Vec::with_capacity(memory.len());
        for correction in memory.iter().rev() {
            let factor = correction.inverse_product * self.product(&weights, &bias, &correction.step);
            add(&mut weights, -factor, &correction.weights);
            add(&mut bias, -factor, &correction.bias);
            factors.push(factor);
        }
        let weights = preconditioner.apply(&weights, classes);
        let scores = self.space.scores(&weights, classes);
        bias.iter_mut().for_each(|x| *x = (f64::from(*x) / mean_curvature) as f32);
        let mut direction = Point { weights, scores, bias };
        for (correction, factor) in memory.iter().zip(factors.into_iter().rev()) {
            let back =
                correction.inverse_product * self.product(&correction.weights, &correction.bias, &direction);
            direction.add(factor - back, &correction.step);
        }
        direction
    }

    /// A step length along `direction` that lowers the objective enough, with the state it leads to.
    fn search(&self, point: &Point, state: &State, direction: &Point, slope: f64) -> Option<(f64, State)> {
        let norm = |a: &Point, b: &Point| self.space.dot(&a.weights, &b.weights, &b.scores);
        let (own, mixed, squared) = (norm(point, point), norm(point, direction), norm(direction, direction));
        let mut length = 1.0;
        while length > SHORTEST_STEP && slope < 0.0 {
            let mut next = point.clone();
            next.add(length, direction);
            let evaluation = self.targets.evaluate(&next.scores, &next.bias, self.curvature);
            let penalty = own + length * (2.0 * mixed + length * squared);
            let objective = evaluation.loss + self.l2 / 2.0 * penalty;
            if objective <= state.objective + SUFFICIENT_DECREASE * length * slope {
                return Some((length, self.state_of(&next, evaluation, penalty)));
            }
            length /= 2.0;
        }
        None
    }

    fn correction(&self, from: &State, to: &State, direction: Point, length: f64) -> Correction {
        let mut step = direction;
        step.scale(length);
        let difference = |to: &[f32], from: &[f32]| to.iter().zip(from).map(|(to, from)| to - from).collect();
        let weights: Vec<f32> = difference(&to.weights, &from.weights);
        let bias: Vec<f32> = difference(&to.bias, &from.bias);
        let inverse_product = 1.0 / self.product(&weights, &bias, &step);
        Correction { step, weights, bias, inverse_product }
    }
}

/// Part of the decrease promised by the slope that a step must bring.
const SUFFICIENT_DECREASE: f64 = 1e-4;
/// Below this, rounding decides whether a step lowers the objective.
const SHORTEST_STEP: f64 = 1e-4;

/// Keeps the newest corrections; one along which the gradient did not grow would break the recursion.
fn remember(memory: &mut VecDeque<Correction>, correction: Correction) {
    if correction.inverse_product.is_finite() && correction.inverse_product > 0.0 {
        if memory.len() == MEMORY {
            memory.pop_front();
        }
        memory.push_back(correction);
    }
}

/// Adds `factor * other` to `target`.
fn add(target: &mut [f32], factor: f64, other: &[f32]) {
    let factor = factor as f32;
    target.iter_mut().zip(other).for_each(|(target, other)| *target += factor * other);
}

fn mean(values: &[f32]) -> f64 {
    let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
    (sum / values.len() as f64).max(f64::from(f32::MIN_POSITIVE))
}
