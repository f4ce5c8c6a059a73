//! Areas and outlines, in pixels from the top left corner.

use std::f32::consts::{FRAC_PI_2, TAU};

use tiny_skia::{Path, PathBuilder, Point, Rect};

/// An outline to fill or stroke; `None` where it has no extent, which draws nothing.
pub type Shape = Option<Path>;

/// An upright rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

impl Area {
    pub fn new(left: f32, top: f32, width: f32, height: f32) -> Area {
        Area { left, top, right: left + width, bottom: top + height }
    }

    pub fn width(&self) -> f32 {
        self.right - self.left
    }

    pub fn height(&self) -> f32 {
        self.bottom - self.top
    }

    pub fn short_side(&self) -> f32 {
        self.width().min(self.height())
    }

    pub fn center(&self) -> Point {
        Point::from_xy((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }

    /// Smaller by `margin` on every side.
    pub fn inset(&self, margin: f32) -> Area {
        Area {
            left: self.left + margin,
            top: self.top + margin,
            right: self.right - margin,
            bottom: self.bottom - margin,
        }
    }

    /// The left part, `fraction` of the width, and the rest.
    pub fn split_columns(&self, fraction: f32) -> (Area, Area) {
        let x = self.left + fraction * self.width();
        (Area { right: x, ..*self }, Area { left: x, ..*self })
    }

    /// The upper part, `fraction` of the height, and the rest.
    pub fn split_rows(&self, fraction: f32) -> (Area, Area) {
        let y = self.top + fraction * self.height();
        (Area { bottom: y, ..*self }, Area { top: y, ..*self })
    }

    pub fn outline(&self) -> Shape {
        Rect::from_ltrb(self.left, self.top, self.right, self.bottom).map(PathBuilder::from_rect)
    }

    /// The outline with corners rounded by `radius`, at most half the short side.
    pub fn rounded(&self, radius: f32) -> Shape {
        let r = radius.min(self.short_side() / 2.0);
        if r < 0.5 {
            return self.outline();
        }
        let Area { left, top, right, bottom } = *self;
        let mut path = PathBuilder::new();
        path.move_to(left + r, top);
        path.line_to(right - r, top);
        path.quad_to(right, top, right, top + r);
        path.line_to(right, bottom - r);
        path.quad_to(right, bottom, right - r, bottom);
        path.line_to(left + r, bottom);
        path.quad_to(left, bottom, left, bottom - r);
        path.line_to(left, top + r);
        path.quad_to(left, top, left + r, top);
        path.close();
        path.finish()
    }
}

pub fn circle(center: Point, radius: f32) -> Shape {
    PathBuilder::from_circle(center.x, center.y, radius)
}

pub fn line(from: Point, to: Point) -> Shape {
    polyline(&[from, to])
}

pub fn polyline(points: &[Point]) -> Shape {
    open_path(points)?.finish()
}

pub fn polygon(points: &[Point]) -> Shape {
    let mut path = open_path(points)?;
    path.close();
    path.finish()
}

/// The point at `radius` and `angle` from `center`; angle 0 is up, growing clockwise, in radians.
pub fn polar(center: Point, radius: f32, angle: f32) -> Point {
    Point::from_xy(center.x + radius * angle.sin(), center.y - radius * angle.cos())
}

/// A piece of a ring; a pie slice where `inner` is 0.
#[derive(Clone, Copy, Debug)]
pub struct Sector {
    pub center: Point,
    /// Inner and outer radius.
    pub radii: (f32, f32),
    /// First and last angle as in [`polar`].
    pub angles: (f32, f32),
    /// Height over width of the ellipse that the ring is seen as.
    pub tilt: f32,
}

impl Sector {
    pub fn outline(&self) -> Shape {
        let mut points = self.arc(self.radii.1);
        if self.radii.0 > 0.0 {
            points.extend(self.arc(self.radii.0).into_iter().rev());
        } else if self.angles.1 - self.angles.0 < TAU - 1e-3 {
            points.push(self.center);
        }
        polygon(&points)
    }

    /// The point at `radius` in the middle of the sector's angles.
    pub fn middle(&self, radius: f32) -> Point {
        self.at(radius, self.mid_angle())
    }

    pub fn mid_angle(&self) -> f32 {
        (self.angles.0 + self.angles.1) / 2.0
    }

    /// The outer wall that is seen below a tilted ring, `depth` high; nothing where the sector faces away.
    pub fn wall(&self, depth: f32) -> Shape {
        let (first, last) = (self.angles.0.max(FRAC_PI_2), self.angles.1.min(3.0 * FRAC_PI_2));
        if last <= first {
            return None;
        }
        let front = Sector { angles: (first, last), ..*self };
        let mut points = front.arc(self.radii.1);
        points.extend(front.arc(self.radii.1).iter().rev().map(|p| Point::from_xy(p.x, p.y + depth)));
        polygon(&points)
    }

    fn arc(&self, radius: f32) -> Vec<Point> {
        let (first, last) = self.angles;
        let steps = ((last - first) / 0.04).ceil().max(1.0) as usize;
        (0..=steps).map(|i| self.at(radius, first + (last - first) * i as f32 / steps as f32)).collect()
    }

    fn at(&self, radius: f32, angle: f32) -> Point {
        let flat = polar(Point::zero(), radius, angle);
        Point::from_xy(self.center.x + flat.x, self.center.y + flat.y * self.tilt)
    }
}

fn open_path(points: &[Point]) -> Option<PathBuilder> {
    let (first, rest) = points.split_first()?;
    let mut path = PathBuilder::new();
    path.move_to(first.x, first.y);
    for point in rest {
        path.line_to(point.x, point.y);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polar_angles_start_at_the_top_and_run_clockwise() {
        for (angle, want) in [(0.0, (0.0, -2.0)), (FRAC_PI_2, (2.0, 0.0)), (2.0 * FRAC_PI_2, (0.0, 2.0))] {
            let got = polar(Point::zero(), 2.0, angle);
            assert!((got.x - want.0).abs() < 1e-5 && (got.y - want.1).abs() < 1e-5, "angle {angle}: {got:?}");
        }
    }

    #[test]
    fn splits_share_the_area() {
        let area = Area::new(10.0, 20.0, 100.0, 50.0);
        assert_eq!(
            area.split_columns(0.25),
            (Area::new(10.0, 20.0, 25.0, 50.0), Area::new(35.0, 20.0, 75.0, 50.0))
        );
        assert_eq!(
            area.split_rows(0.5),
            (Area::new(10.0, 20.0, 100.0, 25.0), Area::new(10.0, 45.0, 100.0, 25.0))
        );
    }

    #[test]
    fn a_slice_spans_its_quarter() {
        let slice = Sector { center: Point::zero(), radii: (0.0, 4.0), angles: (0.0, FRAC_PI_2), tilt: 1.0 };
        let bounds = slice.outline().unwrap().bounds();
        for (got, want) in
            [(bounds.left(), 0.0), (bounds.right(), 4.0), (bounds.top(), -4.0), (bounds.bottom(), 0.0)]
        {
            assert!((got - want).abs() < 1e-3, "{bounds:?}");
        }
    }

    #[test]
    fn only_the_front_of_a_tilted_ring_shows_its_wall() {
        let sector = |angles| Sector { center: Point::zero(), radii: (0.0, 4.0), angles, tilt: 0.5 };
        assert!(sector((0.0, 1.0)).wall(3.0).is_none());
        assert!(sector((2.0, 4.0)).wall(3.0).is_some());
    }

    #[test]
    fn shapes_without_extent_draw_nothing() {
        assert!(polyline(&[]).is_none());
        assert!(Area::new(5.0, 5.0, -1.0, 3.0).outline().is_none());
    }
}
