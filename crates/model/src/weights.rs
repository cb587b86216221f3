//! Reads tensors of a checkpoint into a lane's layout, a mebibyte at a time.

use burn::tensor::{DType, Tensor, TensorData};
use jeoul_checkpoint::{ByteSource, Checkpoint, TensorInfo};
use jeoul_kernels::{BLOCK, Processor, Weight, WeightBuilder, ops::Norm, weight::ROWS_PER_PUSH};

use crate::{ModelError, Pace, Step, unpack};

/// Most bytes of a checkpoint in main memory while a matrix is read, its finished form aside.
const CHUNK_BYTES: u64 = 1 << 20;

/// Reads one checkpoint's tensors in turn and reports how far it is.
pub(crate) struct Loader<'a, S: ByteSource> {
    pub(crate) checkpoint: &'a Checkpoint<S>,
    processor: &'a Processor,
    pace: &'a mut Pace,
    bytes: u64,
    total: u64,
    buffer: Vec<u8>,
    unpacked: unpack::Unpacked,
}

impl<'a, S: ByteSource> Loader<'a, S> {
    pub(crate) fn new(
        checkpoint: &'a Checkpoint<S>,
        processor: &'a Processor,
        pace: &'a mut Pace,
    ) -> Self {
        let total = checkpoint.tensors().iter().map(|t| t.size_bytes).sum();
        Self {
            checkpoint,
            processor,
            pace,
            bytes: 0,
            total,
            buffer: Vec::new(),
            unpacked: unpack::Unpacked::default(),
        }
    }

    /// A matrix `[n, k]` in the lane's layout.
    pub(crate) async fn matrix(&mut self, name: &str) -> Result<Weight, ModelError> {
        self.joined(&[name]).await
    }

    /// Matrices with the same `k`, one on top of the other: as one matrix if they are stored alike, else one by one.
    pub(crate) async fn stacked(&mut self, names: &[String]) -> Result<Vec<Weight>, ModelError> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut alike = true;
        let first = self.checkpoint.tensor(names[0])?;
        for (i, name) in names.iter().enumerate() {
            let info = self.checkpoint.tensor(name)?;
            let last = i + 1 == names.len();
            alike &= unpack::format(info.ty) == unpack::format(first.ty)
                && info.columns() == first.columns()
                && (last || info.rows().is_multiple_of(ROWS_PER_PUSH as u64));
        }
        if alike {
            return Ok(vec![self.joined(&names).await?]);
        }
        let mut apart = Vec::with_capacity(names.len());
        for name in names {
            apart.push(self.matrix(name).await?);
        }
        Ok(apart)
    }

    /// Matrices that are stored alike, as one.
    async fn joined(&mut self, names: &[&str]) -> Result<Weight, ModelError> {
        let first = self.checkpoint.tensor(names[0])?;
        let k = first.columns() as usize;
        if !k.is_multiple_of(BLOCK) {
            return Err(ModelError::Shape {
                name: names[0].to_owned(),
                what: "rows",
                found: k as u64,
                allowed: BLOCK as u64,
            });
        }
        let mut n = 0;
        for name in names {
            n += self.checkpoint.tensor(name)?.rows() as usize;
        }
        let mut builder = WeightBuilder::new(unpack::format(first.ty), n, k, self.processor);
        for name in names {
            let info = self.checkpoint.tensor(name)?;
            for rows in chunks(info) {
                self.checkpoint.read_rows(info, rows, &mut self.buffer)?;
                let rows = self.unpacked.rows(info.ty, &self.buffer);
                if !rows.is_finite() {
                    let name = (*name).to_owned();
                    return Err(ModelError::NotFinite { name });
                }
                builder.push(rows);
                self.advance(self.buffer.len() as u64).await?;
            }
        }
        Ok(builder.finish())
    }

    /// A norm's weight.
    pub(crate) async fn norm(&mut self, name: &str, epsilon: f32) -> Result<Norm, ModelError> {
        let weight = self.vector(name).await?;
        Ok(Norm { weight, epsilon })
    }

    /// A vector in f32.
    pub(crate) async fn vector(&mut self, name: &str) -> Result<Tensor<1>, ModelError> {
        let info = self.checkpoint.tensor(name)?;
        let values = self.checkpoint.read_f32(info)?;
        self.advance(info.size_bytes).await?;
        let count = values.len();
        Ok(Tensor::from_data(
            TensorData::new(values, [count]),
            (self.processor.device(), DType::F32),
        ))
    }

    /// A matrix `[n, k]` in f32, for the reference lane.
    pub(crate) async fn dense(&mut self, name: &str) -> Result<Tensor<2>, ModelError> {
        let info = self.checkpoint.tensor(name)?;
        let (n, k) = (info.rows() as usize, info.columns() as usize);
        Ok(self.vector(name).await?.reshape([n, k]))
    }

    async fn advance(&mut self, bytes: u64) -> Result<(), ModelError> {
        self.bytes += bytes;
        self.pace
            .step(Step::Loading {
                bytes: self.bytes,
                total: self.total,
            })
            .await
    }
}

/// Ranges of rows of about [`CHUNK_BYTES`], each a multiple of what a builder takes at once.
fn chunks(info: &TensorInfo) -> impl Iterator<Item = std::ops::Range<u64>> + use<> {
    let rows = info.rows();
    let row_bytes = (info.size_bytes / rows.max(1)).max(1);
    let unit = ROWS_PER_PUSH as u64;
    let step = (CHUNK_BYTES / row_bytes / unit * unit).max(unit);
    (0..rows)
        .step_by(step as usize)
        .map(move |first| first..rows.min(first + step))
}
