//! Where and how tensors are computed.

use std::{fmt, str::FromStr};

/// A way to compute a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// SIMD on the processor, 16-bit activations; the same bits everywhere.
    Cpu,
    /// WebGPU, or wgpu natively; f32 activations.
    Gpu,
    /// Stock Burn operations in f32 on dequantised weights: slow, the oracle of the other two.
    Reference,
}

impl Lane {
    /// All lanes, the default first.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Gpu, Self::Reference];

    /// The name people type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Reference => "reference",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A lane that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no lane `{found}`; lanes are `cpu`, `gpu` and `reference`")]
pub struct UnknownLane {
    /// What was asked for.
    pub found: String,
}

impl FromStr for Lane {
    type Err = UnknownLane;

    fn from_str(text: &str) -> Result<Self, UnknownLane> {
        Self::ALL
            .into_iter()
            .find(|lane| lane.name() == text)
            .ok_or_else(|| UnknownLane {
                found: text.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_is_found_by_its_name() {
        for lane in Lane::ALL {
            assert_eq!(lane.to_string().parse(), Ok(lane));
        }
        let error = "gpus".parse::<Lane>().expect_err("no such lane");
        assert_eq!(
            error.to_string(),
            "there is no lane `gpus`; lanes are `cpu`, `gpu` and `reference`"
        );
    }
}
