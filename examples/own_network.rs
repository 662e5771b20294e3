//! A network of one's own, trained on rows in memory under a vector of attributes, saved to one
//! file, and sampled by another process.

use pyroclast::backend::{Autodiff, Flex};
use pyroclast::burn::nn::{Linear, LinearConfig};
use pyroclast::burn::tensor::{Tensor, activation::silu, backend::Backend};
use pyroclast::burn::{self, module::Module};
use pyroclast::core::condition::{Given, Vectors};
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::{flow::Flow, network::Network, path::Path};
use pyroclast::train::{dataset::Dataset, learn::Trainer, model::Model};
use std::process::Command;

/// Three layers on the state, the time and the attributes.
#[derive(Module, Debug)]
struct MyNetwork<B: Backend> {
    first: Linear<B>,
    second: Linear<B>,
    last: Linear<B>,
}

impl<B: Backend> MyNetwork<B> {
    fn new(device: &B::Device) -> Self {
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        Self {
            first: linear(3 + 1 + 3, 128),
            second: linear(128, 128),
            last: linear(128, 3),
        }
    }
}

impl<B: Backend> Network<B, 2> for MyNetwork<B> {
    type Condition = Vectors<B>;

    fn forward(&self, x: Tensor<B, 2>, t: Tensor<B, 1>, given: &Vectors<B>) -> Tensor<B, 2> {
        // Two attributes, and a flag that is 0 where they are dropped.
        let attributes = given.flagged(x.dims()[0], 2, &x.device());
        let h = Tensor::cat(vec![x, t.unsqueeze_dim(1), attributes], 1);
        let h = silu(self.first.forward(h));
        self.last.forward(silu(self.second.forward(h)))
    }
}

/// Rows around (10a, b, 100ab) under attributes (a, b), with standard deviations of 1, 0.1 and 10.
fn data(n: usize) -> Dataset {
    let mut draws = Noise::new(0).draws(Stream::Data, 0);
    let attributes = draws.normals(2 * n);
    let row = |c: &[f32]| {
        let e = draws.normals(3);
        let [a, b] = [c[0] + 0.1 * e[0], c[1] + 0.1 * e[1]];
        [10.0 * a, b, 100.0 * c[0] * c[1] + 10.0 * e[2]]
    };
    let rows: Vec<f32> = attributes.chunks(2).flat_map(row).collect();
    Dataset::rows(&rows, 3).given(&attributes, 2)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Default::default();
    if let Some(file) = std::env::args().nth(1) {
        let model = Model::load(&file, MyNetwork::<Flex>::new(&device))?;
        let given = Given::vectors(&[0.5, -2.0].repeat(1000), 2);
        let rows = model.sample(1000, &given, &model.plan(1))?;
        let mean = |k| rows.chunks(3).map(|row: &[f32]| row[k]).sum::<f32>() / 1000.0;
        let means = [0, 1, 2].map(mean);
        println!("under (0.5, -2): a mean of {means:.1?}, expected [5, -2, -100]");
        return Ok(());
    }
    let flow = Flow::velocity(MyNetwork::<Autodiff<Flex>>::new(&device), Path::linear());
    let mut trainer = Trainer::new(flow, data(10_000), Noise::new(0), &device);
    trainer.run(5_000, &mut ())?;
    let file = std::env::temp_dir().join("pyroclast-own-network.safetensors");
    trainer.model().save(&file)?;
    Command::new(std::env::current_exe()?).arg(file).status()?;
    Ok(())
}
