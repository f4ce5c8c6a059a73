//! A convolution that is computed together with the pooling behind it, against the same network with something between them
//! that keeps them apart.

use engraft_graph::{Activation, Conv2d, Graph, GraphBuilder, Op, Padding, Pool2d};
use engraft_kernels::InstructionSet;
use engraft_testing::{Tolerance, assert_close};

use super::nets::{CLASSES, Setup};

struct Case {
    size: [usize; 2],
    channels: usize,
    filters: usize,
    kernel: [usize; 2],
    strides: [usize; 2],
    padding: Padding,
    pool: [usize; 2],
    activation: Option<Activation>,
    /// Whether the kernel is narrow enough to be computed together with the pooling.
    together: bool,
}

/// Inputs of one block of channels and of several, the last of them narrower; of one band of rows and of several.
const CASES: &[Case] = &[
    Case {
        size: [9, 8],
        channels: 3,
        filters: 5,
        kernel: [3, 3],
        strides: [1, 1],
        padding: Padding::Valid,
        pool: [2, 2],
        activation: Some(Activation::Relu),
        together: true,
    },
    Case {
        size: [11, 10],
        channels: 150,
        filters: 7,
        kernel: [3, 3],
        strides: [1, 1],
        padding: Padding::Same,
        pool: [2, 3],
        activation: Some(Activation::Relu6),
        together: true,
    },
    Case {
        size: [40, 70],
        channels: 20,
        filters: 3,
        kernel: [5, 2],
        strides: [1, 2],
        padding: Padding::Same,
        pool: [3, 2],
        activation: None,
        together: true,
    },
    Case {
        size: [23, 12],
        channels: 66,
        filters: 18,
        kernel: [2, 4],
        strides: [3, 1],
        padding: Padding::Valid,
        pool: [1, 2],
        activation: Some(Activation::Relu),
        together: true,
    },
    Case {
        size: [7, 40],
        channels: 2,
        filters: 4,
        kernel: [1, 32],
        strides: [1, 1],
        padding: Padding::Valid,
        pool: [2, 2],
        activation: Some(Activation::Relu),
        together: true,
    },
    Case {
        size: [7, 44],
        channels: 2,
        filters: 4,
        kernel: [1, 33],
        strides: [1, 1],
        padding: Padding::Valid,
        pool: [2, 2],
        activation: Some(Activation::Relu),
        together: false,
    },
];

impl Case {
    fn graph(&self, apart: bool) -> Graph {
        let mut net = GraphBuilder::new();
        let [height, width] = self.size;
        let mut build = || {
            let mut x = net.input("image", [height, width, 2])?;
            // So that the gradient of the convolution's input is wanted too.
            x = net.conv2d("before", x, self.channels, 1, 1, Padding::Valid)?;
            let Case { filters, kernel, strides, padding, .. } = *self;
            x =
                net.node("conv", Op::Conv2d(Conv2d { filters, kernel, strides, padding, bias: true }), &[x])?;
            if let Some(activation) = self.activation {
                x = net.activation("activation", x, activation)?;
            }
            if apart {
                x = net.rescale("apart", x, &[1.0], &[0.0])?;
            }
            let pool = Pool2d { window: self.pool, strides: self.pool, padding: Padding::Valid };
            x = net.node("pool", Op::MaxPool2d(pool), &[x])?;
            x = net.flatten("vector", x)?;
            x = net.dense("scores", x, CLASSES)?;
            net.activation("softmax", x, Activation::Softmax)
        };
        let output = build().unwrap();
        net.finish(output).unwrap()
    }

    fn gradients(&self, isa: InstructionSet, apart: bool) -> Vec<Vec<f32>> {
        let mut setup = Setup::new(&self.graph(apart), isa, 5, &[]);
        let mut gradients = setup.gradients();
        let mut parameters = std::mem::take(&mut setup.parameters);
        setup.gradient.run(&mut parameters, &setup.batch(), 0, &mut gradients).unwrap();
        gradients
    }
}

#[test]
fn gradients_are_those_of_the_separate_layers() {
    for isa in InstructionSet::available() {
        for case in CASES {
            let [together, separate] = [false, true].map(|apart| case.gradients(isa, apart));
            // Sums in another order have other last bits.
            assert_eq!(together != separate, case.together, "{}, kernel {:?}", isa.name(), case.kernel);
            for (together, separate) in together.iter().zip(&separate) {
                let greatest = separate.iter().fold(0f32, |greatest, x| greatest.max(x.abs()));
                assert_close(together, separate, Tolerance { abs: 1e-5 * greatest, rel: 1e-4 });
            }
        }
    }
}
