//! When a convolution is computed by Winograd's algorithm, and in what tiles.

use engraft_graph::{Conv2d, Shape};
use engraft_kernels::WinogradTile;

/// Fewest channels and filters: the transformations cost as much as the products of about so many.
const LEAST_CHANNELS: usize = 32;

/// Fewest tiles: transformed filters that few tiles use take longer to fetch than to multiply.
const LEAST_LARGE_TILES: usize = 16;
const LEAST_SMALL_TILES: usize = 32;

/// Most filters of one channel for each large tile, for the same reason: there they are four times as many numbers as the
/// filters themselves.
const MOST_FILTERS_PER_LARGE_TILE: usize = 1 << 11;

/// The tiles with which it is faster than the direct way for a convolution from `channels` to `output`, by measurements of the
/// shapes of ResNet50, DenseNet121, InceptionV3 and VGG16; `None` if the direct way is faster or the only one.
pub(super) fn tile(convolution: &Conv2d, channels: usize, output: Shape) -> Option<WinogradTile> {
    let Shape::Map { height, width, .. } = output else { return None };
    let filters = output.channels();
    let possible = convolution.kernel == [3, 3] && convolution.strides == [1, 1];
    if !possible || channels.min(filters) < LEAST_CHANNELS {
        return None;
    }
    let [large, small] =
        [WinogradTile::FourByFour, WinogradTile::TwoByTwo].map(|tile| tile.count([height, width]));
    if large >= LEAST_LARGE_TILES && channels * filters <= large * MOST_FILTERS_PER_LARGE_TILE {
        return Some(WinogradTile::FourByFour);
    }
    (small >= LEAST_SMALL_TILES).then_some(WinogradTile::TwoByTwo)
}
