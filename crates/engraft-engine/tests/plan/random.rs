//! Networks drawn at random from all operations: what no one thought of combining.

use engraft_graph::{
    Activation, BatchNorm, Conv2d, Dense, DepthwiseConv2d, Graph, GraphBuilder, Margins, NodeId, Op, Padding,
    Pool2d, Shape,
};
use engraft_testing::noise_u8;

/// Nodes tried after the image; those that do not fit are left out.
const TRIES: usize = 24;

/// The network that `seed` decides.
pub fn network(seed: u64) -> Graph {
    let mut draw = Draw::new(seed);
    let mut net = GraphBuilder::new();
    let size = [draw.length(), draw.length(), 1 + draw.below(5)];
    let image = net.input("image", size).unwrap();
    let image = net.rescale("rescale", image, &[1.0 / 128.0], &[-1.0]).unwrap();
    let mut nodes = vec![image];
    for index in 0..TRIES {
        let x = draw.recent(&nodes);
        let (op, inputs) = draw.operation(&net, &nodes, x);
        nodes.extend(net.node(&format!("node{index}"), op, &inputs));
    }
    let output = draw.recent(&nodes);
    net.finish(output).unwrap()
}

/// Small numbers, one after the other.
struct Draw(std::vec::IntoIter<u8>);

impl Draw {
    fn new(seed: u64) -> Draw {
        Draw(noise_u8(seed, 1 << 12).into_iter())
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.0.next().unwrap()) % end
    }

    /// A side, a kernel or a channel count: often one, rarely a multiple of anything.
    fn length(&mut self) -> usize {
        [1, 1, 2, 3, 5, 7, 8, 11, 13][self.below(9)]
    }

    fn pair(&mut self, most: usize) -> [usize; 2] {
        [1 + self.below(most), 1 + self.below(most)]
    }

    fn channels(&mut self) -> usize {
        [1, 2, 5, 8, 15, 16, 17, 24, 32, 33, 48, 49][self.below(12)]
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn padding(&mut self) -> Padding {
        if self.flag() { Padding::Same } else { Padding::Valid }
    }

    /// One of the last nodes, mostly the very last.
    fn recent(&mut self, nodes: &[NodeId]) -> NodeId {
        let back = [0, 0, 0, 1, 1, 2, 3, 4][self.below(8)];
        nodes[nodes.len().saturating_sub(1 + back)]
    }

    /// A node of the shape wanted, `x` where there is none.
    fn like(&mut self, net: &GraphBuilder, nodes: &[NodeId], shape: Shape, x: NodeId) -> NodeId {
        let alike: Vec<NodeId> = nodes.iter().copied().filter(|&node| net.shape(node) == shape).collect();
        if alike.is_empty() { x } else { alike[self.below(alike.len())] }
    }

    fn operation(&mut self, net: &GraphBuilder, nodes: &[NodeId], x: NodeId) -> (Op, Vec<NodeId>) {
        let shape = net.shape(x);
        match self.below(6) {
            0 => (self.activation(), vec![x]),
            1 => (self.window(), vec![x]),
            2 => (self.scaling(shape.channels()), vec![x]),
            3 => (self.movement(shape), vec![x]),
            4 => {
                let other = self.like(net, nodes, shape, x);
                (Op::Add, vec![x, other])
            }
            _ => self.merge(net, nodes, x),
        }
    }

    fn activation(&mut self) -> Op {
        Op::Activation(
            [
                Activation::Relu,
                Activation::Relu6,
                Activation::Sigmoid,
                Activation::Silu,
                Activation::HardSigmoid,
                Activation::HardSilu,
                Activation::Gelu,
                Activation::Tanh,
                Activation::Softmax,
            ][self.below(9)],
        )
    }

    fn window(&mut self) -> Op {
        let (kernel, strides, padding, bias) = (self.pair(7), self.pair(3), self.padding(), self.flag());
        let pool = Pool2d { window: kernel, strides, padding };
        match self.below(6) {
            0 => Op::MaxPool2d(pool),
            1 => Op::AveragePool2d(pool),
            2 | 3 => Op::DepthwiseConv2d(DepthwiseConv2d { kernel, strides, padding, bias }),
            _ => Op::Conv2d(Conv2d { filters: self.channels(), kernel, strides, padding, bias }),
        }
    }

    fn scaling(&mut self, channels: usize) -> Op {
        match self.below(6) {
            0 => Op::BatchNorm(BatchNorm {
                epsilon: 1e-3,
                momentum: BatchNorm::MOMENTUM,
                scale: self.flag(),
                center: self.flag(),
            }),
            1 => Op::Normalization,
            2 => Op::LayerScale,
            // A large epsilon: noise in equal channels must not be blown up.
            3 => Op::LayerNorm { epsilon: 0.1 },
            4 => Op::Dense(Dense { units: self.channels(), bias: self.flag() }),
            _ => {
                let len = if self.flag() { 1 } else { channels };
                let values = |first: f32| (0..len).map(|c| first + c as f32 / len as f32).collect();
                Op::Rescale { scale: values(-0.5), offset: values(-0.3) }
            }
        }
    }

    fn movement(&mut self, shape: Shape) -> Op {
        let [top, bottom, left, right] = [3, 2, 2, 3].map(|end| self.below(end));
        let margins = Margins { top, bottom, left, right };
        match self.below(8) {
            0 => Op::ReverseChannels,
            1 | 2 => Op::ZeroPadding2d(margins),
            3 => Op::Cropping2d(margins),
            4 => Op::Dropout { rate: 0.5 },
            5 => Op::StochasticDepth { rate: 0.5 },
            6 => Op::Flatten,
            _ => Op::Reshape { height: 1, width: 1, channels: shape.len() },
        }
    }

    fn merge(&mut self, net: &GraphBuilder, nodes: &[NodeId], x: NodeId) -> (Op, Vec<NodeId>) {
        let shape = net.shape(x);
        match self.below(5) {
            0 => (Op::GlobalAveragePool2d, vec![x]),
            1 => (Op::GlobalMaxPool2d, vec![x]),
            2 => {
                let pixel = Shape::map(1, 1, shape.channels());
                let wanted = if self.flag() { pixel } else { shape };
                let factor = self.like(net, nodes, wanted, x);
                (Op::Multiply, vec![x, factor])
            }
            _ => {
                let mut inputs = vec![x];
                for _ in 0..1 + self.below(3) {
                    inputs.push(self.like(net, nodes, shape, x));
                }
                (Op::Concatenate, inputs)
            }
        }
    }
}
