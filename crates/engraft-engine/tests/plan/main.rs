//! Plans against the definition of the operations, on every instruction set of this machine.

#![expect(clippy::unwrap_used, reason = "helpers of tests, like tests, fail by panicking")]

mod blocked;
mod calibration;
mod nets;
mod padded_pools;
mod precision;
mod random;
mod reference;
mod revision;
mod winograd;

use std::collections::HashSet;

use engraft_engine::{Banding, Calibration, EngineError, Plan, PlanOptions, Precision};
use engraft_graph::{Graph, GraphBuilder, NamedTensors, Shape, Tensor, TensorData};
use engraft_kernels::InstructionSet;
use engraft_testing::{Tolerance, assert_close, noise_u8};

/// About a second's worth.
const RANDOM_NETWORKS: u64 = 400;

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

fn floats(image: &[u8]) -> Vec<f32> {
    image.iter().map(|&x| f32::from(x)).collect()
}

#[test]
fn every_network_equals_its_definition_on_every_instruction_set() {
    for (name, net) in nets::ALL {
        let graph = net().unwrap();
        let weights = nets::weights(&graph);
        for isa in InstructionSet::available() {
            println!("{name}, {}", isa.name());
            let plan = Plan::compile(&graph, &weights, &PlanOptions::new(isa)).unwrap();
            let mut worker = plan.worker();
            // Twice with the same worker: what the first image leaves behind must not show in the second.
            for seed in [1, 2] {
                let image = noise_u8(seed, plan.input_shape().len());
                let want = reference::run(&graph, &weights, &floats(&image));
                let largest = want.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                let mut got = vec![f32::NAN; plan.output_shape().len()];
                plan.run_one_u8(&mut worker, &image, &mut got).unwrap();
                assert_close(&got, &want, Tolerance { abs: 2e-6 * largest, rel: 1e-5 });
                let mut from_floats = vec![f32::NAN; got.len()];
                plan.run_one_f32(&mut worker, &floats(&image), &mut from_floats).unwrap();
                assert_eq!(from_floats, got, "{name}");
                check_bandings(&graph, &weights, &PlanOptions::new(isa), &image, &got);
            }
        }
    }
}

#[test]
fn networks_drawn_at_random_equal_their_definition() {
    for seed in 0..RANDOM_NETWORKS {
        let graph = random::network(seed);
        let weights = nets::weights(&graph);
        let shape = graph.nodes()[0].shape;
        let image = noise_u8(seed, shape.len());
        let want = reference::run(&graph, &weights, &floats(&image));
        let largest = want.iter().fold(1.0f32, |most, x| most.max(x.abs()));
        for isa in InstructionSet::available() {
            println!("seed {seed}, {}: {:?}", isa.name(), graph.nodes());
            let plan = Plan::compile(&graph, &weights, &PlanOptions::new(isa)).unwrap();
            let mut got = vec![f32::NAN; plan.output_shape().len()];
            plan.run_u8(&[&image], &mut got).unwrap();
            assert_close(&got, &want, Tolerance::abs(2e-5 * largest));
            check_bandings(&graph, &weights, &PlanOptions::new(isa), &image, &got);
            let rounding = PlanOptions { precision: Precision::Bf16, ..PlanOptions::new(isa) };
            let plan = Plan::compile(&graph, &weights, &rounding).unwrap();
            plan.run_u8(&[&image], &mut got).unwrap();
            check_bandings(&graph, &weights, &rounding, &image, &got);
        }
    }
}

/// Whether steps run together or not makes no difference.
fn check_bandings(graph: &Graph, weights: &NamedTensors, options: &PlanOptions, image: &[u8], want: &[f32]) {
    for banding in [Banding::Always, Banding::Never] {
        let plan = compiled(graph, weights, &PlanOptions { banding, ..*options }, image);
        let mut got = vec![f32::NAN; want.len()];
        plan.run_u8(&[image], &mut got).unwrap();
        assert_eq!(got, want, "{banding:?}");
    }
}

