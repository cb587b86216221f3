// Whether this browser can compute on its GPU, and whether the engine module for it is built yet.
import { moduleExists } from './module';

/** Why there is no GPU lane. */
export type GpuLack = 'noWebGpu' | 'noAdapter' | 'noTimestamps';

export type GpuOffer =
  | { state: 'checking' }
  | { state: 'lacking'; lack: GpuLack }
  /** `software`: the adapter is the browser's own emulation, slower than the CPU lane. */
  | { state: 'building' | 'ready'; adapter: string; software: boolean };

/** How often to look whether the module is there by now, in ms. */
const POLL_MS = 10_000;

/** Vendor and architecture, as far as the browser tells. */
export function adapterName(info: Pick<GPUAdapterInfo, 'vendor' | 'architecture' | 'description'>): string {
  return [info.vendor, info.architecture].filter(Boolean).join(' ') || info.description || 'GPU';
}

/** Asks the browser once. */
export async function findAdapter(gpu: GPU | undefined): Promise<GPUAdapter | GpuLack> {
  if (!gpu) return 'noWebGpu';
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (!adapter) return 'noAdapter';
  return adapter.features.has('timestamp-query') ? adapter : 'noTimestamps';
}

/** Tells what there is, and again when the module appears. */
export async function watchGpu(tell: (offer: GpuOffer) => void): Promise<void> {
  const adapter = await findAdapter(navigator.gpu);
  if (typeof adapter === 'string') return tell({ state: 'lacking', lack: adapter });
  const found = { adapter: adapterName(adapter.info), software: adapter.info.isFallbackAdapter };
  while (!(await moduleExists('gpu'))) {
    tell({ state: 'building', ...found });
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
  tell({ state: 'ready', ...found });
}
