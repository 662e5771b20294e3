//! Every method on every process and prediction, by few steps and by some, with an exact network:
//! samples spread as the data do, or the run is refused by name.
//!
//! `std(samples)/std(data)`, of a mixture of two Gaussians

use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use burn_ndarray::NdArray;
use pyroclast::core::condition::Given;
use pyroclast::core::endpoints::Endpoints;
use pyroclast::core::flow::Flow;
use pyroclast::core::network::Network;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::objective::Objective;
use pyroclast::core::path::Path;
use pyroclast::core::prediction::Prediction;
use pyroclast::core::schedule::{
    AnySchedule, BetaTable, Cosine, Edm, Linear, Schedule, SubVariancePreserving, Trigonometric,
    VarianceExploding, VariancePreserving,
};
use pyroclast::train::draw::{MethodName, Plan, SampleError, sample};

type B = NdArray<f64>;

/// Weights, means and standard deviations.
const PARTS: [(f64, f64, f64); 2] = [(0.35, -1.0, 0.4), (0.65, 0.8, 0.3)];
const PREDICTIONS: [Prediction; 7] = [
    Prediction::Velocity,
    Prediction::Data,
    Prediction::Noise,
    Prediction::Score,
    Prediction::ScaledScore,
    Prediction::V,
    Prediction::Edm { sigma_data: 0.9 },
];
/// Methods that are safe with few steps, on every process.
const SAFE: [MethodName; 8] = [
    MethodName::DDIM,
    MethodName::EULER_EDM,
    MethodName::EULER_ANCESTRAL,
    MethodName::DPMPP_2M,
    MethodName::UNIPC,
    MethodName::DEIS,
    MethodName::PLMS,
    MethodName::PNDM,
];
/// Samples per cell.
const SAMPLES: usize = 100;

/// The network that has learned the mixture without an error.
#[derive(Module, Debug)]
struct Exact<B: Backend> {
    /// A network has parameters.
    none: Param<Tensor<B, 1>>,
    #[module(skip)]
    schedule: AnySchedule,
    #[module(skip)]
    prediction: Prediction,
}

impl<B: Backend> Network<B, 2> for Exact<B> {
    type Condition = ();

    fn forward(&self, x: Tensor<B, 2>, t: Tensor<B, 1>, (): &()) -> Tensor<B, 2> {
        let time = t
            .into_data()
            .convert::<f64>()
            .to_vec::<f64>()
            .expect("times")[0];
        let c = self.schedule.at(time);
        let (device, dtype, shape) = (x.device(), x.dtype(), x.dims());
        let states = x.into_data().convert::<f64>().to_vec::<f64>().expect("f64");
        let (mut scores, mut x0, mut x1) = (vec![], vec![], vec![]);
        for x in states {
            let exponents = PARTS.map(|(w, mean, std)| {
                let spread = c.std(std);
                w.ln() - spread.ln() - 0.5 * ((x - c.alpha * mean) / spread).powi(2)
            });
            let largest = exponents[0].max(exponents[1]);
            let shares = exponents.map(|e| (e - largest).exp());
            let total = shares[0] + shares[1];
            let (mut score, mut data) = (0.0, 0.0);
            for ((_, mean, std), share) in PARTS.into_iter().zip(shares) {
                let offset = (x - c.alpha * mean) / c.std(std).powi(2);
                score -= share / total * offset;
                data += share / total * (mean + c.alpha * std * std * offset);
            }
            scores.push(score);
            x0.push(-c.sigma * score);
            x1.push(data);
        }
        let upload =
            |values: Vec<f64>| Tensor::from_data(TensorData::new(values, shape), (&device, dtype));
        // The score is finite where there is no noise, and −x0/σ is not.
        if self.prediction == Prediction::Score {
            return upload(scores);
        }
        let ends = Endpoints {
            x0: upload(x0),
            x1: upload(x1),
        };
        self.prediction.encode(c, ends)
    }
}

