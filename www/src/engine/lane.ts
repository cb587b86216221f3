// Which lane a run uses. Scores come from the GPU only where it passed the known-answer test.
import type { LaneName } from './generated';
import type { GpuOffer } from './gpu';

export type LaneChoice = 'auto' | LaneName;

/** Outcome of the known-answer test on this adapter with this engine; null before the first. */
export type GpuProof = 'passed' | 'failed' | null;

/** Why the lane is what it is; the page has a sentence for each. */
export type LaneReason =
  | 'chosen'
  | 'checking'
  | 'noWebGpu'
  | 'noAdapter'
  | 'noTimestamps'
  | 'building'
  | 'software'
  | 'untested'
  | 'passed'
  | 'failed';

export interface LanePlan {
  lane: LaneName;
  reason: LaneReason;
}

/** The lane for a choice, given what there is. */
export function planLane(choice: LaneChoice, offer: GpuOffer, proof: GpuProof): LanePlan {
  const cpu = (reason: LaneReason): LanePlan => ({ lane: 'cpu', reason });
  if (choice === 'cpu') return cpu('chosen');
  if (offer.state === 'checking') return cpu('checking');
  if (offer.state === 'lacking') return cpu(offer.lack);
  if (offer.state === 'building') return cpu('building');
  if (choice === 'gpu') return { lane: 'gpu', reason: 'chosen' };
  if (proof === 'failed') return cpu('failed');
  if (offer.software) return cpu('software');
  return proof === 'passed' ? { lane: 'gpu', reason: 'passed' } : cpu('untested');
}
