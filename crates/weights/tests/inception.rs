//! The Inception network of FID comes from a file as it was written, or is refused by the tensor
//! that is wrong.

use burn_flex::{Flex, FlexDevice};
use pyroclast_models::Inception;
use pyroclast_weights::{Array, Precision, Tensors, inception, write};
use std::convert::Infallible;

/// Numbers that keep the size of what goes through the network about as it is.
fn tensors() -> (Tensors, Inception<Flex>) {
    let mut tensors = Tensors::new();
    let mut state = 1_u64;
    let network = Inception::<Flex>::with_weights(
        |name: &str, shape: &[usize]| {
            let inputs = shape[1..].iter().product::<usize>() as f32;
            let scale = (6.0 / inputs).sqrt();
            let mut uniform = || {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 40) as f32 / (1_u64 << 24) as f32
            };
            let size = shape.iter().product();
            let values: Vec<f32> = match name.rsplit('.').next() {
                Some("running_var") => (0..size).map(|_| 0.7 + 0.2 * uniform()).collect(),
                Some("running_mean" | "bias") => (0..size).map(|_| uniform() - 0.5).collect(),
                _ if shape.len() == 1 => (0..size).map(|_| 0.9 + 0.2 * uniform()).collect(),
                _ => (0..size).map(|_| scale * (2.0 * uniform() - 1.0)).collect(),
            };
            tensors.insert(name.to_owned(), Array::new(shape.to_vec(), values.clone()));
            Ok::<_, Infallible>(values)
        },
        &FlexDevice,
    );
    (tensors, network.expect("every tensor"))
}

#[test]
fn the_network_is_read_or_the_wrong_tensor_named() {
    let (mut tensors, network) = tensors();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inception.safetensors");
    // What the published file has besides.
    tensors.insert("fc.weight".to_owned(), Array::new(vec![1, 2], vec![0.0; 2]));
    write(&path, &tensors, Precision::F32).expect("written");
    let read = inception::<Flex>(&path, &FlexDevice).expect("all tensors");
    let side = Inception::<Flex>::SIDE;
    let pixels = (0..3 * side * side)
        .map(|i| (i as f32 * 0.37).sin())
        .collect();
    let pixels = burn::tensor::TensorData::new::<f32, _>(pixels, [1, 3, side, side]);
    let x = burn::tensor::Tensor::from_data(pixels, &FlexDevice);
    let features = |network: &Inception<Flex>| -> Vec<f32> {
        let features = network
            .features(burn::tensor::Tensor::clone(&x))
            .into_data();
        features.into_vec().expect("single precision")
    };
    let found = features(&read);
    assert_eq!(found, features(&network));
    assert!(found.iter().any(|x| *x > 0.0) && found.iter().all(|x| x.is_finite()));

    let bias = "Mixed_7c.branch_pool.bn.bias";
    tensors.insert(bias.to_owned(), Array::new(vec![3], vec![0.0; 3]));
    write(&path, &tensors, Precision::F32).expect("written");
    let message = |path| {
        inception::<Flex>(path, &FlexDevice)
            .expect_err("refused")
            .to_string()
    };
    assert!(
        message(&path).contains("has shape [3] for [192]"),
        "{}",
        message(&path)
    );
    tensors.remove(bias);
    write(&path, &tensors, Precision::F32).expect("written");
    assert!(
        message(&path).contains(&format!("`{bias}` is missing")),
        "{}",
        message(&path)
    );
}
