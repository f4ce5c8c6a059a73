//! Where the boxes and lines of a picture stand.
//!
//! Layers stand in rows by their distance from the input. A line that crosses rows has a place of its own in each of them, so
//! that it never runs through a box; `rust-sugiyama` then orders every row for few crossings and sets the columns.

use std::collections::HashMap;

use engraft::Layer;
use rust_sugiyama::configure::{Config, CrossingMinimization, RankingType};

use super::{color, label};

/// Size of the text, in pixels.
pub const TEXT_PX: f32 = 12.0;

/// Width of a letter of the fixed-width typeface, as a fraction of its size.
const LETTER_WIDTH: f32 = 0.6021;

const BOX_HEIGHT_PX: f32 = 38.0;
const BOX_PADDING_PX: f32 = 8.0;
const ROW_PX: f32 = BOX_HEIGHT_PX + 26.0;
const COLUMN_GAP_PX: f64 = 18.0;
const LINE_WIDTH_PX: f64 = 6.0;
const MARGIN_PX: f32 = 16.0;

/// A picture, in pixels from its top left corner.
#[derive(Debug, PartialEq)]
pub struct Picture {
    /// Width and height.
    pub size: [f32; 2],
    /// One per layer.
    pub boxes: Vec<LayerBox>,
    /// From the lower edge of one box to the upper edge of another.
    pub lines: Vec<Vec<[f32; 2]>>,
}

/// A layer.
#[derive(Debug, PartialEq)]
pub struct LayerBox {
    /// Its top left corner.
    pub corner: [f32; 2],
    /// Width and height.
    pub size: [f32; 2],
    /// Two lines of text.
    pub label: [String; 2],
    /// Red, green, blue.
    pub fill: [u8; 3],
}

/// Lays out layers, each of which stands after those it reads.
pub fn lay_out(layers: &[Layer]) -> Picture {
    let edges = edges(layers);
    let rows = rows(layers.len(), &edges);
    let mut places = Places::new(layers);
    let routes: Vec<Vec<usize>> = edges.iter().map(|&edge| places.route(edge, &rows)).collect();
    let columns = places.columns(&routes);
    let center = |place: usize| MARGIN_PX + columns[place];
    let top = |row: usize| MARGIN_PX + row as f32 * ROW_PX;

    let boxes: Vec<LayerBox> = layers
        .iter()
        .enumerate()
        .map(|(index, layer)| {
            let width = places.widths_px[index] as f32;
            LayerBox {
                corner: [center(index) - width / 2.0, top(rows[index])],
                size: [width, BOX_HEIGHT_PX],
                label: label(layer),
                fill: color(layer),
            }
        })
        .collect();
    let line = |route: &Vec<usize>| polyline(route, rows[route[0]], &center, &top);
    Picture { size: extent(&boxes, &columns), lines: routes.iter().map(line).collect(), boxes }
}

/// Pairs of a layer and one that reads it, by index.
fn edges(layers: &[Layer]) -> Vec<(usize, usize)> {
    let index: HashMap<&str, usize> =
        layers.iter().enumerate().map(|(index, layer)| (layer.name.as_str(), index)).collect();
    let sources = |layer: &'_ Layer| {
        layer.connected_to.iter().filter_map(|name| index.get(name.as_str()).copied()).collect::<Vec<_>>()
    };
    layers
        .iter()
        .enumerate()
        .flat_map(|(reader, layer)| sources(layer).into_iter().map(move |source| (source, reader)))
        .collect()
}

/// The row of each layer: one below the lowest it reads.
fn rows(layers: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut rows = vec![0; layers];
    for &(source, reader) in edges {
        rows[reader] = rows[reader].max(rows[source] + 1);
    }
    rows
}

/// Everything that takes room in a row: first the layers, then the lines that cross it.
struct Places {
    widths_px: Vec<f64>,
}

impl Places {
    fn new(layers: &[Layer]) -> Places {
        let letters = |layer| label(layer).iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let width = |layer| f64::from(letters(layer) as f32 * LETTER_WIDTH * TEXT_PX + 2.0 * BOX_PADDING_PX);
        Places { widths_px: layers.iter().map(width).collect() }
    }

    /// The places of a line, both ends included, with a new one in every row between them.
    fn route(&mut self, (source, reader): (usize, usize), rows: &[usize]) -> Vec<usize> {
        let mut route = vec![source];
        for _ in rows[source] + 1..rows[reader] {
            route.push(self.widths_px.len());
            self.widths_px.push(LINE_WIDTH_PX);
        }
        route.push(reader);
        route
    }

