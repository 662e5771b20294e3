//! The exact density of a trained continuous normalising flow, on a grid of the plane.
//!
//! The flow is trained by flow matching; its density then costs two backward passes per evaluation,
//! one per coordinate.

use burn::backend::Autodiff;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use pyroclast::core::conservation::PlaneGrid;
use pyroclast::core::noise::Noise;
use pyroclast::models::{Init, MlpConfig};
use pyroclast::solvers::likelihood::{log_density, normal_log_density};
use pyroclast::solvers::{Control, DOPRI5, Trace};
use pyroclast::train::{config::Config, task::Task};
use pyroclast_plot::{HeatMap, MAGMA, Mesh, Rgb};

type A = Autodiff<Flex>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (device, noise) = (Default::default(), Noise::new(0));
    // Small batches and a high rate, so that it takes seconds.
    let changes = ["steps=4000", "batch=128", "learning-rate=1e-2", "ema=0.99"];
    let config = Config::load("moons", &changes.map(|change| format!("training.{change}")))?;
    let task = Task::load(&config.data, noise)?;
    let network = MlpConfig::new(2).init(&mut Init::<A>::new(noise, &device));
    let mut trainer = config.trainer(network, task.clone(), &device);
    trainer.run(config.training.steps, &mut ())?;
    // The averaged network has no tape; a divergence needs one, for its gradients by x.
    let flow = trainer.averaged().tracked::<Flex>();
    let field = flow.unconditional();
    let densities = |points: Vec<f32>| -> Result<Vec<f64>, Box<dyn std::error::Error>> {
        let data = TensorData::new(points.clone(), [points.len() / 2, 2]);
        let found = log_density(
            &field,
            &DOPRI5,
            Tensor::<Flex, 2>::from_data(data, &device),
            (0.0, 1.0),
            |x0| normal_log_density(x0, 1.0),
            Trace::Exact,
            Control::tolerance(1e-4),
        )?;
        let values = found.log_density.into_data().convert::<f64>();
        Ok(values.into_vec()?)
    };

    // Fine enough for moons .1 thick, so that the sum over the nodes is the integral.
    let grid = PlaneGrid {
        low: [-4.0, -2.2],
        spacing: 0.0625,
        columns: 129,
        rows: 87,
    };
    let log_densities = densities(grid.points().into_iter().map(|v| v as f32).collect())?;
    let p: Vec<f64> = log_densities.iter().map(|v| v.exp()).collect();
    let mass = p.iter().sum::<f64>() * grid.spacing.powi(2);
    let [held_out, _] = task.test_points(2000, noise, 0);
    let nats = -densities(held_out.clone())?.iter().sum::<f64>() / 2000.0;
    // The entropy of the data: half circles of total length 4π, with N(0, .1²) across, without
    // their ends.
    let (tau, e) = (std::f64::consts::TAU, std::f64::consts::E);
    let entropy = (2.0 * tau).ln() + 0.5 * (tau * e * 0.01).ln();
    println!("mass on the grid {mass:.4}");
    println!("{nats:.2} nats per held-out point; a perfect model has about {entropy:.2}");

    let top = p.iter().fold(0.0, |most: f64, p| p.max(most));
    let mesh = Mesh {
        low: grid.low,
        spacing: grid.spacing,
        columns: grid.columns,
    };
    let level = |p: f64| 0.9 * (p / top).sqrt();
    let title = "density of the model, and held-out points";
    let mut map = HeatMap::new(mesh, &p, &MAGMA, title, level);
    let points = held_out.chunks(2).take(500);
    let points = points.map(|x| [f64::from(x[0]), f64::from(x[1])]);
    map.dots(points, 1.4, Rgb([90, 220, 255]));
    let path = "runs/examples/density.png";
    std::fs::create_dir_all("runs/examples")?;
    map.into_image().save(path)?;
    println!("picture: {path}");
    Ok(())
}
