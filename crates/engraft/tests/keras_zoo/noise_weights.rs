//! Weights to time a network with: those of the goldens let the activations of the deepest fade, and subnormal numbers are slow.

use engraft_graph::{Graph, GraphError, NamedTensors, Tensor};

/// Noise, scaled so that the activations keep their size.
pub fn noise_weights(graph: &Graph) -> Result<NamedTensors, GraphError> {
    let mut tensors = NamedTensors::new();
    for spec in graph.weights() {
        let len: usize = spec.shape.iter().product();
        let fan_in = spec.shape[..spec.shape.len().saturating_sub(1)].iter().product::<usize>() as f32;
        let (middle, reach) = match spec.name.rsplit('/').next() {
            Some("kernel") => (0.0, (3.0 / fan_in).sqrt()),
            Some("gamma" | "moving_variance" | "variance") => (1.0, 0.5),
            _ => (0.0, 0.5),
        };
        let value = |i: usize| {
            let word = (i as u32 + 1).wrapping_mul(2_654_435_761);
            let word = (word ^ (word >> 15)).wrapping_mul(2_246_822_519);
            middle + reach * (f64::from(word) / f64::from(u32::MAX) * 2.0 - 1.0) as f32
        };
        tensors.insert(spec.name, Tensor::from_f32(spec.shape, (0..len).map(value).collect())?)?;
    }
    Ok(tensors)
}
