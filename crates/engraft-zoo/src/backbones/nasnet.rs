//! NASNet-A: two kinds of cells, found by search, repeated.
//!
//! Source: Zoph et al., arXiv:1707.07012, figure 4 and section 3; layers and names as in `keras.applications.nasnet`.

use engraft_graph::{Activation, GraphBuilder, GraphError, Margins, NodeId, Op, Padding, Shape};

use crate::{
    BackboneSpec, PixelScaling, Preprocessing,
    architecture::{Architecture, PoolName},
    layers::{LayerNames, pad_for_stride_2, separable_conv2d},
};

/// Both variants that have weights.
pub(super) static SPECS: [BackboneSpec; 2] = [
    spec(
        "nasnet_mobile",
        "NASNetMobile",
        &NasNet { repeats: 4, filters: 44, stem_filters: 32, skips_reductions: false },
        224,
        74.4,
    ),
    spec(
        "nasnet_large",
        "NASNetLarge",
        &NasNet { repeats: 6, filters: 168, stem_filters: 96, skips_reductions: true },
        331,
        82.5,
    ),
];

use Operation::{Average, AverageHalf, Keep, MaxHalf, Separable};
use Source::{Earlier, Hidden, Padded, Previous};

/// The left side of figure 4: the sums of a normal cell, which are put together behind the previous cell's input.
const NORMAL_SUMS: [Sum; 5] = [
    (
        Some("normal_add_1"),
        ("normal_left1", Separable(5, 1), Hidden),
        ("normal_right1", Separable(3, 1), Previous),
    ),
    (
        Some("normal_add_2"),
        ("normal_left2", Separable(5, 1), Previous),
        ("normal_right2", Separable(3, 1), Previous),
    ),
    (Some("normal_add_3"), ("normal_left3", Average, Hidden), ("", Keep, Previous)),
    (Some("normal_add_4"), ("normal_left4", Average, Previous), ("normal_right4", Average, Previous)),
    (Some("normal_add_5"), ("normal_left5", Separable(3, 1), Hidden), ("", Keep, Hidden)),
];

/// The right side of figure 4: the sums of a reduction cell, of which all but the first are put together.
const REDUCTION_SUMS: [Sum; 5] = [
    (
        Some("reduction_add_1"),
        ("reduction_left1", Separable(5, 2), Hidden),
        ("reduction_right1", Separable(7, 2), Previous),
    ),
    (
        Some("reduction_add_2"),
        ("reduction_left2", MaxHalf, Padded),
        ("reduction_right2", Separable(7, 2), Previous),
    ),
    (
        Some("reduction_add3"),
        ("reduction_left3", AverageHalf, Padded),
        ("reduction_right3", Separable(5, 2), Previous),
    ),
    (None, ("", Keep, Earlier(1)), ("reduction_left4", Average, Earlier(0))),
    (
        Some("reduction_add4"),
        ("reduction_left4", Separable(3, 1), Earlier(0)),
        ("reduction_right5", MaxHalf, Padded),
    ),
];

