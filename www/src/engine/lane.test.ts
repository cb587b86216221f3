import { describe, expect, it } from 'vitest';
import { adapterName, findAdapter, type GpuOffer } from './gpu';
import { planLane } from './lane';

const ready: GpuOffer = { state: 'ready', adapter: 'test', software: false };

describe('planLane', () => {
  it('uses the GPU by itself only after it passed', () => {
    expect(planLane('auto', ready, null)).toEqual({ lane: 'cpu', reason: 'untested' });
    expect(planLane('auto', ready, 'failed')).toEqual({ lane: 'cpu', reason: 'failed' });
    expect(planLane('auto', ready, 'passed')).toEqual({ lane: 'gpu', reason: 'passed' });
  });

  it('tries the GPU when told to, whatever happened before', () => {
    expect(planLane('gpu', ready, 'failed')).toEqual({ lane: 'gpu', reason: 'chosen' });
  });

  it('prefers the CPU to a GPU emulated in software', () => {
    expect(planLane('auto', { ...ready, software: true }, 'passed')).toEqual({ lane: 'cpu', reason: 'software' });
  });

  it('says why there is no GPU, even if it is chosen', () => {
    expect(planLane('gpu', { state: 'lacking', lack: 'noTimestamps' }, null)).toEqual({ lane: 'cpu', reason: 'noTimestamps' });
    expect(planLane('gpu', { ...ready, state: 'building' }, null)).toEqual({ lane: 'cpu', reason: 'building' });
  });
});

describe('findAdapter', () => {
  const gpu = (adapter: unknown) => ({ requestAdapter: () => Promise.resolve(adapter) }) as unknown as GPU;

  it('tells apart no WebGPU, no adapter and a missing feature', async () => {
    expect(await findAdapter(undefined)).toBe('noWebGpu');
    expect(await findAdapter(gpu(null))).toBe('noAdapter');
    expect(await findAdapter(gpu({ features: new Set() }))).toBe('noTimestamps');
    const adapter = { features: new Set(['timestamp-query']) };
    expect(await findAdapter(gpu(adapter))).toBe(adapter);
  });

  it('takes a refusal for no adapter', async () => {
    const refusing = { requestAdapter: () => Promise.reject(new Error('blocked')) } as unknown as GPU;
    expect(await findAdapter(refusing)).toBe('noAdapter');
  });

  it('names an adapter with what the browser tells', () => {
    expect(adapterName({ vendor: 'intel', architecture: 'gen-12lp', description: '' })).toBe('intel gen-12lp');
    expect(adapterName({ vendor: '', architecture: '', description: '' })).toBe('GPU');
  });
});
