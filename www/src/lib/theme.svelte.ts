// Light, dark, or as the system has it. `static/theme.js` applies the stored choice before the first paint.
import { recallOne, remember } from './storage';

export const THEMES = ['auto', 'light', 'dark'] as const;
export type ThemeName = (typeof THEMES)[number];

class Theme {
  name = $state<ThemeName>(recallOne('theme', THEMES));

  choose(name: ThemeName): void {
    this.name = name;
    remember('theme', name);
    if (name === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = name;
  }
}

export const theme = new Theme();
