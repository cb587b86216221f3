// Server-sent events, read with `fetch`: `EventSource` cannot send the token that a private room asks for.

export interface ServerEvent {
  name: string;
  data: string;
}

/** Takes a stream's text in any pieces and gives whole events. */
export class EventReader {
  #rest = '';
  /** How long to wait before asking again, in ms, as the server last said. */
  retryMs = 3_000;

  push(text: string): ServerEvent[] {
    const blocks = (this.#rest + text.replaceAll('\r', '')).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    return blocks.flatMap((block) => this.#event(block) ?? []);
  }

  #event(block: string): ServerEvent | null {
    let name = 'message';
    const data: string[] = [];
    for (const line of block.split('\n')) {
      const [field, value = ''] = line.split(/: ?(.*)/s);
      if (field === 'event') name = value;
      if (field === 'data') data.push(value);
      if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
    }
    return data.length > 0 ? { name, data: data.join('\n') } : null;
  }
}

/** Longest wait before asking again, in ms. */
const RETRY_MS_MAX = 60_000;

/**
 * Reads events until `signal` aborts; asks again when the stream breaks. `open` gives an answer whose body is the stream, or null
 * where there is none any more. `onMissed` runs after each gap: something may have happened in it.
 */
export async function follow(
  open: () => Promise<Response | null>,
  onEvent: (event: ServerEvent) => void,
  onMissed: () => void,
  signal: AbortSignal,
): Promise<void> {
  const reader = new EventReader();
  for (let failures = 0; !signal.aborted; failures += 1) {
    if (failures > 0) {
      await new Promise((wake) => setTimeout(wake, Math.min(RETRY_MS_MAX, reader.retryMs * failures)));
      if (signal.aborted) return;
    }
    const answer = await open().catch(() => undefined);
    if (answer === null) return;
    if (!answer?.body) continue;
    if (failures > 0) onMissed();
    const stream = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    try {
      for (let read = await stream.read(); !read.done; read = await stream.read()) {
        failures = 0;
        reader.push(read.value).forEach(onEvent);
      }
    } catch {
      // Broken or aborted: the loop decides.
    }
  }
}
