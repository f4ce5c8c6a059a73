//! When a convolution is computed by Winograd's algorithm.

use engraft_graph::{Conv2d, Shape};
use engraft_kernels::PackedWinograd;

/// Fewest channels and filters: the transformations cost as much as the products of about so many.
const LEAST_CHANNELS: usize = 32;

/// Fewest tiles, and most filters of one channel for each tile. The transformed filters are four times as many numbers as
/// the filters; where they are not used by many tiles, fetching them takes longer than multiplying.
const LEAST_TILES: usize = 16;
const MOST_FILTERS_PER_TILE: usize = 1 << 11;

/// Whether it is faster than the direct way for a convolution from `channels` to `output`, by measurements of the shapes
/// of ResNet50, DenseNet121, InceptionV3 and VGG16.
pub(super) fn pays(convolution: &Conv2d, channels: usize, output: Shape) -> bool {
    let Shape::Map { height, width, .. } = output else { return false };
    let filters = output.channels();
    let tiles = height.div_ceil(PackedWinograd::ROWS) * width.div_ceil(PackedWinograd::ROWS);
    convolution.kernel == [3, 3]
        && convolution.strides == [1, 1]
        && channels.min(filters) >= LEAST_CHANNELS
        && tiles >= LEAST_TILES
        && channels * filters <= tiles * MOST_FILTERS_PER_TILE
}
