//! Ranges and means of inputs: what is seen, what is written down, and what cannot be.

use engraft_engine::{Calibration, EngineError, Plan, PlanOptions, Precision};
use engraft_graph::{Activation, Graph, GraphBuilder, NamedTensors, Padding, Tensor};
use engraft_kernels::InstructionSet;
use engraft_testing::{Tolerance, assert_close, noise_u8};

use super::{floats, nets, reference};

/// A first convolution, one in bytes on its rectified output, and the mean of each channel.
fn two_convolutions() -> (Graph, NamedTensors) {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [6, 6, 3]).unwrap();
    let x = net.conv2d("first", image, 16, 1, 1, Padding::Same).unwrap();
    let x = net.activation("relu", x, Activation::Relu).unwrap();
    let x = net.conv2d("second", x, 5, 3, 1, Padding::Same).unwrap();
    let x = net.global_average_pool2d("pool", x).unwrap();
    let graph = net.finish(x).unwrap();
    let weights = nets::weights(&graph);
    (graph, weights)
}

fn int8() -> PlanOptions {
    PlanOptions { precision: Precision::Int8, ..PlanOptions::new(InstructionSet::best()) }
}

fn measured(graph: &Graph, weights: &NamedTensors, images: &[&[u8]]) -> Calibration {
    Calibration::measure_u8(graph, weights, InstructionSet::best(), images).unwrap()
}

fn features(plan: &Plan, image: &[u8]) -> Vec<f32> {
    let mut out = vec![f32::NAN; plan.output_shape().len()];
    plan.run_u8(&[image], &mut out).unwrap();
    out
}

#[test]
fn ranges_and_means_are_those_of_all_images() {
    let (graph, weights) = two_convolutions();
    let (dark, light) = (vec![3; 108], vec![200; 108]);
    let numbers = |images: &[&[u8]]| measured(&graph, &weights, images).numbers(&graph).unwrap();
    let [of_dark, of_light, of_both] = [&[&dark[..]][..], &[&light], &[&dark, &light]].map(numbers);
    // Of each convolution a range, then the means of 3 and of 16 channels.
    assert_eq!((&of_dark[..5], of_dark.len()), (&[0.0, 3.0, 3.0, 3.0, 3.0][..], 5 + 18));
    assert_eq!(of_light[..5], [0.0, 200.0, 200.0, 200.0, 200.0]);
    assert_eq!(of_both[..5], [0.0, 200.0, 101.5, 101.5, 101.5]);
    assert_eq!((of_both[5], of_both[6]), (0.0, of_dark[6].max(of_light[6])));
    assert!(of_light[6] > of_dark[6], "{of_light:?} {of_dark:?}");
    let halves = of_dark[7..].iter().zip(&of_light[7..]).map(|(dark, light)| (dark + light) / 2.0);
    assert_close(&of_both[7..], &halves.collect::<Vec<_>>(), Tolerance { abs: 0.0, rel: 1e-6 });
    assert_eq!(of_both, numbers(&[&light, &dark]));
    // As many images as there are threads, and as floats.
    let images: Vec<Vec<u8>> = (0..9).map(|seed| noise_u8(seed, 108)).collect();
    let images: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
    let floats: Vec<Vec<f32>> = images.iter().map(|image| floats(image)).collect();
    let floats: Vec<&[f32]> = floats.iter().map(Vec::as_slice).collect();
    let of_bytes = measured(&graph, &weights, &images);
    let isa = InstructionSet::best();
    assert_eq!(Calibration::measure_f32(&graph, &weights, isa, &floats).unwrap(), of_bytes);
    let alone = super::pool(1).install(|| measured(&graph, &weights, &images));
    assert_eq!(alone, of_bytes);
}

#[test]
fn means_of_blocks_of_channels_are_those_of_the_definition() {
    // What the second convolution reads, and the mean of each channel of it.
    let network = |pooled: bool| {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [7, 5, 3]).unwrap();
        let x = net.conv2d("expand", image, 48, 1, 1, Padding::Same).unwrap();
        let x = net.depthwise_conv2d("depthwise", x, 3, 1, Padding::Same).unwrap();
        let x = if pooled {
            net.global_average_pool2d("pool", x).unwrap()
        } else {
            net.conv2d("project", x, 5, 1, 1, Padding::Same).unwrap()
        };
        net.finish(x).unwrap()
    };
    let (graph, pooled) = (network(false), network(true));
    let (weights, image) = (nets::weights(&graph), noise_u8(1, 105));
    let mut first_weights = NamedTensors::new();
    for spec in pooled.weights() {
        let tensor = weights.get(&spec.name).unwrap().clone();
        first_weights.insert(spec.name, tensor).unwrap();
    }
    let want = reference::run(&pooled, &first_weights, &floats(&image));
    let largest = want.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    for isa in InstructionSet::available() {
        let calibration = Calibration::measure_u8(&graph, &weights, isa, &[&image]).unwrap();
        // A range and 3 means, a range and 48 means.
        let numbers = calibration.numbers(&graph).unwrap();
        assert_close(&numbers[7..], &want, Tolerance::abs(1e-5 * largest));
    }
}

#[test]
fn numbers_that_are_written_down_give_the_same_plan() {
    let (graph, weights) = two_convolutions();
    let image = noise_u8(1, 108);
    let calibration = measured(&graph, &weights, &[&image]);
    let read = Calibration::from_numbers(&graph, &calibration.numbers(&graph).unwrap()).unwrap();
    assert_eq!(read, calibration);
    let plan = Plan::compile_calibrated(&graph, &weights, &int8(), &read).unwrap();
    let single = Plan::compile(&graph, &weights, &PlanOptions::new(InstructionSet::best())).unwrap();
    let (got, want) = (features(&plan, &image), features(&single, &image));
    assert_ne!(got, want);
    let largest = want.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    assert_close(&got, &want, Tolerance::abs(0.01 * largest));
}