/// The name of a sum's layer, if it has one, and the two summands.
type Sum = (Option<&'static str>, Summand, Summand);

/// The name of its layers, what is done, and to what.
type Summand = (&'static str, Operation, Source);

/// What a cell does to a map.
#[derive(Clone, Copy)]
enum Operation {
    /// Nothing.
    Keep,
    /// Two separable convolutions with a kernel of that many pixels; the first moves in steps of the second number.
    Separable(usize, usize),
    /// The mean of 3 x 3 pixels.
    Average,
    /// The mean of 3 x 3 pixels, in steps of two.
    AverageHalf,
    /// The largest of 3 x 3 pixels, in steps of two.
    MaxHalf,
}

/// The maps a cell works with.
#[derive(Clone, Copy)]
enum Source {
    /// The input, brought to the cell's number of filters.
    Hidden,
    /// The same behind a border of zeros, for poolings in steps of two.
    Padded,
    /// The previous cell's input, brought to the shape of `Hidden`.
    Previous,
    /// An earlier sum of the same cell.
    Earlier(usize),
}

const BATCH_NORM_EPSILON: f32 = 1e-3;

const fn spec(
    name: &'static str,
    keras_name: &'static str,
    architecture: &'static NasNet,
    input_side_px: usize,
    imagenet_top1_percent: f32,
) -> BackboneSpec {
    BackboneSpec {
        name,
        keras_name: Some(keras_name),
        preprocessing: Preprocessing {
            input_side_px,
            min_side_px: 32,
            scaling: PixelScaling::Tf,
            fit: "stretch",
            filter: "bilinear",
        },
        feature_len: 24 * architecture.filters,
        imagenet_top1_percent: Some(imagenet_top1_percent),
        licence: "Apache-2.0",
        credit: "Google, via keras.applications",
        embedded: None,
        architecture,
    }
}

/// What distinguishes the variants.
#[derive(Debug)]
struct NasNet {
    /// Normal cells of each of the three stages.
    repeats: usize,
    /// Filters of the first stage; each later one has twice as many.
    filters: usize,
    stem_filters: usize,
    /// Whether the cell behind a reduction looks back past the reduction's input.
    skips_reductions: bool,
}

/// A cell of a network.
struct Cell {
    /// Stands behind the names of its layers.
    id: String,
    filters: usize,
    reduces: bool,
    /// Whether its input is the `Previous` of the next cell; otherwise that stays what it is.
    is_looked_back_to: bool,
}

impl Architecture for NasNet {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        image: NodeId,
        _official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let x = net.conv2d("stem_conv1", image, self.stem_filters, 3, 2, Padding::Valid)?;
        let mut x = net.batch_norm("stem_bn1", x, BATCH_NORM_EPSILON)?;
        let mut previous = x;
        for cell in self.cells() {
            let input = x;
            x = CellBuilder { net, names, cell: &cell }.build(input, previous)?;
            if cell.is_looked_back_to {
                previous = input;
            }
        }
        net.activation(&names.next("activation"), x, Activation::Relu)
    }

    fn pool_name(&self) -> PoolName {
        PoolName::Never
    }
}

impl NasNet {
    fn cells(&self) -> Vec<Cell> {
        let reduction =
            |id, filters, is_looked_back_to| Cell { id, filters, reduces: true, is_looked_back_to };
        let mut cells = vec![
            reduction("stem_1".to_owned(), self.filters / 4, true),
            reduction("stem_2".to_owned(), self.filters / 2, true),
        ];
        for stage in 0..3 {
            let (first, filters) = (stage * self.repeats, self.filters << stage);
            if stage > 0 {
                cells.push(reduction(format!("reduce_{first}"), filters, !self.skips_reductions));
            }
            let first_id = first + stage.min(1);
            cells.extend((first_id..first_id + self.repeats).map(|id| Cell {
                id: id.to_string(),
                filters,
                reduces: false,
                is_looked_back_to: true,
            }));
        }
        cells
    }
}

/// A cell under construction.
struct CellBuilder<'a> {
    net: &'a mut GraphBuilder,
    names: &'a mut LayerNames,
    cell: &'a Cell,
}

