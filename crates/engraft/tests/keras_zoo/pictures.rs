//! The images on which backbones are compared with their references, and the comparison: see `reference/formula.py`.

use engraft_engine::{Plan, PlanOptions};
use engraft_graph::{Graph, NamedTensors};
use engraft_testing::noise_u8;

/// Side of the cells of one colour in the second image, in pixels.
const CELL_PX: usize = 8;

/// `61x47` as two numbers.
pub fn sides(text: &str) -> Option<[usize; 2]> {
    let (height, width) = text.split_once('x')?;
    Some([height.parse().ok()?, width.parse().ok()?])
}

/// The outputs for both images.
pub fn run(graph: &Graph, weights: &NamedTensors, [height, width]: [usize; 2]) -> Vec<f32> {
    let options = PlanOptions::from_env().expect("ENGRAFT_ISA names an instruction set of this machine");
    let plan = Plan::compile(graph, weights, &options).expect("a backbone compiles");
    let images = [fine(height, width), coarse(height, width)];
    let len = plan.output_shape().len();
    let mut out = vec![0.0; images.len() * len];
    plan.run_u8(&images.each_ref().map(Vec::as_slice), &mut out)
        .expect("the images have the size of the input");
    out
}

/// The largest deviation, as a part of the largest expected value; infinite if any value is not a number.
pub fn deviation(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len(), "got {} values, want {}", got.len(), want.len());
    let largest = want.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    let deviations = got.iter().zip(want).map(|(got, want)| (got - want).abs() / largest);
    deviations.fold(0.0, |worst: f32, found| if found.is_nan() { f32::INFINITY } else { worst.max(found) })
}

/// Noise, `[height, width, 3]`.
fn fine(height: usize, width: usize) -> Vec<u8> {
    noise_u8(1, height * width * 3)
}

/// Cells of one colour that get darker from top to bottom, `[height, width, 3]`.
fn coarse(height: usize, width: usize) -> Vec<u8> {
    let columns = width.div_ceil(CELL_PX);
    let cells = noise_u8(2, height.div_ceil(CELL_PX) * columns * 3);
    let value = |y: usize, x: usize, channel: usize| {
        let cell = (y / CELL_PX * columns + x / CELL_PX) * 3 + channel;
        (usize::from(cells[cell]) * (height - y) / height) as u8
    };
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    pixels.flat_map(|(y, x)| [0, 1, 2].map(|channel| value(y, x, channel))).collect()
}
