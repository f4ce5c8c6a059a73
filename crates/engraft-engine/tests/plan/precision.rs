//! Plans that round to bf16 or to bytes, against the definition and against themselves.

use engraft_engine::{Banding, EngineError, Plan, PlanOptions, Precision};
use engraft_graph::Padding;
use engraft_kernels::InstructionSet;
use engraft_testing::{Tolerance, assert_close, noise_u8};

use super::{check_bandings, check_threads_and_batches, compiled, floats, nets, reference};

/// Of the largest element: a few layers' roundings to 8 bits of significand, 1 in 256 at most each, or to bytes, 1 in 510 of a
/// layer's largest input, of which most cancel out.
const LOOSE: &[(Precision, f32)] = &[(Precision::Bf16, 0.02), (Precision::Int8, 0.03)];

fn options(precision: Precision, isa: InstructionSet) -> PlanOptions {
    PlanOptions { precision, ..PlanOptions::new(isa) }
}

/// All that round, on every instruction set.
fn rounding() -> impl Iterator<Item = PlanOptions> {
    let precisions = [Precision::Bf16, Precision::Int8].into_iter();
    precisions
        .flat_map(|precision| InstructionSet::available().into_iter().map(move |isa| options(precision, isa)))
}

#[test]
fn rounded_networks_are_near_their_definition_on_every_instruction_set() {
    for &(precision, loose) in LOOSE {
        let mut rounded_networks = 0;
        for (name, net) in nets::ALL {
            let graph = net().unwrap();
            let weights = nets::weights(&graph);
            for isa in InstructionSet::available() {
                println!("{name}, {precision}, {}", isa.name());
                let options = options(precision, isa);
                let image = noise_u8(1, graph.nodes()[0].shape.len());
                let plan = compiled(&graph, &weights, &options, &image);
                let want = reference::run(&graph, &weights, &floats(&image));
                let largest = want.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                let mut got = vec![f32::NAN; want.len()];
                plan.run_u8(&[&image], &mut got).unwrap();
                assert_close(&got, &want, Tolerance::abs(loose * largest));
                check_bandings(&graph, &weights, &options, &image, &got);
                let mut exact = vec![f32::NAN; want.len()];
                let single = Plan::compile(&graph, &weights, &PlanOptions::new(isa)).unwrap();
                single.run_u8(&[&image], &mut exact).unwrap();
                rounded_networks += usize::from(exact != got);
            }
        }
        assert!(rounded_networks > nets::ALL.len(), "{rounded_networks}");
    }
}

#[test]
fn rounded_results_do_not_depend_on_threads_batches_or_places() {
    for net in [nets::inverted_residuals([96, 90, 3]), nets::wide_maps()] {
        let graph = net.unwrap();
        let weights = nets::weights(&graph);
        let image = noise_u8(0, graph.nodes()[0].shape.len());
        for options in rounding() {
            for banding in [Banding::Automatic, Banding::Always] {
                let plan = compiled(&graph, &weights, &PlanOptions { banding, ..options }, &image);
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
    let [single, bf16, int8] = Precision::ALL.map(|precision| {
        let mut out = vec![f32::NAN; 5];
        // Without a calibration: nothing asks for one.
        let plan = Plan::compile(&graph, &weights, &options(precision, isa)).unwrap();
        plan.run_u8(&[&image], &mut out).unwrap();
        out
    });
    assert_eq!([&bf16, &int8], [&single; 2]);
}

#[test]
fn precisions_are_named() {
    for precision in Precision::ALL {
        assert_eq!(precision.name().parse(), Ok(precision));
    }
    let error: EngineError = "f64".parse::<Precision>().unwrap_err();
    assert_eq!(error.to_string(), "precision `f64` is unknown, expected f32, bf16 or int8");
    let graph = nets::wide_maps().unwrap();
    let portable = InstructionSet::named("portable").unwrap();
    let image = noise_u8(1, graph.nodes()[0].shape.len());
    let names = Precision::ALL.map(|precision| {
        compiled(&graph, &nets::weights(&graph), &options(precision, portable), &image).precision_name()
    });
    assert_eq!(names, ["f32", "bf16 by single", "int8 by plain"]);
}
