//! The same bytes for any number of threads, and for a second run with the buffers of the first.

use engraft_kernels::InstructionSet;

use super::nets::{MIDDLES, Setup, around};

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
