//! Moving statistics of a batch normalisation against the formula: `moving * momentum + batch * (1 - momentum)`.

use engraft_graph::{Activation, BatchNorm, GraphBuilder, Op};
use engraft_kernels::InstructionSet;
use engraft_testing::{Tolerance, assert_close};

use super::nets::{CLASSES, Setup};

#[test]
fn moving_statistics_follow_the_batch_as_far_as_momentum_lets_them() {
    for momentum in [0.0, 0.3, 0.9, BatchNorm::MOMENTUM] {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [3, 4, 2]).unwrap();
        let norm = Op::BatchNorm(BatchNorm { epsilon: 1e-3, momentum, scale: true, center: true });
        let x = net.node("norm", norm, &[image]).unwrap();
        let x = net.flatten("flat", x).unwrap();
        let x = net.dense("scores", x, CLASSES).unwrap();
        let x = net.activation("softmax", x, Activation::Softmax).unwrap();
        let setup = Setup::new(&net.finish(x).unwrap(), InstructionSet::best(), 5, &[]);
        let statistics = |parameters: &[Vec<f32>]| {
            let specs = setup.gradient.parameters().iter().zip(parameters);
            let moving = specs.filter(|(spec, _)| spec.name.contains("moving"));
            moving.flat_map(|(_, values)| values.clone()).collect::<Vec<f32>>()
        };
        let mut want = statistics(&setup.parameters);
        assert_eq!(want.len(), 4, "mean and variance of two channels");
        let mut parameters = setup.parameters.clone();
        for _ in 0..2 {
            setup.gradient.run(&mut parameters, &setup.batch(), 1, &mut setup.gradients()).unwrap();
            for channel in 0..2 {
                let values = setup.images.iter().skip(channel).step_by(2).map(|&x| f64::from(x));
                let count = (setup.images.len() / 2) as f64;
                let mean = values.clone().sum::<f64>() / count;
                let variance = values.map(|x| (x - mean).powi(2)).sum::<f64>() / count;
                for (at, batch) in [(channel, mean), (2 + channel, variance)] {
                    want[at] = (f64::from(want[at]) * momentum + batch * (1.0 - momentum)) as f32;
                }
            }
        }
        println!("momentum {momentum}");
        assert_close(&statistics(&parameters), &want, Tolerance::abs(1e-6));
    }
}
