//! Both gradients of a convolution behind which nothing is pooled: dense matrix products over bands of rows.

use engraft_kernels::InstructionSet;
use rayon::prelude::*;

use super::{Conv2d, Image, images_of, optional_parts};
use crate::gradient::buffers::sized;
use crate::gradient::groups::{groups, sum_parts};
use crate::gradient::layer::{Backward, Group, Memory};

impl Conv2d {
    /// Computes the gradients that `pass` asks for, of a convolution without pooling.
    pub(super) fn backward_unpooled(&self, pass: Backward) {
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
                    self.add_image(context.isa, image, learns, group, dx.is_some());
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
    fn add_image(&self, isa: InstructionSet, image: Image, learns: bool, group: &mut Group, wanted: bool) {
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
