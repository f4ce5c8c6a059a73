//! Convolution, with the ReLU and the pooling that follow it; also a dense layer over every pixel of a map.
//!
//! An image goes through in bands of rows, so that what only passes between convolution and pooling stays in the cache: the
//! output of the convolution itself is never kept.

mod pooled;
mod products;

use std::ops::Range;

use engraft_kernels::{Clamp, InstructionSet, MaxPool2d, PackedMatrix, Window};
use rayon::prelude::*;

use super::{Backward, Forward, Group, Layer, Memory};
use crate::gradient::buffers::sized;
use crate::gradient::groups::{groups, split, split_mut, sum_parts};
use pooled::Pooled;
use products::Products;

/// A convolution, then limits, then maxima.
pub(crate) struct Conv2d {
    products: Products,
    clamp: Option<Clamp>,
    /// Windows side by side over the convolution's output.
    pool: Option<Window>,
}

/// Elements of a band of the convolution's output: a part of the second-level cache.
const BAND_ELEMENTS: usize = 48 << 10;

/// Widest kernel, in pixels, before maxima: what [`Pooled`] can keep in the registers of any processor.
const WIDEST_POOLED_KERNEL: usize = 32;

/// Some rows of the convolution's output, and the rows of the layer's output that come from them.
struct Band {
    rows: Range<usize>,
    output_rows: Range<usize>,
}

impl Layer for Conv2d {
    fn forward(&self, pass: Forward) {
        let Forward { context, inputs, parameters, output, memory } = pass;
        let Memory { packed, groups: group_memories, places, .. } = memory;
        let weights = &mut Memory::packed(packed, context.isa, 1)[0];
        self.products.pack(parameters, weights);
        let weights = &*weights;
        let places = split_mut(sized(places, self.places_len() * context.images), context.images);
        let parts = split_mut(output, context.images).into_par_iter().zip(places);
        let group_memories = Memory::groups(group_memories, context.isa, groups(context.images).count());
        parts.zip(split(inputs[0], context.images)).zip(group_memories).for_each(
            |(((output, places), input), group)| {
                let images = input.chunks_exact(self.products.window.input_len());
                for (image, input) in images.enumerate() {
                    let part = image * self.output_len()..(image + 1) * self.output_len();
                    let places = &mut places[image * self.places_len()..][..self.places_len()];
                    self.forward_image(context.isa, weights, input, group, &mut output[part], places);
                }
            },
        );
    }

    fn backward(&self, pass: Backward) {
        match self.pool {
            Some(pool) => Pooled::new(&self.products, self.clamp, pool, pass.context.isa).backward(pass),
            None => self.dense_backward(pass),
        }
    }

    fn fuse_clamp(&mut self, clamp: Clamp) -> bool {
        self.pool.is_none() && self.clamp.replace(clamp).is_none()
    }

    /// Only windows side by side: none of them shares a row with another band's.
    fn fuse_max_pool(&mut self, windows: Window) -> bool {
        let apart = windows.window == windows.strides && windows.before == [0; 2];
        let inside = windows.covered()[0] <= windows.size[0];
        let narrow = self.products.window.window[1] <= WIDEST_POOLED_KERNEL;
        apart && inside && narrow && self.pool.replace(windows).is_none()
    }
}

/// What belongs to one image on the way back.
#[derive(Clone, Copy)]
struct Image<'a> {
    input: &'a [f32],
    output: &'a [f32],
    output_gradient: &'a [f32],
    /// Empty without pooling.
    places: &'a [u16],
}

impl Conv2d {
    /// Neither limited nor pooled.
    pub(crate) fn new(window: Window, filters: usize, bias: bool) -> Conv2d {
        Conv2d { products: Products { window, filters, bias }, clamp: None, pool: None }
    }

    /// Rows and columns of the layer's output.
    fn output_size(&self) -> [usize; 2] {
        self.pool.map_or(self.products.window.output_size, |pool| pool.output_size)
    }

    fn output_len(&self) -> usize {
        self.output_size()[0] * self.output_row_len()
    }

    /// Places of maxima that are kept for an image.
    fn places_len(&self) -> usize {
        self.pool.map_or(0, |_| self.output_len())
    }

    fn output_row_len(&self) -> usize {
        self.output_size()[1] * self.products.filters
    }

    /// Elements of a row of the convolution's output.
    fn row_len(&self) -> usize {
        self.products.window.output_size[1] * self.products.filters
    }

    /// Bands of all rows of the layer's output. Rows of the convolution below the last window are left out.
    fn bands(&self) -> impl Iterator<Item = Band> + use<> {
        let height = self.pool.map_or(1, |pool| pool.window[0]);
        let (rows, most) = (self.output_size()[0], BAND_ELEMENTS / (height * self.row_len()));
        let step = rows.div_ceil(rows.div_ceil(most.max(1)));
        (0..rows).step_by(step).map(move |first| {
            let output_rows = first..rows.min(first + step);
            Band { rows: output_rows.start * height..output_rows.end * height, output_rows }
        })
    }

