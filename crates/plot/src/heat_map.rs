//! Values on a regular grid of the plane, as colours.

use image::{Rgb, RgbImage};

use crate::axes::{Axes, Axis};
use crate::canvas::{Canvas, Pen};
use crate::{colours, header, ticks};

/// The long side of the panel, in pixels.
const LONG_SIDE: f64 = 520.0;
/// The width of an arrow's lines, in pixels.
const STROKE: f32 = 1.2;

/// The nodes of a regular grid of the plane, row by row from the bottom, each row from the left.
#[derive(Clone, Copy, Debug)]
pub struct Mesh {
    /// The lower left node.
    pub low: [f64; 2],
    /// The distance between neighbours.
    pub spacing: f64,
    /// Nodes per row.
    pub columns: usize,
}

/// A heat map, on which points and arrows can be drawn.
///
/// ```
/// use pyroclast_plot::{HeatMap, MAGMA, Mesh, Rgb};
///
/// let mesh = Mesh { low: [-1.0, -1.0], spacing: 0.5, columns: 5 };
/// let values: Vec<f64> = (0..25).map(f64::from).collect();
/// let mut map = HeatMap::new(mesh, &values, &MAGMA, "a ramp", |value| value / 24.0);
/// map.dots([[0.0, 0.0], [0.5, 0.5]], 2.0, Rgb([90, 220, 255]));
/// map.arrow([-0.5, -0.5], [0.5, 0.0], Rgb([255; 3]));
/// assert!(map.into_image().width() > 500);
/// ```
pub struct HeatMap {
    axes: Axes,
    canvas: Canvas,
}

impl HeatMap {
    /// A map of the values at the nodes of a mesh, linear between nodes.
    ///
    /// `level` takes a value to its position in `colours`, from 0 to 1. The axes have the same
    /// scale.
    ///
    /// # Panics
    /// If the mesh has fewer than two rows or columns, or there are no colours.
    pub fn new(
        mesh: Mesh,
        values: &[f64],
        colours: &[Rgb<u8>],
        title: &str,
        level: impl Fn(f64) -> f64,
    ) -> Self {
        let rows = values.len() / mesh.columns;
        assert!(
            mesh.columns > 1 && rows > 1,
            "a mesh needs two rows and two columns"
        );
        assert!(!colours.is_empty(), "a heat map needs a colour");
        let lengths = [mesh.columns, rows].map(|nodes| (nodes - 1) as f64 * mesh.spacing);
        let longest = lengths[0].max(lengths[1]);
        let step = ticks::round_step(longest, 7);
        let axis = |i: usize| {
            let ends = [mesh.low[i], mesh.low[i] + lengths[i]];
            Axis::linear(ends, step, "")
        };
        let size = lengths.map(|length| (length / longest * LONG_SIDE) as f32);
        // Without a legend, the title alone stands above the panel.
        let top = header::height(title, 0);
        let axes = Axes::around(size, top, axis(0), axis(1));
        let mut canvas = axes.canvas();
        axes.draw(&mut canvas);
        canvas.fill_area(axes.panel(), |pixel| {
            let [x, y] = axes.value(pixel);
            let place = [
                (x - mesh.low[0]) / mesh.spacing,
                (y - mesh.low[1]) / mesh.spacing,
            ];
            colours::between(colours, level(interpolated(values, mesh.columns, place)))
        });
        header::draw(&mut canvas, axes.panel(), title, &[], 0);
        Self { axes, canvas }
    }

    /// Draws a dot at each point; the radius is in pixels.
    pub fn dots(
        &mut self,
        points: impl IntoIterator<Item = [f64; 2]>,
        radius: f32,
        colour: Rgb<u8>,
    ) {
        for [x, y] in points {
            let place = self.axes.place(x, y);
            self.canvas
                .dot(place, radius, colour, 1.0, self.axes.panel());
        }
    }

    /// Draws an arrow from one point to another.
    pub fn arrow(&mut self, from: [f64; 2], to: [f64; 2], colour: Rgb<u8>) {
        let pen = Pen {
            colour,
            alpha: 1.0,
            width: STROKE,
        };
        let [from, to] = [from, to].map(|[x, y]| self.axes.place(x, y));
        let along = [to[0] - from[0], to[1] - from[1]];
        let barb = |side: f32| {
            [
                to[0] - 0.3 * along[0] + side * along[1],
                to[1] - 0.3 * along[1] - side * along[0],
            ]
        };
        let clip = Some(self.axes.panel());
        self.canvas.line(&[from, to], pen, clip);
        self.canvas.line(&[barb(-0.15), to, barb(0.15)], pen, clip);
    }

    /// The finished picture.
    pub fn into_image(self) -> RgbImage {
        self.canvas.into_image()
    }
}

/// The value at a position counted in nodes, bilinear between its four neighbours.
fn interpolated(values: &[f64], columns: usize, [x, y]: [f64; 2]) -> f64 {
    let rows = values.len() / columns;
    let node = |place: f64, nodes: usize| {
        let node = place.floor().clamp(0.0, (nodes - 2) as f64);
        (node as usize, place - node)
    };
    let ((i, u), (j, v)) = (node(x, columns), node(y, rows));
    let row = |j: usize| {
        let left = j * columns + i;
        values[left] * (1.0 - u) + values[left + 1] * u
    };
    row(j) * (1.0 - v) + row(j + 1) * v
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colours::MAGMA;

    fn ramp() -> HeatMap {
        let mesh = Mesh {
            low: [0.0, 0.0],
            spacing: 1.0,
            columns: 3,
        };
        let values = [0.0, 1.0, 2.0, 0.0, 1.0, 2.0];
        HeatMap::new(mesh, &values, &MAGMA, "", |value| value / 2.0)
    }

    #[test]
    fn values_are_linear_between_nodes() {
        let values = [0.0, 1.0, 10.0, 11.0];
        assert_eq!(interpolated(&values, 2, [0.5, 0.25]), 3.0);
        assert_eq!(interpolated(&values, 2, [1.0, 1.0]), 11.0);
    }

    #[test]
    fn colours_follow_the_values_to_both_ends() {
        let map = ramp();
        let panel = map.axes.panel();
        let picture = map.into_image();
        let middle = ((panel.top + panel.bottom) / 2.0) as u32;
        let at = |x: f32| picture.get_pixel(x as u32, middle)[0];
        let (left, right) = (at(panel.left + 1.0), at(panel.right - 1.0));
        assert!(left <= 2 && right >= 250, "{left} {right}");
    }

    #[test]
    fn shapes_beyond_the_panel_are_not_drawn() {
        let (plain, mut drawn) = (ramp().into_image(), ramp());
        drawn.dots(
            [[-5.0, 0.5], [9.0, 9.0], [f64::NAN, 0.0]],
            4.0,
            Rgb([0, 255, 0]),
        );
        drawn.arrow([-9.0, 0.5], [-8.0, 0.5], Rgb([0, 255, 0]));
        assert_eq!(drawn.into_image(), plain);
    }
}
