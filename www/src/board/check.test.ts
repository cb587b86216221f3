import { describe, expect, it } from 'vitest';
import { parseCheck, parseJudged } from './answers';
import { troubleOf } from './check.svelte';

const comparison = { verdict: 'disagrees', compared: 57, too_close: 0, differing: [{ task: 0, doc_id: 3 }], allowed: 0 };

describe('a spot check', () => {
  it('is read while it is open, and once it is done', () => {
    const open = { check: 'ab', submission: 'cd', author: 'ef', drawn_ms: 1, documents: [{ task: 0, doc_id: 3 }] };
    expect(parseCheck(open)).toEqual({ check: 'ab', author: 'ef', drawn_ms: 1, documents: [{ task: 0, doc_id: 3 }], verdict: null, compared: 0, differing: 0 });
    const { documents: _, ...hidden } = open;
    expect(parseCheck(hidden).documents).toEqual([]);
    expect(parseCheck({ ...open, done_ms: 2, verdict: 'disagrees', comparison })).toMatchObject({ verdict: 'disagrees', compared: 57, differing: 1 });
  });

  it('changes what the run is worth, and an unknown verdict decides nothing', () => {
    expect(parseJudged({ comparison, trust: 'reproduced' })).toEqual({ verdict: 'disagrees', compared: 57, differing: 1, trust: 'reproduced' });
    expect(parseJudged({ comparison: { ...comparison, verdict: 'perhaps' }, trust: 'odd' })).toMatchObject({ verdict: 'undecided', trust: 'self-reported' });
  });

  it('says why it cannot be, and nothing where it was stopped', () => {
    const fault = { kind: 'memory', detail: 'full' } as const;
    expect(troubleOf({ type: 'uncheckable', lack: 'version', detail: 'd' }, null)?.code).toBe('check-version');
    expect(troubleOf(null, fault)).toEqual({ code: 'check-failed', detail: 'full', pointer: '' });
    expect(troubleOf({ type: 'cancelled' }, null)).toBeNull();
  });
});