    /// The pooling of a band on its own.
    fn band_pool(&self, band: &Band) -> Option<MaxPool2d> {
        self.pool.map(|pool| {
            let size = [band.rows.len(), pool.size[1]];
            let output_size = [band.output_rows.len(), pool.output_size[1]];
            MaxPool2d { windows: Window { size, output_size, ..pool } }
        })
    }

    /// Where a band lies in the layer's output.
    fn output_range(&self, band: &Band) -> Range<usize> {
        band.output_rows.start * self.output_row_len()..band.output_rows.end * self.output_row_len()
    }

    fn forward_image(
        &self,
        isa: InstructionSet,
        weights: &PackedMatrix,
        image: &[f32],
        group: &mut Group,
        output: &mut [f32],
        places: &mut [u16],
    ) {
        let input = self.products.bordered(image, &mut group.bordered);
        for band in self.bands() {
            let range = self.output_range(&band);
            let Some(pool) = self.band_pool(&band) else {
                self.products.convolve(weights, input, band.rows, self.clamp, &mut output[range]);
                continue;
            };
            let values = sized(&mut group.band, band.rows.len() * self.row_len());
            self.products.convolve(weights, input, band.rows, self.clamp, values);
            pool.forward(isa, values, &mut output[range.clone()], &mut places[range]);
        }
    }

    /// The gradients where nothing is pooled.
    fn dense_backward(&self, pass: Backward) {
        let Backward { context, inputs, parameters, output, output_gradient, .. } = pass;
        let Memory { packed, groups: group_memories, values, .. } = pass.memory;
        let input_gradient = pass.input_gradients[0].as_deref_mut();
        let turned = &mut Memory::packed(packed, context.isa, 2)[1];
        if input_gradient.is_some() {
            self.products.pack_turned(&parameters[0], values, turned);
        }
        let (learns, turned) = (pass.parameter_gradients.is_some(), &*turned);
        let group_memories = Memory::groups(group_memories, context.isa, groups(context.images).count());
        let input_len = self.products.window.input_len();
        optional_parts(input_gradient, context.images)
            .into_par_iter()
            .zip(groups(context.images).collect::<Vec<_>>())
            .zip(&mut *group_memories)
            .for_each(|((mut dx, range), group)| {
                if learns {
                    sized(&mut group.sums, self.products.parameter_len()).fill(0.0);
                }
                let images = images_of(range, inputs[0], output, output_gradient, &[], context.images);
                for (index, image) in images.enumerate() {
                    let dx = dx.as_mut().map(|dx| &mut dx[index * input_len..][..input_len]);
                    self.dense_image(context.isa, image, learns, group, dx.is_some());
                    if let Some(dx) = dx {
                        self.products.convolve_turned(turned, &group.spread, dx);
                    }
                }
            });
        if let Some(gradients) = pass.parameter_gradients {
            self.sum_groups(group_memories, gradients);
        }
    }

    /// Adds the image's gradients to the sums of its group, and spreads the gradient of the convolution's output if that of
    /// the input is wanted.
    fn dense_image(&self, isa: InstructionSet, image: Image, learns: bool, group: &mut Group, wanted: bool) {
        let Group { packed, bordered, gradient, spread, sums, .. } = group;
        let input = self.products.bordered(image.input, bordered);
        if wanted {
            self.products.clear_spread(spread);
        }
        for band in self.bands() {
            let range = self.output_range(&band);
            let dy = &image.output_gradient[range.clone()];
            let gradient = match self.clamp {
                None => dy,
                Some(clamp) => {
                    let gradient = sized(gradient, dy.len());
                    clamp.gradient(isa, &image.output[range], dy, gradient);
                    gradient
                }
            };
            if learns {
                self.products.add_parameter_gradients(input, band.rows.clone(), gradient, packed, sums);
            }
            if wanted {
                self.products.spread(gradient, band.rows, spread);
            }
        }
    }

    /// Adds the sums of all groups.
    fn sum_groups(&self, groups: &[Group], gradients: &mut [Vec<f32>]) {
        let mut first = 0;
        for gradient in gradients {
            let parts: Vec<&[f32]> = groups.iter().map(|group| &group.sums[first..]).collect();
            sum_parts(&parts, gradient);
            first += gradient.len();
        }
    }
}

/// The images of a group, of arrays that hold all of `count`.
fn images_of<'a>(
    group: Range<usize>,
    input: &'a [f32],
    output: &'a [f32],
    output_gradient: &'a [f32],
    places: &'a [u16],
    count: usize,
) -> impl Iterator<Item = Image<'a>> {
    let part = move |len: usize, image: usize| image * (len / count)..(image + 1) * (len / count);
    group.map(move |image| Image {
        input: &input[part(input.len(), image)],
        output: &output[part(output.len(), image)],
        output_gradient: &output_gradient[part(output_gradient.len(), image)],
        places: &places[part(places.len(), image)],
    })
}

/// What belongs to each group, if there is anything.
fn optional_parts(values: Option<&mut [f32]>, images: usize) -> Vec<Option<&mut [f32]>> {
    match values {
        Some(values) => split_mut(values, images).into_iter().map(Some).collect(),
        None => groups(images).map(|_| None).collect(),
    }
}
