import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Announcer, QUIET_MS } from './announce.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('speaks at once, then at most every 10 s, and says only the newest', () => {
  const announcer = new Announcer();
  announcer.say('1 of 20');
  announcer.say('2 of 20');
  announcer.say('3 of 20');
  expect(announcer.text).toBe('1 of 20');
  vi.advanceTimersByTime(QUIET_MS);
  expect(announcer.text).toBe('3 of 20');
});

it('is free to speak again after a silence', () => {
  const announcer = new Announcer();
  announcer.say('begun');
  vi.advanceTimersByTime(QUIET_MS * 2);
  announcer.say('done');
  expect(announcer.text).toBe('done');
});
