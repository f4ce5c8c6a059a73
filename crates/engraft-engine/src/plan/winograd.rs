//! When a convolution is computed by Winograd's algorithm, and in what tiles.

use engraft_graph::{Conv2d, Shape};
use engraft_kernels::{Bf16Unit, InstructionSet, WinogradTile};

use super::Precision;

/// Fewest channels and filters: the transformations cost as much as the products of about so many.
const LEAST_CHANNELS: usize = 32;

/// Fewest tiles of either size: transformed filters that few tiles use take longer to fetch than to multiply.
const LEAST_TILES: usize = 16;

/// Most filters of one channel for each large tile, for the same reason: there they are four times as many numbers as the
/// filters themselves.
const MOST_FILTERS_PER_LARGE_TILE: usize = 1 << 11;

/// The tiles with which it is faster than the direct way for a convolution from `channels` to `output`, by measurements of the
/// shapes of ResNet50, DenseNet121, InceptionV3 and VGG16; `None` if the direct way is faster or the only one.
pub(super) fn tile(
    convolution: &Conv2d,
    channels: usize,
    output: Shape,
    precision: Precision,
    isa: InstructionSet,
) -> Option<WinogradTile> {
    let Shape::Map { height, width, .. } = output else { return None };
    let filters = output.channels();
    let possible = convolution.kernel == [3, 3] && convolution.strides == [1, 1];
    let pays = match precision {
        Precision::F32 => true,
        Precision::Bf16 => Bf16Unit::best(isa).gains_from_winograd(),
        Precision::Int8 => false,
    };
    if !possible || !pays || channels.min(filters) < LEAST_CHANNELS {
        return None;
    }
    let [large, small] =
        [WinogradTile::FourByFour, WinogradTile::TwoByTwo].map(|tile| tile.count([height, width]));
    let pays_in_large = large >= LEAST_TILES && channels * filters <= large * MOST_FILTERS_PER_LARGE_TILE;
    if precision == Precision::F32 && pays_in_large {
        return Some(WinogradTile::FourByFour);
    }
    (small >= LEAST_TILES).then_some(WinogradTile::TwoByTwo)
}
