//! The parameters that training starts from.

use engraft_data::Rng;
use engraft_graph::{Graph, GraphError, NamedTensors, Tensor};

/// Parameters for every weight of `graph`, as Keras' layers have them when they are new: kernels drawn with
/// [`glorot_limit`], factors and variances 1, everything else 0.
///
/// Each tensor is drawn from `seed` and its own name, so that it does not change with the rest of the network.
///
/// # Errors
/// [`GraphError`] if two weights share a name.
pub fn initial_parameters(graph: &Graph, seed: u64) -> Result<NamedTensors, GraphError> {
    let mut parameters = NamedTensors::new();
    for spec in graph.weights() {
        let len = spec.shape.iter().product();
        let values = match spec.name.rsplit('/').next() {
            Some("kernel") => glorot_uniform(&spec.shape, &mut rng_of(seed, &spec.name)),
            Some("gamma" | "moving_variance" | "variance") => vec![1.0; len],
            _ => vec![0.0; len],
        };
        parameters.insert(spec.name, Tensor::from_f32(spec.shape, values)?)?;
    }
    Ok(parameters)
}

/// The limit of Keras' `glorot_uniform`: `sqrt(6 / (fan_in + fan_out))`.
///
/// A kernel is `[inputs, outputs]` or `[height, width, inputs, outputs]`.
///
/// Source: X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).
pub fn glorot_limit(shape: &[usize]) -> f64 {
    let fans = &shape[shape.len().saturating_sub(2)..];
    let receptive_field: usize = shape[..shape.len() - fans.len()].iter().product();
    let fans = receptive_field * fans.iter().sum::<usize>();
    (6.0 / fans.max(1) as f64).sqrt()
}

fn glorot_uniform(shape: &[usize], rng: &mut Rng) -> Vec<f32> {
    let limit = glorot_limit(shape);
    let len = shape.iter().product();
    std::iter::repeat_with(|| ((2.0 * rng.uniform() - 1.0) * limit) as f32).take(len).collect()
}

fn rng_of(seed: u64, name: &str) -> Rng {
    let name = engraft_data::Digest::of(name.as_bytes());
    Rng::derived(
        seed,
        &name.0.as_chunks().0.iter().map(|&bytes| u64::from_le_bytes(bytes)).collect::<Vec<_>>(),
    )
}

#[cfg(test)]
mod tests {
    use engraft_graph::{Activation, GraphBuilder, Padding};
    use engraft_testing::Golden;

    use super::*;

    #[test]
    fn limits_are_those_of_keras_and_draws_fill_them() {
        let golden = Golden::open("optimizers/initializers");
        for name in golden.names() {
            let shape: Vec<usize> = name.split('x').map(|len| len.parse().unwrap()).collect();
            let limit = golden.f64(&name)[2];
            assert!((glorot_limit(&shape) - limit).abs() < 1e-12 * limit, "{name}");
            let mut rng = rng_of(1, &name);
            let values: Vec<f32> = (0..30).flat_map(|_| glorot_uniform(&shape, &mut rng)).collect();
            let [least, most] = [f32::min as fn(f32, f32) -> f32, f32::max]
                .map(|pick| f64::from(values.iter().copied().reduce(pick).unwrap()) / limit);
            assert!(
                least < -0.97 && least > -1.000_001 && most > 0.97 && most < 1.000_001,
                "{name}: {least} {most}"
            );
            let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64;
            assert!(mean.abs() < 4.0 * limit / (3.0 * values.len() as f64).sqrt(), "{name}: mean {mean}");
        }
    }

    #[test]
    fn each_weight_starts_as_in_keras_and_follows_from_seed_and_name() {
        let build = |units| {
            let mut net = GraphBuilder::new();
            let image = net.input("image", [4, 4, 3]).unwrap();
            let x = net.conv2d("conv", image, 5, 3, 1, Padding::Same).unwrap();
            let x = net.batch_norm("norm", x, 1e-3).unwrap();
            let x = net.global_average_pool2d("pool", x).unwrap();
            let x = net.dense("dense", x, units).unwrap();
            let x = net.activation("softmax", x, Activation::Softmax).unwrap();
            net.finish(x).unwrap()
        };
        let parameters = initial_parameters(&build(2), 7).unwrap();
        build(2).check_weights(&parameters).unwrap();
        for (name, want) in [
            ("norm/gamma", 1.0),
            ("norm/beta", 0.0),
            ("norm/moving_mean", 0.0),
            ("norm/moving_variance", 1.0),
            ("dense/bias", 0.0),
        ] {
            assert!(parameters.get(name).unwrap().to_f32().iter().all(|&value| value == want), "{name}");
        }
        let wider = initial_parameters(&build(3), 7).unwrap();
        assert_eq!(parameters.get("conv/kernel"), wider.get("conv/kernel"));
        let other_seed = initial_parameters(&build(2), 8).unwrap();
        assert_ne!(parameters.get("conv/kernel"), other_seed.get("conv/kernel"));
    }
}
