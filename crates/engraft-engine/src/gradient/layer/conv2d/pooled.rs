//! Both gradients of a convolution behind which stands max pooling: of each window and filter one element of the gradient is
//! not zero, or none where ReLU has cut the maximum off.
//!
//! An image goes through in bands of rows and blocks of channels that fit into the first-level cache. The kernel and its
//! gradient are kept as the blocks read them, filter by filter.

use std::ops::Range;

use engraft_kernels::{Clamp, InstructionSet, SparseGradient, Terms, Window};
use rayon::prelude::*;

use super::products::{Bordered, Products};
use super::{Image, images_of, optional_parts};
use crate::gradient::buffers::{sized, sized_aligned};
use crate::gradient::groups::{groups, sum_parts};
use crate::gradient::layer::{Backward, Group, Memory};

/// A convolution, limits and maxima, on the way back.
pub(super) struct Pooled<'a> {
    products: &'a Products,
    clamp: Option<Clamp>,
    pool: Window,
    isa: InstructionSet,
    blocks: Vec<Block>,
    /// How far, in pixels of the input, the window of each place in a pooling window lies from that of the first.
    window_of_place: Vec<u32>,
}

/// Some neighbouring channels of the input.
#[derive(Clone, Copy)]
struct Block {
    first_channel: usize,
    channels: usize,
    /// Elements of a window's row, padded to whole vectors.
    row_len: usize,
    /// Where it begins in the kernel.
    start: usize,
}

/// Some rows of the pooled output, and the rows of the bordered input that their windows cover.
struct Band {
    pooled_rows: Range<usize>,
    input_rows: Range<usize>,
}

/// Elements of a block in a band that are read together: half of the first-level cache.
const BAND_ELEMENTS: usize = 7 << 10;

