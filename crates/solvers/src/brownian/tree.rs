//! The virtual Brownian tree: one path, for any intervals.
//!
//! Halving `[l, r]` of length h with increment W and area H, at Z ~ N(0, h/16) and N ~ N(0, h/12):
//! `W_left = ½W + ³⁄₂H + Z`, `W_right = W − W_left`, `H_left = ¼H − ½Z + ½N`,
//! `H_right = ¼H − ½Z − ½N`
//!
//! Source: Li et al. 2020, §4 (the tree); Foster 2020, theorem 6.1.4 (halving with the
//! area). The normals of a node are drawn by its number, so only those on the way to
//! the last query are stored.

use super::{BrownianMotion, Interval, Replays};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::noise::{Noise, Stream};
use pyroclast_core::per_sample::from_host;
use std::cell::RefCell;

/// A Brownian path on a span of time. Queries in any order, at any refinement, forward or backward,
/// see the same path, on every backend. It is made on the host in f64.
///
/// Within a cell of `span/2^levels` the path is its conditional mean given the cell's W and H, a
/// parabola.
///
/// A query costs two normals per element and level on the way from the last query. For
/// consecutive steps that end on multiples of a cell, that is about one level.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_core::noise::Noise;
/// use pyroclast_solvers::brownian::Interval;
/// use pyroclast_solvers::{BrownianMotion, BrownianTree};
///
/// let tree = BrownianTree::new(Noise::new(0), 0, (0.0, 1.0), 10);
/// let like = Tensor::<NdArray<f64>, 2>::zeros([1, 1], &Default::default());
/// let w = |t, s| tree.increment(Interval { t, s, step: 0 }, [1, 1], &like).into_scalar();
/// // A refined path agrees with the coarse one.
/// assert!((w(0.0, 0.3) + w(0.3, 1.0) - w(0.0, 1.0)).abs() < 1e-12);
/// ```
#[derive(Debug)]
pub struct BrownianTree {
    noise: Noise,
    path: u32,
    span: (f64, f64),
    levels: u32,
    way: RefCell<Way>,
}

impl Replays for BrownianTree {}

/// The nodes from the root down to the last query, with the points found there.
#[derive(Debug, Default)]
struct Way {
    nodes: Vec<Node>,
    points: Vec<Point>,
}

/// A cell of the tree, on the way from the root.
#[derive(Debug, Clone)]
struct Node {
    /// 1 for the root, 2i and 2i + 1 for the halves of i.
    index: u64,
    left: f64,
    right: f64,
    w: Vec<f64>,
    h: Vec<f64>,
    /// The path at the left end.
    before: Point,
}

/// The path up to a time: `W_t` and `∫_0^t W_r dr`, counted from the start of the span.
#[derive(Debug, Clone)]
struct Point {
    t: f64,
    w: Vec<f64>,
    integral: Vec<f64>,
}

impl BrownianTree {
    /// Path number `path` of a seed, on `span`, resolved to `2^levels` cells.
    ///
    /// # Panics
    /// If the span is empty or not finite, or there are more than 31 levels.
    pub fn new(noise: Noise, path: u32, span: (f64, f64), levels: u32) -> Self {
        let span = (span.0.min(span.1), span.0.max(span.1));
        let length = span.1 - span.0;
        assert!(
            length > 0.0 && length.is_finite(),
            "a Brownian path needs two different, finite times, not {} and {}",
            span.0,
            span.1
        );
        assert!(
            levels <= 31,
            "a Brownian tree has at most 31 levels, not {levels}"
        );
        Self {
            noise,
            path,
            span,
            levels,
            way: RefCell::default(),
        }
    }

    /// Two standard normals per element, one after the other.
    fn normals(&self, index: u64, n: usize) -> Vec<f64> {
        let step = (u64::from(self.path) << 32) | index;
        self.noise.draws(Stream::Brownian, step).normals_f64(2 * n)
    }

    fn root(&self, n: usize) -> Node {
        let (left, right) = self.span;
        let normals = self.normals(1, n);
        let length = right - left;
        let scaled = |part: usize, std: f64| {
            let part = normals.iter().skip(part).step_by(2);
            part.map(|z| z * std).collect()
        };
        Node {
            index: 1,
            left,
            right,
            w: scaled(0, length.sqrt()),
            h: scaled(1, (length / 12.0).sqrt()),
            before: Point {
                t: left,
                w: vec![0.0; n],
                integral: vec![0.0; n],
            },
        }
    }

