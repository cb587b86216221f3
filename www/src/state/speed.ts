// Measured speed and GPU proof, remembered per lane and per adapter.
import type { LaneName } from '../engine/generated';
import type { GpuProof } from '../engine/lane';
import { recall, recallPositive, remember } from '../lib/storage';

/** Tokens per second of the last run on a lane of this device; null before one. */
export function measuredSpeed(lane: LaneName): number | null {
  return recallPositive(`speed.${lane}`);
}

export function rememberSpeed(lane: LaneName, tokensPerSecond: number): void {
  remember(`speed.${lane}`, tokensPerSecond.toPrecision(4));
}

/** Another engine or another adapter has to prove itself anew. */
const proofKey = (adapter: string, version: string) => `gpu.${version}.${adapter}`;

export function gpuProof(adapter: string, version: string): GpuProof {
  const stored = recall(proofKey(adapter, version));
  return stored === 'passed' || stored === 'failed' ? stored : null;
}

export function rememberProof(adapter: string, version: string, proof: 'passed' | 'failed'): void {
  remember(proofKey(adapter, version), proof);
}
