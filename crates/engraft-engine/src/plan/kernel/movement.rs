//! Steps that only move numbers.

use super::super::layout::Border;
use super::Band;

impl Band<'_> {
    pub fn zero_padding2d(&self, padding: Border, rows: &mut [f32]) {
        let input = self.input();
        self.each_row(rows, |row, output| {
            output.fill(0.0);
            let from = row.checked_sub(padding.top).filter(|&from| from < input.layout.height);
            if let Some(from) = from {
                let pixels = input.row(from);
                output[padding.left * input.layout.pixel_len..][..pixels.len()].copy_from_slice(pixels);
            }
        });
    }

    pub fn cropping2d(&self, top: usize, left: usize, rows: &mut [f32]) {
        let input = self.input();
        self.each_row(rows, |row, output| {
            let pixels = &input.row(top + row)[left * input.layout.pixel_len..];
            output.copy_from_slice(&pixels[..output.len()]);
        });
    }

    pub fn concatenate(&self, rows: &mut [f32]) {
        let pixel_len = self.output.pixel_len;
        self.each_row(rows, |row, output| {
            let mut first = 0;
            for operand in self.operands.iter() {
                let channels = operand.layout.channels;
                let pixels = operand.row(row).chunks_exact(operand.layout.pixel_len);
                for (from, to) in pixels.zip(output.chunks_exact_mut(pixel_len)) {
                    to[first..][..channels].copy_from_slice(&from[..channels]);
                }
                first += channels;
            }
            output.chunks_exact_mut(pixel_len).for_each(|pixel| pixel[first..].fill(0.0));
        });
    }

    pub fn reverse_channels(&self, rows: &mut [f32]) {
        let input = self.input();
        let channels = self.output.channels;
        self.each_row(rows, |row, output| {
            let pixels = input.row(row).chunks_exact(input.layout.pixel_len);
            for (from, to) in pixels.zip(output.chunks_exact_mut(self.output.pixel_len)) {
                to[..channels]
                    .iter_mut()
                    .zip(from[..channels].iter().rev())
                    .for_each(|(to, from)| *to = *from);
                to[channels..].fill(0.0);
            }
        });
    }

    /// Needs the whole output.
    pub fn reshape(&self, rows: &mut [f32]) {
        let input = self.input();
        let from_channels = input.layout.channels;
        let rows_of_input = (0..input.layout.height).map(|row| input.row(row));
        let pixels = rows_of_input.flat_map(|row| row.chunks_exact(input.layout.pixel_len));
        let mut values = pixels.flat_map(|pixel| pixel[..from_channels].iter().copied());
        let channels = self.output.channels;
        self.each_row(rows, |_, output| {
            for pixel in output.chunks_exact_mut(self.output.pixel_len) {
                let (elements, rest) = pixel.split_at_mut(channels);
                elements.iter_mut().zip(&mut values).for_each(|(to, from)| *to = from);
                rest.fill(0.0);
            }
        });
    }
}
