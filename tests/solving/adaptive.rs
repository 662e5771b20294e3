//! Adaptive solves: what they save, what bounds their steps, what stops them, and each sample of a
//! batch on its own.
//!
//! ndarray with f64 is the backend of record. flex, with its fused loops, runs the same tests where
//! they are cheap.

mod combined;
mod dense_output;
mod detest;
mod events;
mod per_sample;
mod step_control;

use crate::support::{bits, distance, host, state};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_ndarray::NdArray;
use pyroclast::core::field::{BatchField, VectorField};
use pyroclast::solvers::{Adaptive, Control, Direction, EmbeddedRk, Event, Solution};

type B = NdArray<f64>;

fn bits_of_all<T: Backend, const D: usize>(saved: &[(f64, Tensor<T, D>)]) -> Vec<(u64, Vec<u64>)> {
    (saved.iter())
        .map(|(t, x)| (t.to_bits(), bits(x.clone())))
        .collect()
}

fn name(pair: &EmbeddedRk) -> &'static str {
    pair.method.0.name
}

fn tolerance(tol: f64) -> Control {
    Control {
        max_steps: 1_000_000,
        ..Control::tolerance(tol)
    }
}

/// Steps of h, whatever their error.
fn fixed(h: f64) -> Control {
    Control {
        first_step: Some(h),
        dt_max: h,
        ..tolerance(1e12)
    }
}

type Field<T> = fn(f64, Tensor<T, 2>) -> Tensor<T, 2>;

/// `x = (sin t, cos t)` from (0, 1).
fn oscillator<T: Backend>(_: f64, x: Tensor<T, 2>) -> Tensor<T, 2> {
    Tensor::cat(vec![x.clone().narrow(1, 1, 1), -x.narrow(1, 0, 1)], 1)
}

/// `x = t` from 0, which every method solves without error.
fn clock<T: Backend>(_: f64, x: Tensor<T, 2>) -> Tensor<T, 2> {
    x.ones_like()
}

/// A problem with its solution from the start 0.
struct Problem<T: Backend> {
    field: Field<T>,
    exact: fn(f64) -> Vec<f64>,
}

fn problems<T: Backend>() -> [Problem<T>; 3] {
    [
        Problem {
            field: |_, x| x.clone() * (-x + 1.0) * 2.0,
            exact: |t| vec![1.0 / (1.0 + 4.0 * (-2.0 * t).exp())],
        },
        Problem {
            field: oscillator,
            exact: |t| vec![t.sin(), t.cos()],
        },
        Problem {
            field: |t, x| x * (t + 0.5).cos(),
            exact: |t| vec![(t + 0.5).sin().exp()],
        },
    ]
}

/// `x = 1/(1 − t)` from 1: a pole at t = 1.
fn pole<T: Backend>(_: f64, x: Tensor<T, 2>) -> Tensor<T, 2> {
    x.clone() * x
}

fn dense<T: Backend>(
    problem: &Problem<T>,
    pair: &EmbeddedRk,
    span: (f64, f64),
    control: Control,
) -> Solution<T, 2> {
    let start = state(&(problem.exact)(span.0));
    Adaptive::new(control)
        .dense()
        .solve(&problem.field, pair, start, span)
        .expect("a smooth problem")
}

/// The largest error at the inner eighths of every step.
fn error_within<T: Backend>(problem: &Problem<T>, solution: &Solution<T, 2>) -> f64 {
    let mut largest = 0.0_f64;
    for (start, end) in solution.steps(0) {
        for part in 1..8 {
            let t = start + (end - start) * f64::from(part) / 8.0;
            let x = solution.at(t).expect("a time of the span");
            largest = largest.max(distance(x, &(problem.exact)(t)));
        }
    }
    largest
}

/// A field with a time for each row, which is the same for all samples.
struct OfRows<'a, F>(&'a F);

impl<T: Backend, F: VectorField<T, 2>> BatchField<T, 2> for OfRows<'_, F> {
    fn velocities(&self, t: &[f64], x: Tensor<T, 2>, _: &[usize]) -> Tensor<T, 2> {
        let rows = (t.iter().enumerate())
            .map(|(i, &t)| self.0.velocity(t, x.clone().narrow(0, i, 1)))
            .collect();
        Tensor::cat(rows, 0)
    }
}

fn entry<T: Backend>(x: &Tensor<T, 2>, index: usize) -> f64 {
    host(x.clone())[index]
}

/// Coordinate i, shifted.
fn crossing<'a, T: Backend>(index: usize, level: f64, direction: Direction) -> Event<'a, T, 2> {
    Event::new(move |_, x| entry(x, index) - level, direction)
}

/// A solve with some events.
fn until<'a, T: Backend>(control: Control, events: &[Event<'a, T, 2>]) -> Adaptive<'a, T, 2> {
    Adaptive {
        events: events.to_vec(),
        ..Adaptive::new(control)
    }
}
