//! The exact field of a mixture, checked against the continuity equation and the Fokker–Planck
//! equation on three grids; and a drift that fails both.
//!
//! What a velocity and an SDE do to a density can be checked without solving either.

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::Flex;
use pyroclast::core::analytic::GaussianMixture;
use pyroclast::core::conservation::PlaneGrid;
use pyroclast::core::field::{Sde, VectorField};
use pyroclast::core::reverse_sde::{NoiseLevel, ReverseSde};
use pyroclast::core::schedule::Trigonometric;
use pyroclast_plot::{HeatMap, MAGMA, Mesh, Rgb, VIRIDIS, side_by_side};

const T: f64 = 0.7;
const G: f64 = 0.8;

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

fn mesh(grid: &PlaneGrid) -> Mesh {
    Mesh {
        low: grid.low,
        spacing: grid.spacing,
        columns: grid.columns,
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

    let (grid, [_, p, _], u, residual) = drawn.expect("three grids");
    let top = largest(&p);
    let title = "density and velocity";
    let mut left = HeatMap::new(mesh(&grid), &p, &MAGMA, title, |p| (p / top).sqrt());
    for (k, at) in grid.points().chunks(2).enumerate() {
        let (i, j) = (k % grid.columns, k / grid.columns);
        // No arrows where there is next to no density to move.
        if i % 12 == 0 && j % 12 == 0 && p[k] > 4e-3 * top {
            let to = [0, 1].map(|axis| at[axis] + 0.11 * u[2 * k + axis]);
            left.arrow([at[0], at[1]], to, Rgb([255; 3]));
        }
    }
    // Over the largest |∂p/∂t|, from 10⁻⁷ to 10⁻².
    let decades = |r: f64| (r.abs().log10() + 7.0) / 5.0;
    let title = "residual of continuity";
    let right = HeatMap::new(mesh(&grid.inner()), &residual, &VIRIDIS, title, decades);
    let path = "runs/examples/conservation.png";
    std::fs::create_dir_all("runs/examples")?;
    side_by_side(&[left.into_image(), right.into_image()]).save(path)?;
    println!("picture: {path}");
    Ok(())
}