    /// The horizontal centre of every place; the leftmost edge is at 0.
    fn columns(&self, routes: &[Vec<usize>]) -> Vec<f32> {
        let number = |place: usize| u32::try_from(place).expect("a network has fewer than 2^32 places");
        let size = |(place, &width): (usize, &f64)| (number(place), (width, f64::from(BOX_HEIGHT_PX)));
        let vertices: Vec<(u32, (f64, f64))> = self.widths_px.iter().enumerate().map(size).collect();
        let steps = routes.iter().flat_map(|route| route.windows(2));
        let steps: Vec<(u32, u32)> = steps.map(|step| (number(step[0]), number(step[1]))).collect();
        let config = Config {
            minimum_length: 1,
            vertex_spacing: COLUMN_GAP_PX,
            dummy_vertices: false,
            dummy_size: 1.0,
            ranking_type: RankingType::Up,
            c_minimization: CrossingMinimization::Barycenter,
            transpose: true,
        };
        let mut centers = vec![0.0; vertices.len()];
        for (component, ..) in rust_sugiyama::from_vertices_and_edges(&vertices, &steps, &config) {
            component.into_iter().for_each(|(place, (x, _))| centers[place] = x);
        }
        let left_edges = centers.iter().zip(&self.widths_px).map(|(center, width)| center - width / 2.0);
        let left = left_edges.fold(f64::INFINITY, f64::min);
        centers.iter().map(|center| (center - left) as f32).collect()
    }
}

/// Straight down through every row, slanted only between rows.
fn polyline(
    route: &[usize],
    first_row: usize,
    center: &impl Fn(usize) -> f32,
    top: &impl Fn(usize) -> f32,
) -> Vec<[f32; 2]> {
    let last = route.len() - 1;
    let mut points = Vec::new();
    for (step, &place) in route.iter().enumerate() {
        let (x, y) = (center(place), top(first_row + step));
        if step > 0 {
            points.push([x, y]);
        }
        if step < last {
            points.push([x, y + BOX_HEIGHT_PX]);
        }
    }
    points
}

fn extent(boxes: &[LayerBox], columns: &[f32]) -> [f32; 2] {
    let right = boxes.iter().map(|place| place.corner[0] + place.size[0]).fold(0.0, f32::max);
    let lines_right = columns.iter().fold(0.0f32, |most, &column| most.max(column)) + MARGIN_PX;
    let bottom = boxes.iter().map(|place| place.corner[1] + place.size[1]).fold(0.0, f32::max);
    [right.max(lines_right) + MARGIN_PX, bottom + MARGIN_PX]
}

#[cfg(test)]
mod tests {
    use engraft::{Network, NetworkOptions};

    use super::{super::tests::layer, *};

    /// A block with a shortcut over three layers.
    fn block() -> Vec<Layer> {
        vec![
            layer("in", &[]),
            layer("a", &["in"]),
            layer("b", &["a"]),
            layer("c", &["b"]),
            layer("sum", &["in", "c"]),
        ]
    }

    fn network(name: &str) -> Vec<Layer> {
        Network::open(name.as_ref(), NetworkOptions::default()).unwrap().layers()
    }

    fn overlap(a: &LayerBox, b: &LayerBox) -> bool {
        (0..2).all(|axis| {
            a.corner[axis] < b.corner[axis] + b.size[axis] && b.corner[axis] < a.corner[axis] + a.size[axis]
        })
    }

    fn inside([x, y]: [f32; 2], place: &LayerBox) -> bool {
        let [left, top] = place.corner;
        x > left && x < left + place.size[0] && y > top + 0.5 && y < top + place.size[1] - 0.5
    }

    #[test]
    fn a_shortcut_runs_beside_the_boxes_it_passes() {
        let picture = lay_out(&block());
        let shortcut = picture.lines.iter().find(|line| line.len() > 2).unwrap();
        assert_eq!(shortcut.len(), 8, "through three rows");
        for ends in shortcut.windows(2) {
            let middle = [0, 1].map(|axis| f32::midpoint(ends[0][axis], ends[1][axis]));
            assert!(!picture.boxes.iter().any(|place| inside(middle, place)), "{middle:?}");
        }
    }

    #[test]
    fn no_two_boxes_overlap_and_all_lie_in_the_picture() {
        for layers in [block(), network("efficientnet_lite0")] {
            let picture = lay_out(&layers);
            assert_eq!(picture.boxes.len(), layers.len());
            for (index, place) in picture.boxes.iter().enumerate() {
                assert!(picture.boxes[..index].iter().all(|other| !overlap(place, other)), "{place:?}");
                for axis in 0..2 {
                    assert!(place.corner[axis] >= MARGIN_PX - 0.01, "{place:?}");
                    assert!(place.corner[axis] + place.size[axis] <= picture.size[axis], "{place:?}");
                }
            }
        }
    }

    #[test]
    fn lines_join_the_boxes_that_they_should() {
        let picture = lay_out(&block());
        let at = |point: [f32; 2], index: usize, lower: bool| {
            let place = &picture.boxes[index];
            let y = place.corner[1] + if lower { place.size[1] } else { 0.0 };
            (point[0] - place.corner[0] - place.size[0] / 2.0).abs() < 0.01 && (point[1] - y).abs() < 0.01
        };
        for (line, (source, reader)) in picture.lines.iter().zip(edges(&block())) {
            assert!(at(line[0], source, true) && at(line[line.len() - 1], reader, false), "{line:?}");
        }
    }

    #[test]
    fn the_same_network_gives_the_same_picture() {
        let layers = network("efficientnet_lite0");
        assert_eq!(lay_out(&layers), lay_out(&layers));
    }
}
