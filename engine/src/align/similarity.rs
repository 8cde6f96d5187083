//! The similarity transform between two sets of points.

use crate::Point;

/// A turn, a uniform scale and a shift: `x' = a·x − b·y + dx`, `y' = b·x + a·y + dy`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimilarityTransform {
    a: f32,
    b: f32,
    dx: f32,
    dy: f32,
}

impl SimilarityTransform {
    /// The transform that carries `from` onto `to` with the least sum of squared distances.
    ///
    /// Umeyama, "Least-squares estimation of transformation parameters between two point patterns"
    /// (PAMI 1991), in two dimensions and without mirroring, where the solution needs no SVD.
    /// Points that all coincide give a transform of scale 0.
    pub fn estimate<const N: usize>(from: &[Point; N], to: &[Point; N]) -> Self {
        let (from_mean, to_mean) = (mean(from), mean(to));
        let (mut dot, mut cross, mut spread) = (0.0_f64, 0.0_f64, 0.0_f64);
        for (p, q) in from.iter().zip(to) {
            let (px, py) = (f64::from(p.x) - from_mean.0, f64::from(p.y) - from_mean.1);
            let (qx, qy) = (f64::from(q.x) - to_mean.0, f64::from(q.y) - to_mean.1);
            dot += px * qx + py * qy;
            cross += px * qy - py * qx;
            spread += px * px + py * py;
        }
        let (a, b) = if spread > 0.0 { (dot / spread, cross / spread) } else { (0.0, 0.0) };
        Self {
            a: a as f32,
            b: b as f32,
            dx: (to_mean.0 - a * from_mean.0 + b * from_mean.1) as f32,
            dy: (to_mean.1 - b * from_mean.0 - a * from_mean.1) as f32,
        }
    }

    /// A scale about the origin, then a shift.
    pub const fn scale_then_shift(scale: f32, dx: f32, dy: f32) -> Self {
        Self { a: scale, b: 0.0, dx, dy }
    }

    /// Where `point` lands.
    pub fn apply(&self, point: Point) -> Point {
        Point::new(self.a * point.x - self.b * point.y + self.dx, self.b * point.x + self.a * point.y + self.dy)
    }

    /// What becomes of the way between two points.
    pub(crate) fn turn(&self, way: Point) -> Point {
        Point::new(self.a * way.x - self.b * way.y, self.b * way.x + self.a * way.y)
    }

    /// How much longer a line becomes.
    pub fn scale(&self) -> f32 {
        self.a.hypot(self.b)
    }

    /// The way back; of a transform of scale 0, which has none, one that leads nowhere (no number).
    pub fn inverse(&self) -> Self {
        let squared_scale = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / squared_scale, -self.b / squared_scale);
        Self { a, b, dx: b * self.dy - a * self.dx, dy: -(b * self.dx + a * self.dy) }
    }

    /// This transform, then `scale` about the origin, then a shift.
    pub(super) fn then(&self, scale: f32, dx: f32, dy: f32) -> Self {
        Self { a: self.a * scale, b: self.b * scale, dx: self.dx * scale + dx, dy: self.dy * scale + dy }
    }
}

fn mean(points: &[Point]) -> (f64, f64) {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + f64::from(p.x), y + f64::from(p.y)));
    (x / n, y / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: [Point; 4] = [Point::new(0.0, 0.0), Point::new(2.0, 0.0), Point::new(2.0, 2.0), Point::new(0.0, 2.0)];

    #[test]
    fn recovers_a_known_turn_scale_and_shift() {
        let (angle, scale) = (0.3_f32, 1.7_f32);
        let known = SimilarityTransform { a: scale * angle.cos(), b: scale * angle.sin(), dx: 5.0, dy: -3.0 };
        let found = SimilarityTransform::estimate(&SQUARE, &SQUARE.map(|p| known.apply(p)));
        for p in SQUARE {
            let (expected, actual) = (known.apply(p), found.apply(p));
            assert!((expected.x - actual.x).hypot(expected.y - actual.y) < 1e-5);
        }
        assert!((found.scale() - scale).abs() < 1e-6);
    }

    #[test]
    fn the_way_back_leads_to_where_it_began() {
        let there = SimilarityTransform { a: 1.2, b: -0.7, dx: 5.0, dy: -3.0 };
        for p in SQUARE {
            let back = there.inverse().apply(there.apply(p));
            assert!((back.x - p.x).hypot(back.y - p.y) < 1e-5);
        }
    }

    #[test]
    fn points_that_coincide_give_no_nan() {
        let found = SimilarityTransform::estimate(&[Point::new(1.0, 1.0); 4], &SQUARE);
        assert_eq!(found.apply(Point::new(9.0, 9.0)), Point::new(1.0, 1.0));
    }
}
