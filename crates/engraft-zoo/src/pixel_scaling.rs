//! The preprocessing of keras.applications as the first nodes of a graph.
//!
//! Source: `preprocess_input` in `keras.applications.imagenet_utils`.

use engraft_graph::{GraphBuilder, GraphError, NodeId, Op};

use crate::PixelScaling;

/// Mean and standard deviation of ImageNet's channels, RGB in 0..1.
const TORCH_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
pub(crate) const TORCH_STANDARD_DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];

/// Mean of ImageNet's channels, BGR in 0..255.
const CAFFE_MEAN: [f32; 3] = [103.939, 116.779, 123.68];

impl PixelScaling {
    /// Adds the nodes `preprocessing...` behind the image, if any are needed.
    pub(crate) fn add_to(self, net: &mut GraphBuilder, image: NodeId) -> Result<NodeId, GraphError> {
        match self {
            PixelScaling::Tf => net.rescale("preprocessing", image, &[1.0 / 127.5], &[-1.0]),
            PixelScaling::Torch => {
                let [scale, offset] = standardisation(255.0);
                net.rescale("preprocessing", image, &scale, &offset)
            }
            PixelScaling::Caffe => {
                let bgr = net.node("preprocessing/bgr", Op::ReverseChannels, &[image])?;
                net.rescale("preprocessing/centre", bgr, &[1.0], &CAFFE_MEAN.map(|mean| -mean))
            }
            PixelScaling::InNetwork => Ok(image),
        }
    }
}

/// `[scale, offset]` such that `x * scale + offset` is `(x / largest - mean) / standard_deviation`.
pub(crate) fn standardisation(largest: f64) -> [[f32; 3]; 2] {
    let mut both = [[0.0; 3]; 2];
    for (channel, (mean, deviation)) in TORCH_MEAN.into_iter().zip(TORCH_STANDARD_DEVIATION).enumerate() {
        both[0][channel] = (1.0 / (largest * deviation)) as f32;
        both[1][channel] = (-mean / deviation) as f32;
    }
    both
}
