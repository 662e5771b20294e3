//! Langevin dynamics on five modes of the plane, with and without the Metropolis–Hastings test.
//!
//! The step is long on purpose: unadjusted, it spreads every mode too far; adjusted, it may be
//! rejected but leaves the distribution as it is.

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::Flex;
use pyroclast::core::analytic::{GaussianMixture, Marginal};
use pyroclast::core::conservation::PlaneGrid;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::schedule::Linear;
use pyroclast::solvers::{
    AdjustedLangevin, EulerMaruyama, Increments, LangevinDynamics, TimeGrid, integrate,
};
use pyroclast_plot::{HeatMap, MAGMA, Mesh, Rgb, side_by_side};

const CHAINS: usize = 4000;
const STEPS: usize = 1000;
const STEP: f64 = 0.3;
const WEIGHTS: [f64; 5] = [0.1, 0.15, 0.2, 0.25, 0.3];
/// The standard deviation of a mode.
const STD: f64 = 0.5;

fn tensor(points: Vec<f64>) -> Tensor<Flex, 2> {
    let data = TensorData::new(points.clone(), [points.len() / 2, 2]);
    Tensor::from_data(data, (&Default::default(), DType::F64))
}

fn host<const D: usize>(x: Tensor<Flex, D>) -> Vec<f64> {
    x.into_data().into_vec().expect("the mixture is in f64")
}

/// Prints the shares of the modes, by the nearest mode of each point, and the root mean square
/// distance to it per coordinate.
fn report(name: &str, points: &[f64], means: &[f64]) {
    let (mut shares, mut squares) = ([0.0; 5], 0.0);
    for x in points.chunks(2) {
        let squared = |k: usize| (x[0] - means[2 * k]).powi(2) + (x[1] - means[2 * k + 1]).powi(2);
        let nearest = (0..5)
            .min_by(|&a, &b| squared(a).total_cmp(&squared(b)))
            .expect("five modes");
        shares[nearest] += 1.0 / CHAINS as f64;
        squares += squared(nearest) / (2 * CHAINS) as f64;
    }
    let shares: Vec<String> = shares.iter().map(|share| format!("{share:.3}")).collect();
    println!("{name:<12} {}   {:.3}", shares.join(" "), squares.sqrt());
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let means: Vec<f64> = (0..5)
        .map(|k| std::f64::consts::TAU * f64::from(k) / 5.0)
        .flat_map(|angle| [-2.0 * angle.sin(), 2.0 * angle.cos()])
        .collect();
    let field = GaussianMixture::new(
        tensor(means.clone()),
        &WEIGHTS,
        &[STD; 5],
        Linear::default(),
    );
    let target = Marginal {
        field: &field,
        t: 1.0,
    };

    let noise = Noise::new(0);
    let mut draws = noise.draws(Stream::Data, 0);
    let exact: Vec<f64> = (0..CHAINS)
        .flat_map(|_| {
            let u = draws.uniform();
            let mode = [0.1, 0.25, 0.45, 0.7]
                .iter()
                .filter(|end| u > **end)
                .count();
            [0, 1].map(|i| means[2 * mode + i] + STD * draws.normal())
        })
        .collect();
    let start =
        noise
            .draws(Stream::Sampler, 0)
            .normal_tensor([CHAINS, 2], &Default::default(), DType::F64);

    let adjusted = AdjustedLangevin {
        step: STEP,
        noise,
        first: 1,
    }
    .run(&target, start.clone(), STEPS);
    let dynamics = LangevinDynamics { target, level: 1.0 };
    let method = EulerMaruyama {
        brownian: Increments { noise, first: 1 },
    };
    let grid = TimeGrid::uniform(0.0, STEP * STEPS as f64, STEPS);
    let unadjusted = host(integrate(&dynamics, &method, start, &grid));
    let chains = host(adjusted.x);
    println!("acceptance {:.3}", adjusted.acceptance);
    println!("             shares of the modes             spread");
    println!("{:<12} 0.100 0.150 0.200 0.250 0.300", "target");
    report("exact draws", &exact, &means);
    report("adjusted", &chains, &means);
    report("unadjusted", &unadjusted, &means);

    let grid = PlaneGrid {
        low: [-4.0; 2],
        spacing: 0.08,
        columns: 101,
        rows: 101,
    };
    let p = host(field.log_density(1.0, tensor(grid.points())).exp());
    let top = p.iter().fold(0.0, |most: f64, p| p.max(most));
    let mesh = Mesh {
        low: grid.low,
        spacing: grid.spacing,
        columns: grid.columns,
    };
    let panels = [("adjusted", chains), ("unadjusted", unadjusted)].map(|(title, points)| {
        let level = |p: f64| 0.75 * (p / top).sqrt();
        let mut map = HeatMap::new(mesh, &p, &MAGMA, title, level);
        let points = points.chunks(2).take(2000).map(|x| [x[0], x[1]]);
        map.dots(points, 1.4, Rgb([90, 220, 255]));
        map.into_image()
    });
    let path = "runs/examples/langevin.png";
    std::fs::create_dir_all("runs/examples")?;
    side_by_side(&panels).save(path)?;
    println!("picture: {path}");
    Ok(())
}