impl<'a> Pooled<'a> {
    pub(super) fn new(
        products: &'a Products,
        clamp: Option<Clamp>,
        pool: Window,
        isa: InstructionSet,
    ) -> Pooled<'a> {
        let (blocks, window_of_place) = (blocks(products, isa), window_of_place(products, pool));
        Pooled { products, clamp, pool, isa, blocks, window_of_place }
    }

    /// Computes the gradients that `pass` asks for.
    pub(super) fn backward(&self, pass: Backward) {
        let images = pass.context.images;
        let input_gradient = pass.input_gradients[0].as_deref_mut();
        let Memory { groups: group_memories, values, places, .. } = pass.memory;
        let places = &places[..images * self.pool.output_pixels() * self.products.filters];
        let kernel = sized(values, self.kernel_len());
        if input_gradient.is_some() {
            self.arrange(&pass.parameters[0], kernel);
        }
        let (learns, kernel) = (pass.parameter_gradients.is_some(), &*kernel);
        let group_memories = Memory::groups(group_memories, self.isa, groups(images).count());
        let input_len = self.products.window.input_len();
        optional_parts(input_gradient, images)
            .into_par_iter()
            .zip(groups(images).collect::<Vec<_>>())
            .zip(&mut *group_memories)
            .for_each(|((mut dx, range), group)| {
                if learns {
                    sized(&mut group.sums, self.sums_len()).fill(0.0);
                }
                let images =
                    images_of(range, pass.inputs[0], pass.output, pass.output_gradient, places, images);
                for (index, image) in images.enumerate() {
                    let dx = dx.as_mut().map(|dx| &mut dx[index * input_len..][..input_len]);
                    self.image(image, learns, group, kernel, dx);
                }
            });
        if let Some(gradients) = pass.parameter_gradients {
            let sums: Vec<&[f32]> =
                group_memories.iter().map(|group| &group.sums[..self.sums_len()]).collect();
            let total = sized(values, self.sums_len());
            sum_parts(&sums, total);
            self.give_back(total, gradients);
        }
    }

    /// Adds the image's gradients to the sums of its group, and writes the gradient of the input if it is wanted.
    fn image(
        &self,
        image: Image,
        learns: bool,
        group: &mut Group,
        kernel: &[f32],
        mut input_gradient: Option<&mut [f32]>,
    ) {
        let Group { bordered, band: limited, sums, terms, block: values, block_gradient, .. } = group;
        let input = self.products.bordered(image.input, bordered);
        if let Some(dx) = &mut input_gradient {
            dx.fill(0.0);
        }
        for band in self.bands() {
            let limited = self.collect(&band, image, limited, terms);
            if learns && self.products.bias {
                let bias = &mut sums[self.kernel_len()..];
                for pixel in limited.chunks_exact(self.products.filters) {
                    bias.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += x);
                }
            }
            for &block in &self.blocks {
                let (layer, kernel_range) = (self.layer(block, terms), self.kernel_range(block));
                if learns {
                    let values = sized_aligned(values, self.block_len(block, &band));
                    self.copy_block(input, block, &band, values);
                    layer.add_kernel_gradient(self.isa, values, &mut sums[kernel_range.clone()]);
                }
                if let Some(dx) = &mut input_gradient {
                    let gradient = sized_aligned(block_gradient, self.block_len(block, &band));
                    gradient.fill(0.0);
                    layer.add_input_gradient(self.isa, &kernel[kernel_range], gradient);
                    self.add_block(gradient, block, &band, dx);
                }
            }
        }
    }

    /// The terms of a band, and the gradient of its output before it was limited.
    fn collect<'b>(
        &self,
        band: &Band,
        image: Image,
        limited: &'b mut Vec<f32>,
        terms: &mut Terms,
    ) -> &'b [f32] {
        let pooled_row_len = self.pool.output_size[1] * self.products.filters;
        let range = band.pooled_rows.start * pooled_row_len..band.pooled_rows.end * pooled_row_len;
        let (dy, limited) = (&image.output_gradient[range.clone()], sized(limited, range.len()));
        match self.clamp {
            // The greatest value was limited like any other.
            Some(clamp) => clamp.gradient(self.isa, &image.output[range.clone()], dy, limited),
            None => limited.copy_from_slice(dy),
        }
        let strides = window_strides(self.products);
        let [vertical, horizontal] = [0, 1].map(|axis| strides[axis] * self.pool.window[axis]);
        let columns = self.pool.output_size[1];
        let corner = |pixel| pixel / columns * vertical + pixel % columns * horizontal;
        terms.collect(self.products.filters, limited, &image.places[range], &self.window_of_place, corner);
        limited
    }

    /// Columns of the input that windows cover.
    fn columns(&self) -> usize {
        self.products.window.covered()[1]
    }

    fn layer<'b>(&self, block: Block, terms: &'b Terms) -> SparseGradient<'b> {
        let [window_rows, window_columns] = self.products.window.window;
        SparseGradient {
            terms,
            window_rows,
            window_row_len: window_columns * block.channels,
            window_row_stride: self.columns() * block.channels,
            channels: block.channels,
        }
    }

    fn bands(&self) -> impl Iterator<Item = Band> + use<> {
        let (rows, pool_rows) = (self.pool.output_size[0], self.pool.window[0]);
        let (stride, window_rows) = (self.products.window.strides[0], self.products.window.window[0]);
        let most_channels = self.blocks.iter().map(|block| block.channels).max().unwrap_or(1);
        let step = (BAND_ELEMENTS / (pool_rows * stride * self.columns() * most_channels)).max(1);
        (0..rows).step_by(step).map(move |first| {
            let pooled_rows = first..rows.min(first + step);
            let convolution_rows = first * pool_rows..pooled_rows.end * pool_rows;
            let input_rows =
                convolution_rows.start * stride..(convolution_rows.end - 1) * stride + window_rows;
            Band { pooled_rows, input_rows }
        })
    }

    /// Elements of a block in a band, and what the last window reads beyond it.
    fn block_len(&self, block: Block, band: &Band) -> usize {
        band.input_rows.len() * self.columns() * block.channels + self.isa.lanes()
    }

    fn copy_block(&self, input: Bordered, block: Block, band: &Band, to: &mut [f32]) {
        let channels = self.products.window.channels;
        let rows = to.chunks_exact_mut(self.columns() * block.channels);
        for (row, to) in band.input_rows.clone().zip(rows) {
            let pixels = input.row(row).chunks_exact(channels);
            for (to, pixel) in to.chunks_exact_mut(block.channels).zip(pixels) {
                to.copy_from_slice(&pixel[block.first_channel..][..block.channels]);
            }
        }
    }

    /// Adds what a block of a band says about the gradient of the input; what fell on the border is lost.
    fn add_block(&self, block_gradient: &[f32], block: Block, band: &Band, input_gradient: &mut [f32]) {
        let Window { size, channels, before, .. } = self.products.window;
        let rows = block_gradient.chunks_exact(self.columns() * block.channels);
        for (row, from) in band.input_rows.clone().zip(rows) {
            let Some(row) = row.checked_sub(before[0]).filter(|&row| row < size[0]) else { continue };
            let to = input_gradient[row * size[1] * channels..].chunks_exact_mut(channels).take(size[1]);
            let from = from.chunks_exact(block.channels).skip(before[1]);
            for (to, from) in to.zip(from) {
                let to = &mut to[block.first_channel..][..block.channels];
                to.iter_mut().zip(from).for_each(|(to, x)| *to += x);
            }
        }
    }

    /// Elements of the kernel as the blocks read it.
    fn kernel_len(&self) -> usize {
        self.blocks.last().map_or(0, |&last| self.kernel_range(last).end)
    }

    /// Elements of the kernel and the bias.
    fn sums_len(&self) -> usize {
        self.kernel_len() + self.products.filters
    }

    fn kernel_range(&self, block: Block) -> Range<usize> {
        block.start..block.start + self.products.filters * self.products.window.window[0] * block.row_len
    }

    /// Lays the kernel out as the blocks read it.
    fn arrange(&self, kernel: &[f32], arranged: &mut [f32]) {
        arranged.fill(0.0);
        self.each_row(|at, from| {
            let column = kernel[from.start..].iter().step_by(self.products.filters).take(from.len);
            arranged[at..].iter_mut().zip(column).for_each(|(to, x)| *to = *x);
        });
    }

    /// Writes sums in the order of the blocks as Keras orders the parameters.
    fn give_back(&self, sums: &[f32], gradients: &mut [Vec<f32>]) {
        self.each_row(|at, to| {
            let column = gradients[0][to.start..].iter_mut().step_by(self.products.filters).take(to.len);
            column.zip(&sums[at..]).for_each(|(to, x)| *to = *x);
        });
        if self.products.bias {
            gradients[1].copy_from_slice(&sums[self.kernel_len()..]);
        }
    }

    /// Calls `visit` for the channels of every block, filter and place in the window: with where they stand in the arranged
    /// kernel and in Keras', in which the filters lie innermost.
    fn each_row(&self, mut visit: impl FnMut(usize, Column)) {
        let Window { window: [rows, columns], channels, .. } = self.products.window;
        let filters = self.products.filters;
        for block in &self.blocks {
            for (filter, row) in (0..filters).flat_map(|filter| (0..rows).map(move |row| (filter, row))) {
                let at = block.start + (filter * rows + row) * block.row_len;
                for column in 0..columns {
                    let pixel = (row * columns + column) * channels + block.first_channel;
                    let place = Column { start: pixel * filters + filter, len: block.channels };
                    visit(at + column * block.channels, place);
                }
            }
        }
    }
}

