//! Xception: depthwise separable convolutions throughout, with residual connections.
//!
//! Source: Chollet, arXiv:1610.02357, figure 5; layers and names as in `keras.applications.xception`.

use engraft_graph::{Activation, GraphBuilder, GraphError, NodeId, Padding};

use crate::{
    BackboneSpec, PixelScaling, Preprocessing,
    architecture::{Architecture, PoolName},
    layers::{LayerNames, separable_conv2d},
};

/// The one variant.
pub(super) static SPECS: [BackboneSpec; 1] = [BackboneSpec {
    name: "xception",
    keras_name: Some("Xception"),
    preprocessing: Preprocessing {
        input_side_px: 299,
        min_side_px: 71,
        scaling: PixelScaling::Tf,
        fit: "stretch",
        filter: "bilinear",
    },
    feature_len: HEAD_FILTERS[1],
    imagenet_top1_percent: Some(79.0),
    licence: "MIT",
    credit: "François Chollet, via keras.applications",
    embedded: None,
    architecture: &Xception,
}];

/// The modules of entry, middle and exit flow; module 5 stands eight times in a row.
const MODULES: [(usize, Module); 5] = [
    (1, Module { filters: &[128, 128], halves: true, starts_with_relu: false }),
    (1, Module { filters: &[256, 256], halves: true, starts_with_relu: true }),
    (1, Module { filters: &[728, 728], halves: true, starts_with_relu: true }),
    (8, Module { filters: &[728, 728, 728], halves: false, starts_with_relu: true }),
    (1, Module { filters: &[728, 1024], halves: true, starts_with_relu: true }),
];

/// Filters of the convolutions before and behind the modules.
const STEM_FILTERS: [usize; 2] = [32, 64];
const HEAD_FILTERS: [usize; 2] = [1536, 2048];
const BATCH_NORM_EPSILON: f32 = 1e-3;

#[derive(Debug)]
struct Xception;

/// Separable convolutions with a residual connection around them.
struct Module {
    filters: &'static [usize],
    /// Whether it halves the sides, in which case a convolution stands in the connection.
    halves: bool,
    /// The first module comes directly behind a ReLU and does without its own.
    starts_with_relu: bool,
}

impl Architecture for Xception {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        image: NodeId,
        _official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let mut x = stem(net, image)?;
        let mut block = 2;
        for (repeats, module) in MODULES {
            for _ in 0..repeats {
                x = module.add_to(net, names, &format!("block{block}"), x)?;
                block += 1;
            }
        }
        for (index, filters) in HEAD_FILTERS.into_iter().enumerate() {
            let name = format!("block{block}_sepconv{}", index + 1);
            x = separable_and_norm(net, &name, x, filters)?;
            x = net.activation(&format!("{name}_act"), x, Activation::Relu)?;
        }
        Ok(x)
    }

    fn pool_name(&self) -> PoolName {
        PoolName::BeforeClassifier
    }
}

fn stem(net: &mut GraphBuilder, image: NodeId) -> Result<NodeId, GraphError> {
    let mut x = image;
    for (name, filters, stride) in
        [("block1_conv1", STEM_FILTERS[0], 2), ("block1_conv2", STEM_FILTERS[1], 1)]
    {
        x = net.conv2d(name, x, filters, 3, stride, Padding::Valid)?;
        x = net.batch_norm(&format!("{name}_bn"), x, BATCH_NORM_EPSILON)?;
        x = net.activation(&format!("{name}_act"), x, Activation::Relu)?;
    }
    Ok(x)
}

impl Module {
    fn add_to(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        block: &str,
        input: NodeId,
    ) -> Result<NodeId, GraphError> {
        let residual = if self.halves { self.halved(net, names, input)? } else { input };
        let mut x = input;
        for (index, filters) in self.filters.iter().enumerate() {
            let name = format!("{block}_sepconv{}", index + 1);
            if index > 0 || self.starts_with_relu {
                x = net.activation(&format!("{name}_act"), x, Activation::Relu)?;
            }
            x = separable_and_norm(net, &name, x, *filters)?;
        }
        if self.halves {
            x = net.max_pool2d(&format!("{block}_pool"), x, 3, 2, Padding::Same)?;
        }
        net.add(&names.next("add"), x, residual)
    }

    /// The residual connection of a module that halves the sides.
    fn halved(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        x: NodeId,
    ) -> Result<NodeId, GraphError> {
        let filters = self.filters[self.filters.len() - 1];
        let x = net.conv2d(&names.next("conv2d"), x, filters, 1, 2, Padding::Same)?;
        net.batch_norm(&names.next("batch_normalization"), x, BATCH_NORM_EPSILON)
    }
}

/// Adds the layers `NAME` and `NAME_bn`.
fn separable_and_norm(
    net: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    filters: usize,
) -> Result<NodeId, GraphError> {
    let x = separable_conv2d(net, name, x, filters, 3, 1, Padding::Same)?;
    net.batch_norm(&format!("{name}_bn"), x, BATCH_NORM_EPSILON)
}
