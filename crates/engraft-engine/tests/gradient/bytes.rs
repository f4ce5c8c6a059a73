//! The same bytes for any number of threads, and for a second run with the buffers of the first.

use engraft_engine::{Learning, Update};
use engraft_graph::Padding;
use engraft_kernels::InstructionSet;

use super::nets::{MIDDLES, Middle, Setup, around, conv};

#[test]
fn threads_do_not_change_a_bit() {
    for &(name, middle) in MIDDLES {
        let setup = Setup::new(&around(middle), InstructionSet::best(), 11, &[]);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (mut parameters, mut gradients) = (setup.parameters.clone(), setup.gradients());
            let loss = pool
                .install(|| setup.gradient.run(&mut parameters, &setup.batch(), 3, &mut gradients))
                .unwrap();
            let bits =
                |arrays: &[Vec<f32>]| -> Vec<u32> { arrays.concat().iter().map(|x| x.to_bits()).collect() };
            (loss.loss.to_bits(), loss.correct, bits(&parameters), bits(&gradients))
        };
        let one = run(1);
        for threads in [1, 2, 3] {
            assert!(run(threads) == one, "{name}, {threads} threads");
        }
    }
}

#[test]
fn a_smaller_batch_may_follow() {
    let (_, middle) = MIDDLES[3];
    let graph = around(middle);
    let (large, small) = (
        Setup::new(&graph, InstructionSet::best(), 11, &[]),
        Setup::new(&graph, InstructionSet::best(), 2, &[]),
    );
    let run = |setup: &Setup| {
        let mut gradients = setup.gradients();
        large.gradient.run(&mut setup.parameters.clone(), &setup.batch(), 3, &mut gradients).unwrap();
        gradients
    };
    let alone = run(&small);
    run(&large);
    assert_eq!(run(&small), alone);
}

/// Dense layers that learn in several blocks, and a convolution whose weights are updated in several parts.
const LARGE: &[(&str, Middle)] = &[
    ("dense in blocks", |net, x| {
        let x = net.flatten("flat", x)?;
        let x = net.dense("wide", x, 800)?;
        net.dense("op", x, 257)
    }),
    ("conv in parts", |net, x| conv(net, x, 1000, [3, 3], [1, 1], Padding::Valid)),
];

/// Momentum: what is kept of a value matters as much as the value.
struct Momentum;

impl Update for Momentum {
    fn update(&self, _: InstructionSet, values: &mut [f32], gradient: &[f32], slots: &mut [&mut [f32]]) {
        let [velocity] = slots else { panic!("{} slots", slots.len()) };
        for ((value, gradient), velocity) in values.iter_mut().zip(gradient).zip(velocity.iter_mut()) {
            *velocity = *velocity * 0.5 - gradient * 0.1;
            *value += *velocity;
        }
    }
}

#[test]
fn learning_in_one_go_equals_gradients_and_updates() {
    for &(name, middle) in MIDDLES.iter().chain(LARGE) {
        let setup = Setup::new(&around(middle), InstructionSet::best(), 11, &[]);
        let specs = setup.gradient.parameters();
        let kept: Vec<Option<Vec<Vec<f32>>>> =
            specs.iter().map(|spec| spec.trainable.then(|| vec![vec![0.25; spec.len()]])).collect();
        let (mut want, mut want_kept) = (setup.parameters.clone(), kept.clone());
        let mut gradients = setup.gradients();
        let mut losses = Vec::new();
        for seed in [3, 4] {
            losses.push(setup.gradient.run(&mut want, &setup.batch(), seed, &mut gradients).unwrap());
            for ((values, gradient), slots) in want.iter_mut().zip(&gradients).zip(&mut want_kept) {
                if let Some(slots) = slots {
                    Momentum.update(InstructionSet::best(), values, gradient, &mut [&mut slots[0]]);
                }
            }
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (mut parameters, mut slots) = (setup.parameters.clone(), kept.clone());
            for (seed, loss) in [3, 4].into_iter().zip(&losses) {
                let learning = Learning { rule: &Momentum, slots: &mut slots };
                let learn = || setup.gradient.learn(&mut parameters, &setup.batch(), seed, learning);
                assert_eq!(pool.install(learn).unwrap(), *loss, "{name}");
            }
            assert!(parameters == want && slots == want_kept, "{name}, {threads} threads");
        }
    }
}