/// Some channels of one filter in Keras' kernel.
struct Column {
    start: usize,
    /// Number of channels.
    len: usize,
}

/// Pixels of the input from a window of the convolution to the one below it and to the one beside it.
fn window_strides(products: &Products) -> [usize; 2] {
    let Window { strides, .. } = products.window;
    [strides[0] * products.window.covered()[1], strides[1]]
}

fn window_of_place(products: &Products, pool: Window) -> Vec<u32> {
    let ([rows, columns], strides) = (pool.window, window_strides(products));
    let places = (0..rows).flat_map(|y| (0..columns).map(move |x| [y, x]));
    places.map(|[y, x]| (y * strides[0] + x * strides[1]) as u32).collect()
}

/// As many channels in each block as registers hold of a window's row: all, or else whole vectors of them.
fn blocks(products: &Products, isa: InstructionSet) -> Vec<Block> {
    let Window { window: [rows, columns], channels, .. } = products.window;
    let most = (SparseGradient::longest_row(isa) / columns).max(1);
    let step = if most < isa.lanes() { most } else { most / isa.lanes() * isa.lanes() };
    let step = if channels <= most { channels } else { step };
    let mut start = 0;
    (0..channels)
        .step_by(step)
        .map(|first_channel| {
            let channels = step.min(channels - first_channel);
            let row_len = isa.padded(columns * channels);
            let block = Block { first_channel, channels, row_len, start };
            start += products.filters * rows * row_len;
            block
        })
        .collect()
}