    /// The half of a cell that contains `t`.
    fn half(&self, node: &Node, t: f64) -> Node {
        let n = node.w.len();
        let length = node.right - node.left;
        let middle = node.left + 0.5 * length;
        let is_left = t < middle;
        // The root has used draw 1, so node i draws for its two halves under 2^31 + i.
        let normals = self.normals((1 << 31) + node.index, n);
        let (to_z, to_n) = ((length / 16.0).sqrt(), (length / 12.0).sqrt());
        let mut half = Node {
            index: 2 * node.index + u64::from(!is_left),
            left: if is_left { node.left } else { middle },
            right: if is_left { middle } else { node.right },
            w: Vec::with_capacity(n),
            h: Vec::with_capacity(n),
            before: node.before.clone(),
        };
        half.before.t = half.left;
        for i in 0..n {
            let (z, spread) = (to_z * normals[2 * i], to_n * normals[2 * i + 1]);
            let (w, h) = (node.w[i], node.h[i]);
            let w_left = 0.5 * w + 1.5 * h + z;
            let mean = 0.25 * h - 0.5 * z;
            if is_left {
                half.w.push(w_left);
                half.h.push(mean + 0.5 * spread);
            } else {
                half.w.push(w - w_left);
                half.h.push(mean - 0.5 * spread);
                let area = mean + 0.5 * spread + 0.5 * w_left;
                half.before.integral[i] += 0.5 * length * (half.before.w[i] + area);
                half.before.w[i] += w_left;
            }
        }
        half
    }

    /// The path up to t.
    fn point(&self, t: f64, n: usize) -> Point {
        let (start, end) = self.span;
        assert!(
            (start..=end).contains(&t),
            "t = {t} lies outside the Brownian path, which runs from {start} to {end}"
        );
        let way = &mut *self.way.borrow_mut();
        if way.nodes.first().is_none_or(|root| root.w.len() != n) {
            *way = Way {
                nodes: vec![self.root(n)],
                points: Vec::new(),
            };
        }
        if let Some(known) = way.points.iter().find(|point| point.t == t) {
            return known.clone();
        }
        // Only the root contains the end: reached through another cell, it would round differently.
        let holds = |node: &Node| node.left <= t && t < node.right;
        let depth = way.nodes.iter().take_while(|node| holds(node)).count();
        way.nodes.truncate(depth.max(1));
        loop {
            let node = way.nodes.last().expect("the root contains the whole span");
            let is_leaf = way.nodes.len() > self.levels as usize;
            if is_leaf || node.left == t || node.right == t {
                break;
            }
            let half = self.half(node, t);
            way.nodes.push(half);
        }
        let node = way.nodes.last().expect("the root at least");
        let length = node.right - node.left;
        let theta = (t - node.left) / length;
        let mut point = node.before.clone();
        point.t = t;
        for i in 0..n {
            let (w, h) = (node.w[i], node.h[i]);
            let area = theta * theta * (0.5 * w + (3.0 - 2.0 * theta) * h);
            point.integral[i] += length * (theta * point.w[i] + area);
            point.w[i] += theta * (w + 6.0 * (1.0 - theta) * h);
        }
        // A step asks for both of its endpoints, and one of them belonged to the last step too.
        if way.points.len() == 2 {
            way.points.remove(0);
        }
        way.points.push(point.clone());
        point
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
        let n = shape.iter().product();
        let (from, to) = (self.point(interval.t, n), self.point(interval.s, n));
        let w = to.w.iter().zip(&from.w).map(|(to, from)| to - from);
        from_host(w.collect(), shape, &like.device(), like.dtype())
    }

    fn increment_with_area(
        &self,
        interval: Interval,
        shape: [usize; D],
        like: &Tensor<B, D>,
    ) -> (Tensor<B, D>, Tensor<B, D>) {
        let n: usize = shape.iter().product();
        let Interval { t, s, .. } = interval;
        let (from, to) = (self.point(t, n), self.point(s, n));
        let (mut w, mut h) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for i in 0..n {
            let change = to.w[i] - from.w[i];
            let integral = to.integral[i] - from.integral[i];
            w.push(change);
            h.push(if s == t {
                0.0
            } else {
                integral / (s - t) - from.w[i] - 0.5 * change
            });
        }
        let tensor = |values| from_host(values, shape, &like.device(), like.dtype());
        (tensor(w), tensor(h))
    }
}
