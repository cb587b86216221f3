import { describe, expect, it, vi } from 'vitest';

// Both modules read the browser's settings when they are loaded.
vi.stubGlobal('navigator', { languages: ['ko-KR', 'en'] });
const { en } = await import('./en');
const { ko } = await import('./ko');
const { firstTag } = await import('./language.svelte');

/** Every text with its path; functions are called with numbers. */
function texts(value: unknown, path = ''): [string, string][] {
  if (typeof value === 'string') return [[path, value]];
  if (typeof value === 'function') return path.endsWith('duration') ? [] : [[path, String(value('7', '8', '9'))]];
  return Object.entries(value as object).flatMap(([key, each]) => texts(each, `${path}/${key}`));
}

describe('texts', () => {
  it('leave none empty but the reason of one’s own choice', () => {
    const empty = [...texts(en), ...texts(ko)].filter(([, text]) => text.trim() === '');
    expect(empty.map(([path]) => path)).toEqual(['/lane/reason/chosen', '/lane/reason/chosen']);
  });

  it('have the same places in both languages', () => {
    expect(texts(ko).map(([path]) => path)).toEqual(texts(en).map(([path]) => path));
  });

  it('are Korean in Korean', () => {
    const universal = /^\/(other|lane\/choice|result\/n$|result\/metrics\/f1$|questions\/preset\/(leaderboard|kobest)$|board\/about\/metrics\/\d\/name$|lane\/cpu|lane\/gpu)/;
    const without = texts(ko).filter(([path, text]) => !universal.test(path) && !/[가-힣]/.test(text));
    expect(without.map(([path]) => path)).toEqual(['/questions/of', '/plan/plusMinus', '/plan/points', '/lane/reason/chosen', '/run/tabTitle']);
  });

  it('never apologise or joke about a failure', () => {
    for (const [path, text] of texts(en.fault)) expect(text, path).not.toMatch(/oops|sorry|please try/i);
  });
});

describe('firstTag', () => {
  it('takes the stored choice, else the first language the browser prefers and the page has', () => {
    expect(firstTag('en', ['ko'])).toBe('en');
    expect(firstTag(null, ['fr', 'ko-KR', 'en'])).toBe('ko');
    expect(firstTag('xx', ['fr'])).toBe('en');
  });
});
