//! InceptionResNetV2: inception modules with residual connections around them.
//!
//! Source: Szegedy et al., arXiv:1602.07261, figures 15 to 19; layers and names as in
//! `keras.applications.inception_resnet_v2`.

use engraft_graph::{Activation, GraphBuilder, GraphError, NodeId};

use crate::{
    BackboneSpec, PixelScaling, Preprocessing,
    architecture::{Architecture, PoolName},
    branches::{Branch, BranchBuilder, Step, conv, same_conv2d, stem, valid},
    layers::{LayerNames, conv2d_with_bias},
};

/// The one variant.
pub(super) static SPECS: [BackboneSpec; 1] = [BackboneSpec {
    name: "inception_resnet_v2",
    keras_name: Some("InceptionResNetV2"),
    preprocessing: Preprocessing {
        input_side_px: 299,
        min_side_px: 75,
        scaling: PixelScaling::Tf,
        fit: "stretch",
        filter: "bilinear",
    },
    feature_len: HEAD_CHANNELS,
    imagenet_top1_percent: Some(80.3),
    licence: "Apache-2.0",
    credit: "Google, via keras.applications",
    embedded: None,
    architecture: &InceptionResNetV2,
}];

#[derive(Debug)]
struct InceptionResNetV2;

impl Architecture for InceptionResNetV2 {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        image: NodeId,
        _official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let builder = &mut BranchBuilder { net, names };
        let x = builder.branch(&stem(), image)?;
        let x = builder.module("mixed_5b", &mixed_5b(), x)?;
        let x = stage(builder, &STAGE_A, x)?;
        let x = builder.module("mixed_6a", &mixed_6a(), x)?;
        let x = stage(builder, &STAGE_B, x)?;
        let x = builder.module("mixed_7a", &mixed_7a(), x)?;
        let x = stage(builder, &STAGE_C, x)?;
        let x = residual_module(builder, "block8_10", 1.0, &block8(), x)?;
        let names = ["conv_7b", "conv_7b_bn", "conv_7b_ac"].map(str::to_owned);
        builder.named_conv(names, &same_conv2d(HEAD_CHANNELS, 1, 1), x)
    }

    fn pool_name(&self) -> PoolName {
        PoolName::BeforeClassifier
    }
}

/// Residual modules of one kind, one after the other: (name, repeats, factor of the residual, branches).
type Stage = (&'static str, usize, f32, fn() -> Vec<Branch>);

const STAGE_A: Stage = ("block35", 10, 0.17, block35);
const STAGE_B: Stage = ("block17", 20, 0.1, block17);
/// One more such module follows, with the factor 1 and no ReLU.
const STAGE_C: Stage = ("block8", 9, 0.2, block8);

const HEAD_CHANNELS: usize = 1536;

fn mixed_5b() -> Vec<Branch> {
    vec![
        vec![conv(96, 1, 1)],
        vec![conv(48, 1, 1), conv(64, 5, 5)],
        vec![conv(64, 1, 1), conv(96, 3, 3), conv(96, 3, 3)],
        vec![Step::AveragePool, conv(64, 1, 1)],
    ]
}

/// Figure 16.
fn block35() -> Vec<Branch> {
    vec![
        vec![conv(32, 1, 1)],
        vec![conv(32, 1, 1), conv(32, 3, 3)],
        vec![conv(32, 1, 1), conv(48, 3, 3), conv(64, 3, 3)],
    ]
}

fn mixed_6a() -> Vec<Branch> {
    vec![
        vec![valid(384, 3, 2)],
        vec![conv(256, 1, 1), conv(256, 3, 3), valid(384, 3, 2)],
        vec![Step::MaxPool],
    ]
}

/// Figure 17.
fn block17() -> Vec<Branch> {
    vec![vec![conv(192, 1, 1)], vec![conv(128, 1, 1), conv(160, 1, 7), conv(192, 7, 1)]]
}

/// Figure 18.
fn mixed_7a() -> Vec<Branch> {
    vec![
        vec![conv(256, 1, 1), valid(384, 3, 2)],
        vec![conv(256, 1, 1), valid(288, 3, 2)],
        vec![conv(256, 1, 1), conv(288, 3, 3), valid(320, 3, 2)],
        vec![Step::MaxPool],
    ]
}

/// Figure 19.
fn block8() -> Vec<Branch> {
    vec![vec![conv(192, 1, 1)], vec![conv(192, 1, 1), conv(224, 1, 3), conv(256, 3, 1)]]
}

fn stage(
    builder: &mut BranchBuilder,
    (kind, repeats, factor, branches): &Stage,
    mut x: NodeId,
) -> Result<NodeId, GraphError> {
    for index in 1..=*repeats {
        let name = format!("{kind}_{index}");
        x = residual_module(builder, &name, *factor, &branches(), x)?;
        x = builder.net.activation(&format!("{name}_ac"), x, Activation::Relu)?;
    }
    Ok(x)
}

/// Adds to the input `factor` times what the branches make of it.
fn residual_module(
    builder: &mut BranchBuilder,
    name: &str,
    factor: f32,
    branches: &[Branch],
    input: NodeId,
) -> Result<NodeId, GraphError> {
    let x = builder.module(&format!("{name}_mixed"), branches, input)?;
    let BranchBuilder { net, names } = builder;
    let channels = net.shape(input).channels();
    let x = conv2d_with_bias(net, &format!("{name}_conv"), x, channels, 1)?;
    let layer = names.next("custom_scale_layer");
    let x = net.rescale(&format!("{layer}/scale"), x, &[factor], &[0.0])?;
    net.add(&format!("{layer}/add"), input, x)
}
