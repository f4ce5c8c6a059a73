//! Plans that round to bf16, against the definition and against themselves.

use engraft_engine::{Banding, EngineError, Plan, PlanOptions, Precision};
use engraft_graph::Padding;
use engraft_kernels::InstructionSet;
use engraft_testing::{Tolerance, assert_close, noise_u8};

use super::{check_bandings, check_threads_and_batches, floats, nets, reference};

/// Of the largest element: a few layers' roundings to 8 bits, 1 in 256 at most each, of which most cancel out.
const LOOSE: f32 = 0.02;

fn options(isa: InstructionSet) -> PlanOptions {
    PlanOptions { precision: Precision::Bf16, ..PlanOptions::new(isa) }
}

#[test]
fn rounded_networks_are_near_their_definition_on_every_instruction_set() {
    let mut rounded_networks = 0;
    for (name, net) in nets::ALL {
        let graph = net().unwrap();
        let weights = nets::weights(&graph);
        for isa in InstructionSet::available() {
            println!("{name}, {}", isa.name());
            let plan = Plan::compile(&graph, &weights, &options(isa)).unwrap();
            let image = noise_u8(1, plan.input_shape().len());
            let want = reference::run(&graph, &weights, &floats(&image));
            let largest = want.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let mut got = vec![f32::NAN; want.len()];
            plan.run_u8(&[&image], &mut got).unwrap();
            assert_close(&got, &want, Tolerance::abs(LOOSE * largest));
            check_bandings(&graph, &weights, &options(isa), &image, &got);
            let mut exact = vec![f32::NAN; want.len()];
            let single = Plan::compile(&graph, &weights, &PlanOptions::new(isa)).unwrap();
            single.run_u8(&[&image], &mut exact).unwrap();
            rounded_networks += usize::from(exact != got);
        }
    }
    assert!(rounded_networks > nets::ALL.len(), "{rounded_networks}");
}

#[test]
fn rounded_results_do_not_depend_on_threads_batches_or_places() {
    for net in [nets::inverted_residuals([96, 90, 3]), nets::wide_maps()] {
        let graph = net.unwrap();
        let weights = nets::weights(&graph);
        for isa in InstructionSet::available() {
            for banding in [Banding::Automatic, Banding::Always] {
                let plan = Plan::compile(&graph, &weights, &PlanOptions { banding, ..options(isa) }).unwrap();
                check_threads_and_batches(&plan);
            }
        }
    }
}

#[test]
fn the_first_convolution_and_heads_stay_in_single_precision() {
    let isa = InstructionSet::best();
    let mut net = engraft_graph::GraphBuilder::new();
    let image = net.input("image", [8, 8, 3]).unwrap();
    let x = net.conv2d("conv", image, 20, 3, 1, Padding::Same).unwrap();
    let x = net.global_average_pool2d("pool", x).unwrap();
    let x = net.dense("dense", x, 5).unwrap();
    let graph = net.finish(x).unwrap();
    let weights = nets::weights(&graph);
    let image = noise_u8(1, graph.nodes()[0].shape.len());
    let [single, rounded] = [PlanOptions::new(isa), options(isa)].map(|options| {
        let mut out = vec![f32::NAN; 5];
        Plan::compile(&graph, &weights, &options).unwrap().run_u8(&[&image], &mut out).unwrap();
        out
    });
    assert_eq!(single, rounded);
}

#[test]
fn precisions_are_named() {
    for precision in Precision::ALL {
        assert_eq!(precision.name().parse(), Ok(precision));
    }
    let error: EngineError = "f64".parse::<Precision>().unwrap_err();
    assert_eq!(error.to_string(), "precision `f64` is unknown, expected f32 or bf16");
    let graph = nets::wide_maps().unwrap();
    let portable = InstructionSet::named("portable").unwrap();
    let name = |options: &PlanOptions| {
        Plan::compile(&graph, &nets::weights(&graph), options).unwrap().precision_name()
    };
    assert_eq!(name(&PlanOptions::new(portable)), "f32");
    assert_eq!(name(&options(portable)), "bf16 by single");
}
