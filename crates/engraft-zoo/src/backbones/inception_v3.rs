//! InceptionV3: modules whose large kernels are factorised into rows, columns and small squares.
//!
//! Source: Szegedy et al., arXiv:1512.00567, table 1 and figures 5 to 7; layers and names as in
//! `keras.applications.inception_v3`.

use engraft_graph::{GraphBuilder, GraphError, NodeId};

use crate::{
    BackboneSpec, PixelScaling, Preprocessing,
    architecture::{Architecture, PoolName},
    branches::{Branch, BranchBuilder, Step, conv, same_conv2d, stem, valid},
    layers::LayerNames,
};

/// The one variant.
pub(super) static SPECS: [BackboneSpec; 1] = [BackboneSpec {
    name: "inception_v3",
    keras_name: Some("InceptionV3"),
    preprocessing: Preprocessing {
        input_side_px: 299,
        min_side_px: 75,
        scaling: PixelScaling::Tf,
        fit: "stretch",
        filter: "bilinear",
    },
    feature_len: 2048,
    imagenet_top1_percent: Some(77.9),
    licence: "Apache-2.0",
    credit: "Google, via keras.applications",
    embedded: None,
    architecture: &InceptionV3,
}];

#[derive(Debug)]
struct InceptionV3;

impl Architecture for InceptionV3 {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        image: NodeId,
        _official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let mut builder = BranchBuilder { net, names };
        let mut x = builder.branch(&stem(), image)?;
        for (name, branches) in modules() {
            x = builder.module(name, &branches, x)?;
        }
        Ok(x)
    }

    fn pool_name(&self) -> PoolName {
        PoolName::BeforeClassifier
    }
}

/// All modules in order; the name is that of the layer that puts the branches together.
fn modules() -> [(&'static str, Vec<Branch>); 11] {
    [
        ("mixed0", square_module(32)),
        ("mixed1", square_module(64)),
        ("mixed2", square_module(64)),
        ("mixed3", first_reduction()),
        ("mixed4", factorised_module(128)),
        ("mixed5", factorised_module(160)),
        ("mixed6", factorised_module(160)),
        ("mixed7", factorised_module(192)),
        ("mixed8", second_reduction()),
        ("mixed9", forked_module("mixed9_0")),
        ("mixed10", forked_module("mixed9_1")),
    ]
}

/// Figure 5; `pooled` are the channels of the pooling branch.
fn square_module(pooled: usize) -> Vec<Branch> {
    vec![
        vec![conv(64, 1, 1)],
        vec![conv(48, 1, 1), conv(64, 5, 5)],
        vec![conv(64, 1, 1), conv(96, 3, 3), conv(96, 3, 3)],
        vec![Step::AveragePool, conv(pooled, 1, 1)],
    ]
}

fn first_reduction() -> Vec<Branch> {
    vec![vec![valid(384, 3, 2)], vec![conv(64, 1, 1), conv(96, 3, 3), valid(96, 3, 2)], vec![Step::MaxPool]]
}

/// Figure 6; `inner` are the channels between the factors.
fn factorised_module(inner: usize) -> Vec<Branch> {
    vec![
        vec![conv(192, 1, 1)],
        vec![conv(inner, 1, 1), conv(inner, 1, 7), conv(192, 7, 1)],
        vec![conv(inner, 1, 1), conv(inner, 7, 1), conv(inner, 1, 7), conv(inner, 7, 1), conv(192, 1, 7)],
        vec![Step::AveragePool, conv(192, 1, 1)],
    ]
}

fn second_reduction() -> Vec<Branch> {
    vec![
        vec![conv(192, 1, 1), valid(320, 3, 2)],
        vec![conv(192, 1, 1), conv(192, 1, 7), conv(192, 7, 1), valid(192, 3, 2)],
        vec![Step::MaxPool],
    ]
}

/// Figure 7; `fork` names the one fork that has a name.
fn forked_module(fork: &'static str) -> Vec<Branch> {
    let row_and_column = || [same_conv2d(384, 1, 3), same_conv2d(384, 3, 1)];
    vec![
        vec![conv(320, 1, 1)],
        vec![conv(384, 1, 1), Step::Fork(row_and_column(), Some(fork))],
        vec![conv(448, 1, 1), conv(384, 3, 3), Step::Fork(row_and_column(), None)],
        vec![Step::AveragePool, conv(192, 1, 1)],
    ]
}
