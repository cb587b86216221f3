//! Burn devices, each initialised once.

use burn::tensor::Device;
use jeoul_kernels::Processor;
#[cfg(feature = "gpu")]
use jeoul_kernels::gpu::Adapter;

use crate::{Lane, ModelError};

/// The processor of a lane.
pub(crate) async fn processor(lane: Lane) -> Result<Processor, ModelError> {
    match lane {
        Lane::Cpu | Lane::Reference => Ok(Processor::Cpu(Device::flex())),
        #[cfg(feature = "gpu")]
        Lane::Gpu => Ok(Processor::Gpu(gpu().await?.device)),
        #[cfg(not(feature = "gpu"))]
        Lane::Gpu => Err(ModelError::GpuNotBuilt),
    }
}

/// Maker of the GPU in the words of WebGPU, `unknown` if the platform does not tell; `None` on lanes that use none.
pub async fn gpu_vendor(lane: Lane) -> Result<Option<&'static str>, ModelError> {
    match lane {
        Lane::Cpu | Lane::Reference => Ok(None),
        #[cfg(feature = "gpu")]
        Lane::Gpu => Ok(Some(vendor(gpu().await?.vendor_id))),
        #[cfg(not(feature = "gpu"))]
        Lane::Gpu => Err(ModelError::GpuNotBuilt),
    }
}

/// Of a PCI vendor id, or of the one that Mesa's software adapter bears.
#[cfg(feature = "gpu")]
fn vendor(id: u32) -> &'static str {
    match id {
        0x1002 => "amd",
        0x106b => "apple",
        0x10de => "nvidia",
        0x13b5 => "arm",
        0x1414 => "microsoft",
        0x144d => "samsung",
        0x1ae0 => "google",
        0x5143 => "qualcomm",
        0x8086 => "intel",
        0x1_0005 => "mesa",
        _ => "unknown",
    }
}

/// The GPU and its name.
#[cfg(feature = "gpu")]
#[derive(Clone)]
pub(crate) struct Gpu {
    pub(crate) device: Device,
    /// Vendor and architecture or name, as far as the platform tells.
    pub(crate) adapter: String,
    /// PCI id of the maker; 0 where it is not told.
    vendor_id: u32,
}

/// Initialises the GPU at the first call; Burn refuses a second initialisation.
#[cfg(feature = "gpu")]
pub(crate) async fn gpu() -> Result<Gpu, ModelError> {
    use std::sync::OnceLock;
    static GPU: OnceLock<Gpu> = OnceLock::new();
    if let Some(gpu) = GPU.get() {
        return Ok(gpu.clone());
    }
    // At most 32 kernels wait before they are submitted: enough to fill the queue, few enough to stay responsive.
    let (device, setup) = Device::wgpu_options()
        .tasks_max(32)
        .init_with_setup_async()
        .await
        .map_err(|error| ModelError::NoGpu {
            reason: error.to_string(),
        })?;
    let info = setup.adapter.get_info();
    // Of the type itself browsers say nothing.
    let told = format!("{info:?}").to_lowercase();
    let emulated = ["swiftshader", "llvmpipe", "lavapipe", "device_type: cpu"];
    jeoul_kernels::gpu::tune(match emulated.iter().any(|name| told.contains(name)) {
        true => Adapter::Emulated,
        false => Adapter::Graphics,
    });
    let vendor_id = info.vendor;
    let adapter = if info.name.is_empty() {
        format!("{:?}", info.device_type)
    } else {
        info.name
    };
    let gpu = Gpu {
        device,
        adapter,
        vendor_id,
    };
    Ok(GPU.get_or_init(|| gpu).clone())
}
