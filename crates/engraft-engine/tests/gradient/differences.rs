//! Every operation against central differences of the loss.

use engraft_graph::Graph;
use engraft_kernels::InstructionSet;

use super::nets::{MIDDLES, Setup, around};

/// What decides the draws of dropout.
const SEED: u64 = 5;

/// The distance of the losses compared. Small against the bends of the functions, large against rounding: a loss
/// of about 1 is computed to 1e-7.
const STEP: f32 = 2e-3;

#[test]
fn gradients_equal_central_differences() {
    for isa in InstructionSet::available() {
        for &(name, middle) in MIDDLES {
            check(&around(middle), isa, &[], name);
        }
    }
}

#[test]
fn a_frozen_batch_norm_uses_its_stored_statistics() {
    let (name, middle) = MIDDLES.iter().find(|(name, _)| *name == "batch norm").unwrap();
    let graph = around(*middle);
    for isa in InstructionSet::available() {
        let mut setup = check(&graph, isa, &["op"], name);
        let (before, mut gradients) = (setup.parameters.clone(), setup.gradients());
        let mut parameters = std::mem::take(&mut setup.parameters);
        setup.gradient.run(&mut parameters, &setup.batch(), SEED, &mut gradients).unwrap();
        assert_eq!(parameters, before, "statistics of a frozen node stay");
    }
}

#[test]
fn every_operation_is_in_the_table() {
    let mut seen: Vec<String> = Vec::new();
    for &(_, middle) in MIDDLES {
        for node in around(middle).nodes() {
            let value = serde_json::to_value(&node.op).unwrap();
            let key = value.as_object().and_then(|object| object.keys().next().cloned());
            seen.push(key.unwrap_or_else(|| value.as_str().unwrap().to_owned()));
        }
    }
    // The deserialiser knows all names and lists them where it finds another.
    let message = serde_json::from_str::<engraft_graph::Op>("\"nothing\"").unwrap_err().to_string();
    let names: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
    assert!(names.len() > 20, "{message}");
    for name in names {
        assert!(seen.iter().any(|seen| seen == name), "operation `{name}` is in no network");
    }
}

/// Compares some elements of every array.
fn check(graph: &Graph, isa: InstructionSet, frozen: &[&str], name: &str) -> Setup {
    let setup = Setup::new(graph, isa, 5, frozen);
    let mut gradients = setup.gradients();
    setup.gradient.run(&mut setup.parameters.clone(), &setup.batch(), SEED, &mut gradients).unwrap();
    let (mut smooth, mut all) = (0, 0);
    for (array, spec) in setup.gradient.parameters().iter().enumerate().filter(|(_, spec)| spec.trainable) {
        let greatest = gradients[array].iter().fold(0f32, |greatest, x| greatest.max(x.abs()));
        let tolerance = 1e-4 + 5e-3 * f64::from(greatest);
        for at in (0..spec.len()).step_by((spec.len() / 11).max(1)) {
            let [left, right] = slopes(&setup, array, at);
            all += 1;
            if (left - right).abs() > tolerance {
                continue;
            }
            smooth += 1;
            let (got, want) = (f64::from(gradients[array][at]), (left + right) / 2.0);
            assert!(
                (got - want).abs() <= tolerance,
                "{name}, {}, {}[{at}]: got {got}, want {want} within {tolerance}",
                isa.name(),
                spec.name
            );
        }
    }
    assert!(2 * smooth >= all, "{name}: {smooth} of {all} elements could be compared");
    setup
}

/// The slopes of the loss on both sides. They differ where a step crosses a corner of a function, such as ReLU's, and then
/// neither is the gradient.
fn slopes(setup: &Setup, array: usize, at: usize) -> [f64; 2] {
    let loss = |by: f32| {
        let mut parameters = setup.parameters.clone();
        parameters[array][at] += by;
        setup.gradient.run(&mut parameters, &setup.batch(), SEED, &mut setup.gradients()).unwrap().loss
    };
    let (below, here, above) = (loss(-STEP), loss(0.0), loss(STEP));
    [here - below, above - here].map(|difference| difference / f64::from(STEP))
}
