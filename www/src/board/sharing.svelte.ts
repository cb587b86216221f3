// Tells the rooms that this browser shares its runs with how far one is. Nothing is told unless somebody ticked it in the room.
import { documentCounts, type Run } from '../runs/run';
import { session } from '../state/page';
import { api, type RunNews } from './api';
import { rooms } from './rooms.svelte';

/** Least time between two pieces of news of one run, in ms. */
const NEWS_MS = 3_000;

/** How far a run is, as a room shows it; null where its names are not a room's business. */
export function newsOf(run: Run): RunNews {
  const { done, total } = documentCounts(run);
  const tasks = run.tasks.map(({ card }) => card.name).slice(0, 100);
  return { model: run.modelName, tasks, state: run.state === 'running' ? (done === 0 ? 'queued' : 'running') : 'done', done, total };
}

/** Follows the session's run; call it while a component is set up. */
export function shareRuns(): void {
  let told = { key: '', atMs: 0 };
  let timer: ReturnType<typeof setTimeout> | undefined;

  function tell(run: Run): void {
    const news = newsOf(run);
    told = { key: `${run.id} ${news.state}`, atMs: Date.now() };
    for (const { room, member, shares } of rooms.own) {
      // What is lost is told again soon.
      if (shares && member !== null) void api.tell(room, `run-${run.startedAt}`, news, member).catch(() => {});
    }
  }

  $effect(() => {
    const run = session.runs[0];
    if (!run || !rooms.own.some(({ shares }) => shares)) return;
    clearTimeout(timer);
    const key = `${run.id} ${newsOf(run).state}`;
    if (key === told.key && run.state !== 'running') return;
    const waitMs = key === told.key ? Math.max(0, told.atMs + NEWS_MS - Date.now()) : 0;
    timer = setTimeout(() => tell(run), waitMs);
  });
}
