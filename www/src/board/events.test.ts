import { describe, expect, it } from 'vitest';
import { EventReader, follow } from './events';

describe('server-sent events', () => {
  it('are read from any pieces', () => {
    const reader = new EventReader();
    const text = 'retry: 2500\nevent: hello\ndata: {}\n\n: alive\n\nevent: row\ndata: {"a":\ndata: 1}\n\n';
    const events = [...text].flatMap((letter) => reader.push(letter));
    expect(events).toEqual([{ name: 'hello', data: '{}' }, { name: 'row', data: '{"a":\n1}' }]);
    expect(reader.retryMs).toBe(2500);
  });

  it('are asked for again when a stream ends, and whoever listens is told of the gap', async () => {
    const streams = [new Response('retry: 1\nevent: a\ndata: 1\n\n'), new Response('event: b\ndata: 2\n\n'), null];
    const heard: string[] = [];
    await follow(async () => streams.shift() ?? null, ({ name }) => heard.push(name), () => heard.push('missed'), new AbortController().signal);
    expect(heard).toEqual(['a', 'missed', 'b']);
  });
});
