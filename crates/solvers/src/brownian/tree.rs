//! The virtual Brownian tree: one path, for any intervals.
//!
//! Halving `[l, r]` of length h with increment W and area H, at Z ~ N(0, h/16) and N ~ N(0, h/12):
//! `W_left = ½W + ³⁄₂H + Z`, `W_right = W − W_left`, `H_left = ¼H − ½Z + ½N`,
//! `H_right = ¼H − ½Z − ½N`
//!
//! Joining two neighbours of lengths a and b: `W = W_a + W_b`,
//! `H = (a·H_a + b·H_b + ½(b·W_a − a·W_b))/(a + b)`
//!
//! Source: Li et al. 2020, §4 (the tree); Foster 2020, theorem 6.1.4 (halving with the
//! area). The normals of a cell are drawn by its number, so only those on the way to
//! the last query are stored. An interval is joined from the cells that fill it, never a difference
//! of two points of the path, so that a short one is as precise as a long one.

use super::{BrownianMotion, Interval, Replays};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::noise::{Noise, Stream};
use pyroclast_core::per_sample::from_host;
use std::cell::RefCell;

/// How often the span can be halved: its cells are then as long as the shortest step of a solve,
/// and times are whole numbers of them.
const DEPTH: usize = 48;
/// The fewest cells of the tree in a step that ends on one.
const FINENESS: f64 = 16.0;

/// A Brownian path on a span of time. Queries in any order, of any length, forward or backward, see
/// the same path, on every backend. It is made on the host in f64, and the path of an element does
/// not depend on how many there are.
///
/// Times are resolved to 2⁻⁴⁸ of the span. Intervals of any length above have the right
/// distribution, and add up.
///
/// A query costs two normals per element and halving on the way from the last query. An interval
/// that halving reaches takes one or two of them, and adaptive steps end at [such
/// times](Replays::landing); one between arbitrary times goes down to the resolution, which takes
/// some forty. The halvings on the way to the last query are kept: at most
/// 48, with two numbers per element each.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_core::noise::Noise;
/// use pyroclast_solvers::brownian::Interval;
/// use pyroclast_solvers::{BrownianMotion, BrownianTree};
///
/// let tree = BrownianTree::new(Noise::new(0), 0, (0.0, 1.0));
/// let like = Tensor::<NdArray<f64>, 2>::zeros([1, 1], &Default::default());
/// let w = |t, s| tree.increment(Interval { t, s, step: 0 }, [1, 1], &like).into_scalar();
/// // A refined path agrees with the coarse one.
/// assert!((w(0.0, 0.3) + w(0.3, 1.0) - w(0.0, 1.0)).abs() < 1e-12);
/// ```
#[derive(Debug)]
pub struct BrownianTree {
    noise: Noise,
    span: (f64, f64),
    /// The cells from the whole span down to the last query; the i-th was halved i times.
    way: RefCell<Vec<Cell>>,
}

/// Steps end where halving leads to, in cells of at most 1/16 of the step.
impl Replays for BrownianTree {
    fn landing(&self, t: f64, s: f64) -> f64 {
        let (start, end) = self.span;
        let parts = (FINENESS * (end - start) / (s - t).abs()).log2().ceil();
        if !(0.0..=DEPTH as f64).contains(&parts) {
            return s;
        }
        let cell = (end - start) / parts.exp2();
        let cells = (s - start) / cell;
        let whole = if s > t { cells.floor() } else { cells.ceil() };
        start + whole * cell
    }
}

/// What the span is when halved some number of times.
#[derive(Debug)]
struct Cell {
    /// 1 for the whole span, 2i and 2i + 1 for the halves of i.
    index: u64,
    w: Vec<f64>,
    h: Vec<f64>,
}

/// The path over some time, in units of the resolution.
#[derive(Debug)]
struct Piece {
    length: u64,
    w: Vec<f64>,
    h: Vec<f64>,
}

/// The sides of a cut, and the halves of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// The length of a cell that was halved `depth` times.
fn length(depth: usize) -> u64 {
    1 << (DEPTH - depth)
}

/// Where a cell that was halved `depth` times begins.
fn start(index: u64, depth: usize) -> u64 {
    (index << (DEPTH - depth)) - length(0)
}

impl Piece {
    fn of(cell: &Cell, depth: usize) -> Self {
        Self {
            length: length(depth),
            w: cell.w.clone(),
            h: cell.h.clone(),
        }
    }