fn processes() -> [(&'static str, AnySchedule); 11] {
    [
        ("straight", Linear::default().into()),
        ("trigonometric", Trigonometric.into()),
        ("vp", VariancePreserving::default().into()),
        ("sub-vp", SubVariancePreserving::default().into()),
        ("ve", VarianceExploding::default().into()),
        ("edm", Edm::default().into()),
        ("vp-cosine", Cosine.into()),
        ("linear β", BetaTable::default().into()),
        (
            "scaled linear β",
            BetaTable::scaled_linear(1000, 0.00085, 0.012).into(),
        ),
        ("cosine β", BetaTable::cosine(1000).into()),
        (
            "zero terminal SNR",
            BetaTable::default().zero_terminal_snr().into(),
        ),
    ]
}

fn flow(schedule: &AnySchedule, prediction: Prediction) -> Flow<Exact<B>> {
    let network = Exact {
        none: Param::from_tensor(Tensor::zeros([1], &Default::default())),
        schedule: schedule.clone(),
        prediction,
    };
    let path = Path::new(schedule.clone());
    Flow::new(network, path, Objective::new(prediction))
}

fn draw(
    flow: &Flow<Exact<B>>,
    plan: &Plan,
    n: usize,
    shape: &[usize],
) -> Result<Vec<f32>, SampleError> {
    let dim = shape.iter().product::<usize>();
    let x0 = Noise::new(3).draws(Stream::Source, 0).normals(n * dim);
    let device = Default::default();
    let observe = &mut |_: usize, _: f64, _: &Tensor<B, 2>| {};
    let drawn = sample(flow, &x0, shape, &Given::nothing(), plan, &device, observe);
    drawn.map(|samples| samples.values)
}

/// `std(samples)/std(data)`.
fn spread(flow: &Flow<Exact<B>>, method: MethodName, steps: usize) -> Result<f64, SampleError> {
    let values = draw(flow, &Plan::new(method, steps, 1), SAMPLES, &[1])?;
    let of = |weight: &dyn Fn(f64) -> f64| {
        values.iter().map(|&v| weight(f64::from(v))).sum::<f64>() / SAMPLES as f64
    };
    let mean = of(&|v| v);
    let data_mean: f64 = PARTS.iter().map(|(w, m, _)| w * m).sum();
    let square: f64 = PARTS.iter().map(|(w, m, s)| w * (m * m + s * s)).sum();
    Ok((of(&|v| (v - mean).powi(2)) / (square - data_mean * data_mean)).sqrt())
}

#[test]
fn every_cell_is_right_or_refused_by_name() {
    let (mut refused, mut cells, mut wide) = (0, 0, vec![]);
    for (process, schedule) in processes() {
        for prediction in PREDICTIONS {
            let flow = flow(&schedule, prediction);
            for method in MethodName::for_any_model() {
                for steps in 1..=14 {
                    let cell = format!("{method} by {steps} steps on {process}, {prediction}");
                    cells += 1;
                    match spread(&flow, method, steps) {
                        // One or two steps from pure noise may lead to the mean.
                        Ok(spread) => {
                            let bounds = match steps {
                                1..=2 => 0.0..2.5,
                                3..=13 => 0.05..4.0,
                                _ => 0.25..1.5,
                            };
                            assert!(bounds.contains(&spread), "{cell}: {spread}");
                        }
                        Err(error) => {
                            refused += 1;
                            if matches!(error, SampleError::Spread { .. }) {
                                wide.push(method.name);
                            }
                            let message = error.to_string();
                            assert!(message.starts_with(method.name), "{cell}: {message}");
                        }
                    }
                }
            }
        }
    }
    assert!(refused * 10 < cells, "{refused} of {cells} are refused");
    // What is safe with few steps is never refused for its spread.
    for method in SAFE {
        assert!(
            !wide.contains(&method.name),
            "{method} is refused: {wide:?}"
        );
    }
}

#[test]
fn a_sample_does_not_depend_on_how_many_are_asked_for() {
    let schedule = VariancePreserving::default().into();
    let flow = flow(&schedule, Prediction::V);
    for method in MethodName::for_any_model() {
        let plan = Plan::new(method, 5, 1);
        let all = draw(&flow, &plan, 7, &[3]).expect("samples");
        for n in [1, 2, 5] {
            let few = draw(&flow, &plan, n, &[3]).expect("samples");
            assert_eq!(few, all[..3 * n], "{method}: the first {n} of 7");
        }
    }
}