/// A plan, calibrated by that image if its precision needs it.
fn compiled(graph: &Graph, weights: &NamedTensors, options: &PlanOptions, image: &[u8]) -> Plan {
    let calibration = match options.precision {
        Precision::Int8 => Calibration::measure_u8(graph, weights, options.isa, &[image]).unwrap(),
        _ => Calibration::default(),
    };
    Plan::compile_calibrated(graph, weights, options, &calibration).unwrap()
}

#[test]
fn every_operation_is_drawn() {
    let graphs = (0..RANDOM_NETWORKS).map(random::network);
    let names: HashSet<String> = graphs
        .flat_map(|graph| graph.nodes().iter().map(|node| format!("{:?}", node.op)).collect::<Vec<_>>())
        .map(|op| op.chars().take_while(|c| c.is_alphanumeric()).collect())
        .collect();
    assert_eq!(names.len(), 24, "{names:?}");
}

#[test]
fn results_do_not_depend_on_threads_batches_or_places() {
    for net in [nets::inverted_residuals([96, 90, 3]), nets::wide_maps()] {
        let graph = net.unwrap();
        let weights = nets::weights(&graph);
        for isa in InstructionSet::available() {
            for banding in [Banding::Automatic, Banding::Always] {
                let plan = Plan::compile(&graph, &weights, &PlanOptions { banding, ..PlanOptions::new(isa) })
                    .unwrap();
                check_threads_and_batches(&plan);
            }
        }
    }
}

fn check_threads_and_batches(plan: &Plan) {
    let images: Vec<Vec<u8>> = (0..5).map(|seed| noise_u8(seed, plan.input_shape().len())).collect();
    let images: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
    let mut want = Vec::new();
    for image in &images {
        let mut out = vec![f32::NAN; plan.output_shape().len()];
        plan.run_one_u8(&mut plan.worker(), image, &mut out).unwrap();
        want.extend(out);
    }
    for threads in [1, 2, 3] {
        for batch in [1, 2, 3, 5] {
            let mut got = vec![f32::NAN; want.len()];
            let parts = got.chunks_mut(batch * plan.output_shape().len());
            for (images, out) in images.chunks(batch).zip(parts) {
                pool(threads).install(|| plan.run_u8(images, out)).unwrap();
            }
            assert!(got == want, "{}, {threads} threads, batches of {batch}", plan.isa_name());
        }
    }
}

#[test]
fn half_precision_weights_are_taken_as_they_are() {
    let graph = nets::inverted_residuals([32, 32, 3]).unwrap();
    let mut half = NamedTensors::new();
    let mut single = NamedTensors::new();
    for (name, tensor) in nets::weights(&graph).iter() {
        let rounded: Vec<half::f16> = tensor.to_f32().iter().map(|&x| half::f16::from_f32(x)).collect();
        let values = rounded.iter().map(|x| x.to_f32()).collect();
        single.insert(name, Tensor::from_f32(tensor.shape().to_vec(), values).unwrap()).unwrap();
        let data = TensorData::F16(rounded);
        half.insert(name, Tensor::new(tensor.shape().to_vec(), data).unwrap()).unwrap();
    }
    let image = noise_u8(1, 32 * 32 * 3);
    let features = [half, single].map(|weights| {
        let plan = Plan::compile(&graph, &weights, &PlanOptions::from_env().unwrap()).unwrap();
        let mut out = vec![0.0; plan.output_shape().len()];
        plan.run_u8(&[&image], &mut out).unwrap();
        out
    });
    assert_eq!(features[0], features[1]);
}

