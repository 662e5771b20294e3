//! Numbers of files in single precision.

use crate::array::Precision;
use burn::tensor::{bf16, f16};

/// How a tensor of real numbers is stored, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    F16,
    Bf16,
    F32,
    F64,
}

impl Kind {
    /// The number of bytes of one value.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Widens what holds all tensors so far to what also holds one of this kind.
    pub(super) fn widen_precision(self, precision: &mut Option<Precision>) {
        let own = match self {
            Self::F16 => Precision::F16,
            Self::Bf16 => Precision::Bf16,
            Self::F32 | Self::F64 => Precision::F32,
        };
        *precision = match *precision {
            None => Some(own),
            Some(same) if same == own => Some(own),
            Some(_) => Some(Precision::F32),
        };
    }
}

/// Values in single precision. Those in double precision are rounded.
pub(super) fn widen(kind: Kind, bytes: &[u8]) -> Vec<f32> {
    match kind {
        Kind::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
        Kind::Bf16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        Kind::F32 => each(bytes, f32::from_le_bytes),
        Kind::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
    }
}

fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|chunk| value(*chunk)).collect()
}