impl CellBuilder<'_> {
    fn build(mut self, input: NodeId, previous: NodeId) -> Result<NodeId, GraphError> {
        let (kind, sums) =
            if self.cell.reduces { ("reduction", &REDUCTION_SUMS) } else { ("normal", &NORMAL_SUMS) };
        let previous = self.adjusted(input, previous)?;
        let x = self.unnamed_relu(input)?;
        let x = self.conv(&format!("{kind}_conv_1"), x, self.cell.filters)?;
        let hidden = self.norm(&format!("{kind}_bn_1"), x)?;
        let mut maps = Maps { hidden, padded: hidden, previous, sums: Vec::new() };
        if self.cell.reduces {
            maps.padded = pad_for_stride_2(self.net, &self.named("reduction_pad_1"), hidden, 3)?;
        }
        for (name, first, second) in sums {
            let [first, second] = [self.summand(first, &maps)?, self.summand(second, &maps)?];
            let name = if let Some(name) = name { self.named(name) } else { self.names.next("add") };
            maps.sums.push(self.net.add(&name, first, second)?);
        }
        let parts =
            if self.cell.reduces { maps.sums.split_off(1) } else { [vec![previous], maps.sums].concat() };
        self.net.concatenate(&self.named(&format!("{kind}_concat")), &parts)
    }

    fn summand(&mut self, (name, operation, source): &Summand, maps: &Maps) -> Result<NodeId, GraphError> {
        let (x, pool) = (maps.get(*source), self.named(name));
        match *operation {
            Keep => Ok(x),
            Separable(kernel, stride) => self.separable(name, x, kernel, stride),
            Average => self.net.average_pool2d(&pool, x, 3, 1, Padding::Same),
            AverageHalf => self.net.average_pool2d(&pool, x, 3, 2, Padding::Valid),
            MaxHalf => self.net.max_pool2d(&pool, x, 3, 2, Padding::Valid),
        }
    }

    /// Twice ReLU, separable convolution and batch normalisation.
    fn separable(
        &mut self,
        name: &str,
        x: NodeId,
        kernel: usize,
        stride: usize,
    ) -> Result<NodeId, GraphError> {
        let (filters, mut padding) = (self.cell.filters, Padding::Same);
        let mut x = self.unnamed_relu(x)?;
        if stride == 2 {
            x = pad_for_stride_2(self.net, &self.named(&format!("separable_conv_1_pad_{name}")), x, kernel)?;
            padding = Padding::Valid;
        }
        let first = self.named(&format!("separable_conv_1_{name}"));
        let x = separable_conv2d(self.net, &first, x, filters, kernel, stride, padding)?;
        let x = self.norm(&format!("separable_conv_1_bn_{name}"), x)?;
        let x = self.unnamed_relu(x)?;
        let second = self.named(&format!("separable_conv_2_{name}"));
        let x = separable_conv2d(self.net, &second, x, filters, kernel, 1, Padding::Same)?;
        self.norm(&format!("separable_conv_2_bn_{name}"), x)
    }

    /// The previous cell's input in the shape that this cell's input has once it is brought to the cell's filters.
    fn adjusted(&mut self, input: NodeId, previous: NodeId) -> Result<NodeId, GraphError> {
        let filters = self.cell.filters;
        if previous == input {
            return Ok(previous);
        }
        // Keras compares the widths alone.
        if width(self.net, previous) != width(self.net, input) {
            return self.halved(previous);
        }
        if self.net.shape(previous).channels() == filters {
            return Ok(previous);
        }
        let x = self.unnamed_relu(previous)?;
        let x = self.conv("adjust_conv_projection", x, filters)?;
        self.norm("adjust_bn", x)
    }

    /// Every other pixel of the map, and of the map moved by one pixel.
    fn halved(&mut self, x: NodeId) -> Result<NodeId, GraphError> {
        let filters = self.cell.filters / 2;
        let x = self.net.activation(&self.named("adjust_relu_1"), x, Activation::Relu)?;
        let first = self.net.average_pool2d(&self.named("adjust_avg_pool_1"), x, 1, 2, Padding::Valid)?;
        let first = self.conv("adjust_conv_1", first, filters)?;
        let (after, before) = (Margins { bottom: 1, right: 1, ..NONE }, Margins { top: 1, left: 1, ..NONE });
        let second = self.net.zero_padding2d(&self.names.next("zero_padding2d"), x, after)?;
        let second = self.net.node(&self.names.next("cropping2d"), Op::Cropping2d(before), &[second])?;
        let second =
            self.net.average_pool2d(&self.named("adjust_avg_pool_2"), second, 1, 2, Padding::Valid)?;
        let second = self.conv("adjust_conv_2", second, filters)?;
        let x = self.net.concatenate(&self.names.next("concatenate"), &[first, second])?;
        self.norm("adjust_bn", x)
    }

    /// The name of one of the cell's layers.
    fn named(&self, name: &str) -> String {
        format!("{name}_{}", self.cell.id)
    }

    fn unnamed_relu(&mut self, x: NodeId) -> Result<NodeId, GraphError> {
        self.net.activation(&self.names.next("activation"), x, Activation::Relu)
    }

    fn conv(&mut self, name: &str, x: NodeId, filters: usize) -> Result<NodeId, GraphError> {
        self.net.conv2d(&self.named(name), x, filters, 1, 1, Padding::Same)
    }

    fn norm(&mut self, name: &str, x: NodeId) -> Result<NodeId, GraphError> {
        self.net.batch_norm(&self.named(name), x, BATCH_NORM_EPSILON)
    }
}

const NONE: Margins = Margins { top: 0, bottom: 0, left: 0, right: 0 };

/// What the summands of a cell can be made of.
struct Maps {
    hidden: NodeId,
    padded: NodeId,
    previous: NodeId,
    sums: Vec<NodeId>,
}

impl Maps {
    fn get(&self, source: Source) -> NodeId {
        match source {
            Hidden => self.hidden,
            Padded => self.padded,
            Previous => self.previous,
            Earlier(index) => self.sums[index],
        }
    }
}

fn width(net: &GraphBuilder, x: NodeId) -> usize {
    match net.shape(x) {
        Shape::Map { width, .. } => width,
        Shape::Vector { .. } => 1,
    }
}
