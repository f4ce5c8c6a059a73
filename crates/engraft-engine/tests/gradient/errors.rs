//! What is refused, and how.

use engraft_engine::{Batch, Gradient, GradientOptions};
use engraft_graph::{Activation, Graph, GraphBuilder, Shape};
use engraft_kernels::InstructionSet;

fn net(inner: Activation, last: Activation) -> Graph {
    let mut net = GraphBuilder::new();
    let x = net.input("image", [1, 2, 2]).unwrap();
    let x = net.flatten("flatten", x).unwrap();
    let x = net.dense("dense", x, 3).unwrap();
    let x = net.activation("inner", x, inner).unwrap();
    let x = net.activation("last", x, last).unwrap();
    net.finish(x).unwrap()
}

fn options() -> GradientOptions {
    GradientOptions::new(InstructionSet::best())
}

fn compile(graph: &Graph, options: &GradientOptions) -> String {
    Gradient::compile(graph, options).err().expect("an error").to_string()
}

#[test]
fn networks_and_options_without_a_gradient_are_refused() {
    use Activation::{Relu, Softmax};
    assert_eq!(
        compile(&net(Relu, Relu), &options()),
        "node `last` ends the network, expected a softmax over the classes"
    );
    assert_eq!(
        compile(&net(Softmax, Softmax), &options()),
        "node `inner` cannot be trained: softmax stands inside the network, expected at its end only"
    );
    let frozen = GradientOptions { frozen: ["other".to_owned()].into(), ..options() };
    assert_eq!(
        compile(&net(Relu, Softmax), &frozen),
        "node `other` is to stay frozen, expected the name of a node of the network"
    );
    let smooth = GradientOptions { label_smoothing: f32::NAN, ..options() };
    assert_eq!(
        compile(&net(Relu, Softmax), &smooth),
        "the label smoothing is NaN, expected a number in 0..=1"
    );
}

#[test]
fn arrays_of_the_wrong_length_are_refused() {
    let graph = net(Activation::Relu, Activation::Softmax);
    assert_eq!(graph.output_shape(), Shape::vector(3));
    let gradient = Gradient::compile(&graph, &options()).unwrap();
    let run = |parameters: &[usize], images: usize, targets: usize, weights: usize| {
        let mut parameters: Vec<Vec<f32>> = parameters.iter().map(|&len| vec![0.0; len]).collect();
        let mut gradients = vec![vec![0.0; 12], vec![0.0; 3]];
        let (images, targets, weights) = (vec![0.0; images], vec![0.0; targets], vec![1.0; weights]);
        let batch = Batch { images: &images, targets: &targets, weights: Some(&weights) };
        gradient.run(&mut parameters, &batch, 0, &mut gradients).err().map(|error| error.to_string())
    };
    assert_eq!(run(&[12, 3], 8, 6, 2), None);
    for (parameters, images, targets, weights, want) in [
        (&[12][..], 8, 6, 2, "there are 1 arrays of parameters, expected 2"),
        (&[12, 4], 8, 6, 2, "parameters of `dense/bias` have 4 values, expected 3"),
        (&[12, 3], 9, 6, 2, "the batch has 9 values in its images, expected a positive multiple of 4"),
        (&[12, 3], 0, 0, 0, "the batch has 0 values in its images, expected a positive multiple of 4"),
        (&[12, 3], 8, 5, 2, "the batch has 5 values in its targets, expected 6"),
        (&[12, 3], 8, 6, 1, "the batch has 1 values in its weights, expected 2"),
    ] {
        assert_eq!(run(parameters, images, targets, weights).as_deref(), Some(want));
    }
}

#[test]
fn a_loss_that_is_not_finite_is_a_result() {
    let gradient = Gradient::compile(&net(Activation::Relu, Activation::Softmax), &options()).unwrap();
    let mut parameters = vec![vec![f32::NAN; 12], vec![0.0; 3]];
    let mut gradients = parameters.clone();
    let batch = Batch { images: &[1.0; 4], targets: &[1.0, 0.0, 0.0], weights: None };
    let loss = gradient.run(&mut parameters, &batch, 0, &mut gradients).unwrap();
    assert!(!loss.loss.is_finite());
}
