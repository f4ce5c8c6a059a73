//! Where names stand beside the dots they belong to.

use super::{DOT_PX, TEXT_PX};

/// Mean width of a letter, as a fraction of the text's size; names are lower case and digits.
const LETTER_WIDTH: f64 = 0.6;

const GAP_PX: f64 = 8.0;

/// Farthest a name is moved up or down from its dot, in lines.
const FARTHEST_LINES: i32 = 12;

/// A rectangle, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Area {
    /// The area between these edges: left, top, right, bottom.
    pub fn between([left, top, right, bottom]: [f64; 4]) -> Area {
        Area { left, top, right, bottom }
    }

    fn overlaps(&self, other: &Area) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn lies_in(&self, frame: &Area) -> bool {
        self.left >= frame.left
            && self.right <= frame.right
            && self.top >= frame.top
            && self.bottom <= frame.bottom
    }
}

/// An estimate of the width of a text, in pixels.
pub fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER_WIDTH * TEXT_PX
}

/// A place for each name within `frame`, as near to its dot as the others allow; earlier names choose first.
pub fn place_labels(names: &[&str], dots: &[[f64; 2]], frame: Area) -> Vec<Area> {
    let dot = |&[x, y]: &[f64; 2]| Area::between([x - DOT_PX, y - DOT_PX, x + DOT_PX, y + DOT_PX]);
    let mut taken: Vec<Area> = dots.iter().map(dot).collect();
    for (name, &dot) in names.iter().zip(dots) {
        let places = candidates(text_width(name), dot);
        let is_free =
            |place: &&Area| place.lies_in(&frame) && !taken.iter().any(|other| other.overlaps(place));
        let place = *places.iter().find(is_free).unwrap_or(&places[0]);
        taken.push(place);
    }
    taken.split_off(dots.len())
}

/// Beside the dot, then ever farther above and below it.
fn candidates(width: f64, [x, y]: [f64; 2]) -> Vec<Area> {
    let lines = (0..=FARTHEST_LINES).flat_map(|line| if line == 0 { vec![0] } else { vec![-line, line] });
    lines
        .flat_map(|line| {
            let top = y + (f64::from(line) - 0.5) * (TEXT_PX + 2.0);
            [x + GAP_PX, x - GAP_PX - width].map(|left| Area {
                left,
                top,
                right: left + width,
                bottom: top + TEXT_PX + 2.0,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Area = Area { left: 0.0, top: 0.0, right: 300.0, bottom: 300.0 };

    #[test]
    fn names_cover_neither_each_other_nor_a_dot_and_stay_inside() {
        let dots =
            [[150.0, 150.0], [152.0, 151.0], [149.0, 149.0], [290.0, 5.0], [10.0, 299.0], [160.0, 150.0]];
        let names = ["first", "second", "third", "at_the_edge", "corner", "sixth"];
        let places = place_labels(&names, &dots, FRAME);
        for (index, place) in places.iter().enumerate() {
            assert!(place.lies_in(&FRAME), "{}: {place:?}", names[index]);
            assert!(
                !places[..index].iter().any(|other| other.overlaps(place)),
                "{}: {place:?}",
                names[index]
            );
            let covers = |[x, y]: &[f64; 2]| {
                place.left < *x && *x < place.right && place.top < *y && *y < place.bottom
            };
            assert!(!dots.iter().any(covers), "{}: {place:?}", names[index]);
        }
    }

    #[test]
    fn a_name_alone_stands_right_of_its_dot() {
        let [place] = place_labels(&["name"], &[[100.0, 100.0]], FRAME)[..] else { panic!("one name") };
        assert!(place.left > 100.0 && place.top < 100.0 && place.bottom > 100.0, "{place:?}");
    }

    #[test]
    fn a_name_without_any_free_place_is_still_placed() {
        let narrow = Area { right: 20.0, ..FRAME };
        assert_eq!(place_labels(&["much_too_long"], &[[10.0, 10.0]], narrow).len(), 1);
    }
}