    /// What its half leaves of a cell that was halved `depth` times.
    fn other_half(cell: &Cell, half: &Cell, depth: usize) -> Self {
        // H = ½(H_left + H_right) + ¼(W_left − W_right), from joining.
        let sign = if half.index.is_multiple_of(2) {
            1.0
        } else {
            -1.0
        };
        let w: Vec<f64> = cell
            .w
            .iter()
            .zip(&half.w)
            .map(|(w, half)| w - half)
            .collect();
        let halves = half.w.iter().zip(&half.h).zip(&w);
        let areas = (cell.h.iter().zip(halves))
            .map(|(h, ((w_half, h_half), w))| 2.0 * h - 0.5 * sign * (w_half - w) - h_half);
        Self {
            length: length(depth + 1),
            h: areas.collect(),
            w,
        }
    }

    /// This piece and its neighbour on one side.
    fn join(self, other: Self, side: Side) -> Self {
        let (mut left, right) = match side {
            Side::Left => (other, self),
            Side::Right => (self, other),
        };
        let length = left.length + right.length;
        let (a, b) = (
            left.length as f64 / length as f64,
            right.length as f64 / length as f64,
        );
        let right = right.w.iter().zip(&right.h);
        for ((w, h), (w_right, h_right)) in left.w.iter_mut().zip(&mut left.h).zip(right) {
            *h = a * *h + b * h_right + 0.5 * (b * *w - a * w_right);
            *w += w_right;
        }
        left.length = length;
        left
    }
}

impl BrownianTree {
    /// Path number `path` of a seed, on `span`.
    ///
    /// # Panics
    /// If the span is empty or not finite.
    pub fn new(noise: Noise, path: u32, span: (f64, f64)) -> Self {
        let span = (span.0.min(span.1), span.0.max(span.1));
        let length = span.1 - span.0;
        assert!(
            length > 0.0 && length.is_finite(),
            "a Brownian path needs two different, finite times, not {} and {}",
            span.0,
            span.1
        );
        Self {
            noise: noise.fork(&format!("path {path}")),
            span,
            way: RefCell::default(),
        }
    }

    /// A time in units of the resolution, from the start of the span.
    fn place(&self, t: f64) -> u64 {
        let (start, end) = self.span;
        assert!(
            (start..=end).contains(&t),
            "t = {t} lies outside the Brownian path, which runs from {start} to {end}"
        );
        ((t - start) / (end - start) * length(0) as f64).round() as u64
    }

    /// Two standard normals per element, one after the other.
    fn normals(&self, index: u64, n: usize) -> Vec<f64> {
        self.noise.draws(Stream::Brownian, index).normals_f64(2 * n)
    }

    fn root(&self, n: usize) -> Cell {
        // The halves of cell i are drawn under i.
        let normals = self.normals(0, n);
        let length = self.span.1 - self.span.0;
        let scaled = |part: usize, std: f64| {
            let part = normals.iter().skip(part).step_by(2);
            part.map(|z| z * std).collect()
        };
        Cell {
            index: 1,
            w: scaled(0, length.sqrt()),
            h: scaled(1, (length / 12.0).sqrt()),
        }
    }

    /// A half of a cell that was halved `depth` times.
    fn half(&self, cell: &Cell, depth: usize, side: Side) -> Cell {
        let n = cell.w.len();
        let normals = self.normals(cell.index, n);
        let length = (self.span.1 - self.span.0) / (1_u64 << depth) as f64;
        let (to_z, to_n) = ((length / 16.0).sqrt(), (length / 12.0).sqrt());
        let mut half = Cell {
            index: 2 * cell.index + u64::from(side == Side::Right),
            w: Vec::with_capacity(n),
            h: Vec::with_capacity(n),
        };
        for i in 0..n {
            let (z, spread) = (to_z * normals[2 * i], to_n * normals[2 * i + 1]);
            let (w, h) = (cell.w[i], cell.h[i]);
            let w_left = 0.5 * w + 1.5 * h + z;
            let mean = 0.25 * h - 0.5 * z;
            match side {
                Side::Left => {
                    half.w.push(w_left);
                    half.h.push(mean + 0.5 * spread);
                }
                Side::Right => {
                    half.w.push(w - w_left);
                    half.h.push(mean - 0.5 * spread);
                }
            }
        }
        half
    }

