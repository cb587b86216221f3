// The page's language: the stored choice, else the browser's.
import type { TaskCard } from '../engine/generated';
import { recall, remember } from '../lib/storage';
import { en, type Texts } from './en';
import { ko } from './ko';

export type Tag = 'en' | 'ko';

const TEXTS: Record<Tag, Texts> = { en, ko };

/** The language to begin with, from what was stored and what the browser prefers. */
export function firstTag(stored: string | null, preferred: readonly string[]): Tag {
  if (stored === 'en' || stored === 'ko') return stored;
  const known = preferred.map((tag) => tag.slice(0, 2)).find((tag) => tag === 'en' || tag === 'ko');
  return known === 'ko' ? 'ko' : 'en';
}

class Language {
  tag = $state<Tag>(firstTag(recall('language'), navigator.languages));
  /** Every text of the page. */
  t = $derived(TEXTS[this.tag]);

  /** What people should know of a task's shots; empty for most. */
  note({ note, note_ko }: Pick<TaskCard, 'note' | 'note_ko'>): string {
    return this.tag === 'ko' ? note_ko || note : note;
  }

  /** A task's title, or a group's. */
  title({ title, title_ko }: Pick<TaskCard, 'title' | 'title_ko'>): string {
    return this.tag === 'ko' ? title_ko : title;
  }

  choose(tag: Tag): void {
    this.tag = tag;
    remember('language', tag);
  }
}

export const language = new Language();