#[test]
fn a_profile_names_every_step_and_counts_every_product() {
    let graph = nets::inverted_residuals([32, 32, 3]).unwrap();
    let options = PlanOptions::from_env().unwrap();
    let plan = Plan::compile(&graph, &nets::weights(&graph), &options).unwrap();
    let steps = plan.profile(&noise_u8(1, 32 * 32 * 3), 2).unwrap();
    let [first, .., last] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!((&*first.node, first.kernel, &*last.node), ("image", "convert", "pool"));
    assert!(steps.iter().all(|step| step.seconds.is_finite()));
    let products = graph.nodes().iter().map(|node| {
        let inputs: Vec<Shape> = node.inputs.iter().map(|&input| graph.node(input).shape).collect();
        node.op.multiply_adds(&inputs, node.shape)
    });
    assert_eq!(steps.iter().map(|step| step.multiply_adds).sum::<u64>(), products.sum::<u64>());
    assert!(plan.profile(&[0], 1).is_err());
}

#[test]
fn steps_that_run_together_need_less_memory() {
    let graph = nets::inverted_residuals([192, 192, 3]).unwrap();
    let weights = nets::weights(&graph);
    let isa = InstructionSet::best();
    let worker_bytes = |banding| {
        Plan::compile(&graph, &weights, &PlanOptions { banding, ..PlanOptions::new(isa) })
            .unwrap()
            .worker_bytes()
    };
    assert!(worker_bytes(Banding::Automatic) < worker_bytes(Banding::Never) / 2);
}

fn small_plan() -> Plan {
    let graph = nets::inverted_residuals([16, 16, 3]).unwrap();
    Plan::compile(&graph, &nets::weights(&graph), &PlanOptions::from_env().unwrap()).unwrap()
}

#[test]
fn wrong_lengths_are_errors() {
    let plan = small_plan();
    let (image, mut out) = (vec![0; 768], vec![0.0; 140]);
    assert_eq!(
        plan.run_u8(&[&image, &image[1..]], &mut out).unwrap_err().to_string(),
        "image 1 has 767 values, expected 768"
    );
    assert_eq!(
        plan.run_u8(&[&image], &mut out).unwrap_err().to_string(),
        "the output has room for 140 values, expected 70"
    );
    assert_eq!(plan.run_u8(&[], &mut []), Ok(()));
    let graph = nets::inverted_residuals([24, 16, 3]).unwrap();
    let options = PlanOptions::from_env().unwrap();
    let other = Plan::compile(&graph, &nets::weights(&graph), &options).unwrap();
    let error = plan.run_one_u8(&mut other.worker(), &image, &mut out[..70]).unwrap_err();
    assert_eq!(error, EngineError::ForeignWorker);
}

#[test]
fn networks_that_cannot_run_are_errors() {
    let options = PlanOptions::from_env().unwrap();
    let mut net = GraphBuilder::new();
    let a = net.input("a", [4, 4, 3]).unwrap();
    let b = net.input("b", [4, 4, 3]).unwrap();
    let sum = net.add("sum", a, b).unwrap();
    let error = Plan::compile(&net.finish(sum).unwrap(), &NamedTensors::new(), &options).err().unwrap();
    assert_eq!(error.to_string(), "the network has 2 input nodes, expected one");

    let mut net = GraphBuilder::new();
    let image = net.input("image", [1 << 15, 1 << 14, 1]).unwrap();
    let error = Plan::compile(&net.finish(image).unwrap(), &NamedTensors::new(), &options).err().unwrap();
    assert!(matches!(error, EngineError::TooLarge { .. }), "{error}");

    let mut net = GraphBuilder::new();
    let image = net.input("image", [4, 4, 3]).unwrap();
    let x = net.batch_norm("norm", image, 0.0).unwrap();
    let graph = net.finish(x).unwrap();
    let mut weights = NamedTensors::new();
    for role in ["gamma", "beta", "moving_mean", "moving_variance"] {
        weights.insert(format!("norm/{role}"), Tensor::from_f32(vec![3], vec![0.0; 3]).unwrap()).unwrap();
    }
    let error = Plan::compile(&graph, &weights, &options).err().unwrap().to_string();
    assert!(error.starts_with("node `image` scales by numbers that are not finite"), "{error}");
    let error = Plan::compile(&graph, &NamedTensors::new(), &options).err().unwrap();
    assert_eq!(error.to_string(), "weight `norm/gamma` is missing, expected shape [3]");
}
