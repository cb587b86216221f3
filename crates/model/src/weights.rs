//! Reads tensors of a checkpoint into a lane's layout, a mebibyte at a time.

use burn::tensor::{DType, Tensor, TensorData};
use jeoul_checkpoint::{ByteSource, Checkpoint, TensorInfo};
use jeoul_kernels::{BLOCK, Processor, Weight, WeightBuilder, weight::ROWS_PER_PUSH};

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
        let info = self.checkpoint.tensor(name)?;
        let (n, k) = (info.rows() as usize, info.columns() as usize);
        if !k.is_multiple_of(BLOCK) {
            return Err(ModelError::Shape {
                name: name.to_owned(),
                what: "rows",
                found: k as u64,
                allowed: BLOCK as u64,
            });
        }
        let mut builder = WeightBuilder::new(unpack::format(info.ty), n, k, self.processor);
        for rows in chunks(info) {
            self.checkpoint.read_rows(info, rows, &mut self.buffer)?;
            builder.push(self.unpacked.rows(info.ty, &self.buffer));
            self.advance(self.buffer.len() as u64).await?;
        }
        Ok(builder.finish())
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
