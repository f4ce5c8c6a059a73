//! Weights to time a network with, where nobody cares what it says.

use engraft_graph::{Graph, GraphError, NamedTensors, Tensor};

/// Noise for every weight of `graph`, scaled so that the activations keep their size: subnormal numbers would be slow, and
/// so would the overflow of a network that grows.
///
/// # Errors
/// [`GraphError`] if a weight is too large to be held.
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
        let values = (0..len).map(|index| middle + reach * noise(index)).collect();
        tensors.insert(spec.name, Tensor::from_f32(spec.shape, values)?)?;
    }
    Ok(tensors)
}

/// A number in -1..=1 that follows from `index` alone.
fn noise(index: usize) -> f32 {
    let word = (index as u32 + 1).wrapping_mul(2_654_435_761);
    let word = (word ^ (word >> 15)).wrapping_mul(2_246_822_519);
    (f64::from(word) / f64::from(u32::MAX) * 2.0 - 1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ending, backbone};

    #[test]
    fn every_weight_is_there_and_in_its_range() {
        let graph = backbone("mobilenet_025").unwrap().graph(Ending::Features);
        let weights = noise_weights(&graph).unwrap();
        graph.check_weights(&weights).unwrap();
        let values = |name: &str| weights.get(name).unwrap().to_f32();
        assert!(values("conv1/kernel").iter().all(|x| x.abs() <= (3.0_f32 / 27.0).sqrt()));
        assert!(values("conv1_bn/moving_variance").iter().all(|x| (0.5..=1.5).contains(x)));
        // What keeps activations their size: each output sums 256 products, whose weights have a variance of 1 / 256.
        let kernel = values("conv_pw_13/kernel");
        let fan_in = 256.0;
        let mean_square = kernel.iter().map(|x| x * x).sum::<f32>() / kernel.len() as f32;
        assert!((mean_square * fan_in - 1.0).abs() < 0.05, "mean square {mean_square}");
    }
}
