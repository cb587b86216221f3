import { expect, it } from 'vitest';
import type { Event } from '../engine/generated';
import { exampleDocument, exampleRun, exampleScore } from './example';
import { advance, currentTask, documentCounts, documentsTotal, fraction, leftMs, speed } from './run';
import { fileName, fileText } from './save';

const document = (task: string): Event => ({ type: 'document', document: exampleDocument(), score: exampleScore(task, 1) });

it('takes each document into its own task and leaves the earlier value as it was', () => {
  const before = exampleRun();
  const after = advance(before, document('b'));
  expect(after.tasks.map(({ documents }) => documents.length)).toEqual([0, 1]);
  expect(before.tasks.map(({ documents }) => documents.length)).toEqual([0, 0]);
  expect(currentTask(after)?.request.task).toBe('b');
});

it('measures progress by tokens where they were counted, else by documents', () => {
  const run = advance(exampleRun(), { type: 'progress', task: 'a', tokens_computed: 250, elapsed_ms: 500 });
  expect(fraction(run)).toBe(0.25);
  expect(speed(run)).toBe(500);
  expect(leftMs(run)).toBe(1500);
  expect(fraction(advance({ ...run, tokensPlanned: null }, document('a')))).toBe(1 / 30);
});

it('never claims more than everything', () => {
  expect(fraction({ ...exampleRun(), tokensComputed: 5000 })).toBe(1);
});

it('keeps what was scored when it is cancelled or breaks', () => {
  const scored = advance(exampleRun(), document('a'));
  const broken = advance(scored, { type: 'failed', fault: { kind: 'gpu', detail: '' } });
  expect([broken.state, documentCounts(broken).done]).toEqual(['failed', 1]);
  expect(advance(scored, { type: 'cancelled' }).state).toBe('cancelled');
});

it('counts all documents of a task without a limit', () => {
  expect(exampleRun().tasks.map(documentsTotal)).toEqual([20, 10]);
});

it('writes every bit of every number into the file', () => {
  const run = advance(exampleRun(), document('a'));
  const file = JSON.parse(fileText(run)) as { format: string; tasks: { documents: unknown[] }[] };
  expect(file.format).toBe('jeoul-run/2');
  expect(file.tasks[0]?.documents[0]).toEqual(exampleDocument());
});

it('names the file by model and time, with nothing that a file system refuses', () => {
  expect(fileName({ ...exampleRun(), modelName: 'a/b: c' })).toBe('jeoul_a-b-c_2026-01-02T030405.json');
});