#[test]
fn what_lies_beyond_the_range_becomes_its_limit() {
    let (graph, weights) = two_convolutions();
    let calibration = measured(&graph, &weights, &[&[50; 108]]);
    let plan = Plan::compile_calibrated(&graph, &weights, &int8(), &calibration).unwrap();
    // Every value after the first convolution is at its limit, and stays there.
    let largest = features(&plan, &[255; 108]);
    assert!(largest.iter().all(|x| x.is_finite()));
    let single = Plan::compile(&graph, &weights, &PlanOptions::new(InstructionSet::best())).unwrap();
    assert_ne!(features(&single, &[255; 108]), largest);
}

#[test]
fn images_without_anything_in_them_and_dead_channels_do_no_harm() {
    let (graph, mut weights) = two_convolutions();
    let without_bias: NamedTensors = weights
        .iter()
        .map(|(name, tensor)| {
            let mut values = tensor.to_f32().into_owned();
            let filters = *tensor.shape().last().unwrap();
            // A filter of zeros in each convolution.
            values.iter_mut().skip(1).step_by(filters).for_each(|value| *value = 0.0);
            (name.to_owned(), Tensor::from_f32(tensor.shape().to_vec(), values).unwrap())
        })
        .fold(NamedTensors::new(), |mut all, (name, tensor)| {
            all.insert(name, tensor).unwrap();
            all
        });
    weights = without_bias;
    for images in [&[][..], &[&[0; 108][..]]] {
        let calibration = measured(&graph, &weights, images);
        if let [_] = images {
            assert_eq!(calibration.numbers(&graph).unwrap(), [0.0; 23]);
            let plan = Plan::compile_calibrated(&graph, &weights, &int8(), &calibration).unwrap();
            assert!(features(&plan, &noise_u8(1, 108)).iter().all(|x| x.is_finite()));
        } else {
            assert_eq!(calibration, Calibration::default());
        }
    }
    let image = noise_u8(1, 108);
    let plan =
        Plan::compile_calibrated(&graph, &weights, &int8(), &measured(&graph, &weights, &[&image])).unwrap();
    assert_eq!(features(&plan, &image)[1], 0.0);
}

#[test]
fn calibrations_that_cannot_be_are_errors() {
    let (graph, weights) = two_convolutions();
    let error = Plan::compile(&graph, &weights, &int8()).err().unwrap();
    let text = "node `second` has no range of inputs for int8, expected a calibration with images";
    assert_eq!(error.to_string(), text);
    assert!(Calibration::default().numbers(&graph).is_err());
    let from = |numbers: &[f32]| Calibration::from_numbers(&graph, numbers).unwrap_err().to_string();
    assert_eq!(from(&[0.0; 4]), "the calibration for int8 has 4 numbers, expected 23");
    assert_eq!(from(&[]), "the calibration for int8 has 0 numbers, expected 23");
    for [low, high] in [[f32::NAN, 1.0], [0.0, f32::INFINITY], [1.0, 2.0], [-2.0, -1.0], [1.0, -1.0]] {
        let want = format!(
            "the inputs of node `second` are said to be from {low} to {high}, expected finite limits around zero"
        );
        let mut numbers = [0.0; 23];
        [numbers[1], numbers[5], numbers[6]] = [1.0, low, high];
        assert_eq!(from(&numbers), want);
    }
    for mean in [f32::NAN, 3.5, -0.5] {
        let want =
            format!("a channel that node `second` reads is said to be {mean} on average, expected 0 to 3");
        let mut numbers = [0.0; 23];
        [numbers[6], numbers[22]] = [3.0, mean];
        assert_eq!(from(&numbers), want);
    }
    // Of a network whose convolution has the same name and fewer channels.
    let mut net = GraphBuilder::new();
    let image = net.input("image", [6, 6, 3]).unwrap();
    let x = net.conv2d("second", image, 5, 3, 1, Padding::Same).unwrap();
    let other = net.finish(x).unwrap();
    let of_other = Calibration::from_numbers(&other, &[0.0; 5]).unwrap();
    let error = Plan::compile_calibrated(&graph, &weights, &int8(), &of_other).err().unwrap();
    assert_eq!(error, EngineError::CalibrationLen { found: 3, expected: 16 });
    let isa = InstructionSet::best();
    let error = Calibration::measure_u8(&graph, &weights, isa, &[&[0; 107]]).unwrap_err();
    assert_eq!(error, EngineError::ImageLen { index: 0, found: 107, expected: 108 });
    let mut image = vec![1.0; 108];
    image[50] = f32::NAN;
    let error = Calibration::measure_f32(&graph, &weights, isa, &[&image]).unwrap_err();
    assert_eq!(error, EngineError::NotFiniteInputs { node: "first".to_owned() });
}

#[test]
fn weights_that_are_no_numbers_are_not_hidden_in_bytes() {
    let (graph, weights) = two_convolutions();
    let calibration = measured(&graph, &weights, &[&noise_u8(1, 108)]);
    let mut broken = NamedTensors::new();
    for (name, tensor) in weights.iter() {
        let mut values = tensor.to_f32().into_owned();
        if name == "second/kernel" {
            values[7] = f32::NAN;
        }
        broken.insert(name, Tensor::from_f32(tensor.shape().to_vec(), values).unwrap()).unwrap();
    }
    let error = Plan::compile_calibrated(&graph, &broken, &int8(), &calibration).err().unwrap();
    assert_eq!(error, EngineError::NotFinite { node: "second".to_owned() });
}
