//! The exact field of a mixture held to the continuity equation and to that of Fokker and Planck, on three grids; and a drift that fails.
//!
//! What a velocity and an SDE do to a density can be checked without solving either.

mod picture;

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::Flex;
use picture::{MAGMA, Panel, save};
use pyroclast::core::analytic::GaussianMixture;
use pyroclast::core::conservation::PlaneGrid;
use pyroclast::core::field::{Sde, VectorField};
use pyroclast::core::reverse_sde::{NoiseLevel, ReverseSde};
use pyroclast::core::schedule::Trigonometric;

const T: f64 = 0.7;
const G: f64 = 0.8;

/// matplotlib's viridis, by five of its colours.
const VIRIDIS: [[u8; 3]; 5] = [
    [68, 1, 84],
    [59, 82, 139],
    [33, 145, 140],
    [94, 201, 98],
    [253, 231, 37],
];

fn tensor(points: Vec<f64>) -> Tensor<Flex, 2> {
    let data = TensorData::new(points.clone(), [points.len() / 2, 2]);
    Tensor::from_data(data, (&Default::default(), DType::F64))
}

fn host<const D: usize>(x: Tensor<Flex, D>) -> Vec<f64> {
    x.into_data().into_vec().expect("the mixture is in f64")
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, v| v.abs().max(most))
}

fn arrow(panel: &mut Panel, from: [f64; 2], by: [f64; 2]) {
    let to = [from[0] + by[0], from[1] + by[1]];
    panel.stroke(from, to, 0.6, [255; 3]);
    for side in [-0.15, 0.15] {
        let barb = [
            to[0] - 0.3 * by[0] + side * by[1],
            to[1] - 0.3 * by[1] - side * by[0],
        ];
        panel.stroke(to, barb, 0.6, [255; 3]);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let means = tensor(vec![-2.2, -1.3, -0.6, 2.0, 2.1, -0.2]);
    let field = GaussianMixture::new(means, &[0.3, 0.3, 0.4], &[0.4, 0.6, 0.5], Trigonometric);
    let sde = ReverseSde {
        field: field.clone(),
        noise_level: NoiseLevel::Constant(G),
    };
    println!(
        "largest |residual| over largest |∂p/∂t|, and by what factor it fell from the last grid"
    );
    println!("cells   continuity, u         Fokker–Planck, drift    Fokker–Planck, u alone");
    let mut last: Option<[f64; 3]> = None;
    let mut drawn = None;
    for cells in [60, 120, 240] {
        let grid = PlaneGrid {
            low: [-4.5; 2],
            spacing: 9.0 / cells as f64,
            columns: cells + 1,
            rows: cells + 1,
        };
        // Time and space are refined together: both have an error of second order.
        let (x, tau) = (tensor(grid.points()), 0.8 / cells as f64);
        let p = [T - tau, T, T + tau].map(|t| host(field.log_density(t, x.clone()).exp()));
        let [before, now, after] = &p;
        let change: Vec<f64> = after.iter().zip(before).map(|(a, b)| a - b).collect();
        let scale = largest(&change) / (2.0 * tau);

        let velocity = host(field.velocity(T, x.clone()));
        let drift = host(sde.drift(T, x));
        let residual = |u, g| grid.residual([before, now, after], tau, u, g);
        let continuity = residual(&velocity, 0.0);
        let found = [&continuity, &residual(&drift, G), &residual(&velocity, G)]
            .map(|residual| largest(residual) / scale);
        let cell = |i: usize| match last {
            Some(last) => format!("{:.1e} ({:.2})", found[i], last[i] / found[i]),
            None => format!("{:.1e}", found[i]),
        };
        println!("{cells:>5}   {:<20}  {:<22}  {}", cell(0), cell(1), cell(2));
        last = Some(found);
        let relative: Vec<f64> = continuity.iter().map(|r| r / scale).collect();
        drawn = Some((grid, p, velocity, relative));
    }

    // Left the density with its velocity; right the residual of continuity over the largest |∂p/∂t|, from 10⁻⁷ to 10⁻².
    let (grid, [_, p, _], u, residual) = drawn.expect("three grids");
    let top = largest(&p);
    let mut left = Panel::heat(&grid, &p, 2, &MAGMA, |p| (p / top).sqrt());
    for (k, at) in grid.points().chunks(2).enumerate() {
        let (i, j) = (k % grid.columns, k / grid.columns);
        // No arrows where there is next to no density to move.
        if i % 12 == 0 && j % 12 == 0 && p[k] > 4e-3 * top {
            arrow(
                &mut left,
                [at[0], at[1]],
                [0.11 * u[2 * k], 0.11 * u[2 * k + 1]],
            );
        }
    }
    let decades = |r: f64| (r.abs().log10() + 7.0) / 5.0;
    let right = Panel::heat(&grid.inner(), &residual, 2, &VIRIDIS, decades);
    println!("{}", save(&[left, right], "conservation.png")?.display());
    Ok(())
}