    /// Makes a half of the cell at `depth` the next one on the way.
    fn descend(&self, way: &mut Vec<Cell>, depth: usize, side: Side) {
        let index = 2 * way[depth].index + u64::from(side == Side::Right);
        if way.get(depth + 1).is_none_or(|cell| cell.index != index) {
            way.truncate(depth + 1);
            way.push(self.half(&way[depth], depth, side));
        }
    }

    /// What lies on one side of a cut in the cell at `depth`.
    fn part(&self, way: &mut Vec<Cell>, mut depth: usize, cut: u64, side: Side) -> Piece {
        // Pieces come in the direction of the cut, and shrink.
        let mut kept: Option<Piece> = None;
        let with = |kept: Option<Piece>, piece: Piece| match kept {
            Some(kept) => kept.join(piece, side.other()),
            None => piece,
        };
        loop {
            let first = start(way[depth].index, depth);
            let is_whole = match side {
                Side::Left => cut == first + length(depth),
                Side::Right => cut == first,
            };
            if is_whole {
                return with(kept, Piece::of(&way[depth], depth));
            }
            let middle = first + length(depth + 1);
            let half = match side {
                Side::Left if cut > middle => Side::Right,
                Side::Left => Side::Left,
                Side::Right if cut < middle => Side::Left,
                Side::Right => Side::Right,
            };
            self.descend(way, depth, half);
            if half != side {
                let other = Piece::other_half(&way[depth], &way[depth + 1], depth);
                kept = Some(with(kept, other));
            }
            depth += 1;
        }
    }

    /// The path from one place to a later one.
    fn piece(&self, from: u64, to: u64, n: usize) -> Piece {
        let way = &mut *self.way.borrow_mut();
        if way.first().is_none_or(|root| root.w.len() != n) {
            *way = vec![self.root(n)];
        }
        let mut depth = 0;
        loop {
            let first = start(way[depth].index, depth);
            if (from, to) == (first, first + length(depth)) {
                return Piece::of(&way[depth], depth);
            }
            let middle = first + length(depth + 1);
            let side = match (to <= middle, from >= middle) {
                (true, _) => Side::Left,
                (_, true) => Side::Right,
                _ => break,
            };
            self.descend(way, depth, side);
            depth += 1;
        }
        // It lies in both halves. The one on the way comes first, and is not made again.
        let left = |way: &mut Vec<Cell>| {
            self.descend(way, depth, Side::Left);
            self.part(way, depth + 1, from, Side::Right)
        };
        let right = |way: &mut Vec<Cell>| {
            self.descend(way, depth, Side::Right);
            self.part(way, depth + 1, to, Side::Left)
        };
        let is_on_right = (way.get(depth + 1)).is_some_and(|cell| !cell.index.is_multiple_of(2));
        if is_on_right {
            let right = right(way);
            left(way).join(right, Side::Right)
        } else {
            left(way).join(right(way), Side::Right)
        }
    }

    /// W and H over an interval.
    fn over(&self, Interval { t, s, .. }: Interval, n: usize) -> (Vec<f64>, Vec<f64>) {
        let (from, to) = (self.place(t), self.place(s));
        if from == to {
            return (vec![0.0; n], vec![0.0; n]);
        }
        let Piece { mut w, h, .. } = self.piece(from.min(to), from.max(to), n);
        // From the other end the path falls by W, and H is the same.
        if to < from {
            w.iter_mut().for_each(|w| *w = -*w);
        }
        (w, h)
    }
}

impl<B: Backend, const D: usize> BrownianMotion<B, D> for BrownianTree {
    /// # Panics
    /// If the interval does not lie within the path's span.
    fn increment(
        &self,
        interval: Interval,
        shape: [usize; D],
        like: &Tensor<B, D>,
    ) -> Tensor<B, D> {
        let (w, _) = self.over(interval, shape.iter().product());
        from_host(w, shape, &like.device(), like.dtype())
    }

    fn increment_with_area(
        &self,
        interval: Interval,
        shape: [usize; D],
        like: &Tensor<B, D>,
    ) -> (Tensor<B, D>, Tensor<B, D>) {
        let (w, h) = self.over(interval, shape.iter().product());
        let tensor = |values| from_host(values, shape, &like.device(), like.dtype());
        (tensor(w), tensor(h))
    }
}
