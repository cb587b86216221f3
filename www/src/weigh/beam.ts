// Geometry of the scales: from scores to angles and points of an SVG, nothing else.
import type { Interval } from '../lib/statistics';

/** Largest tilt, in degrees. */
export const TILT_MAX = 18;
/** From the pivot to where a pan hangs, in SVG units. */
export const ARM = 150;

/** Tilt in degrees; 0 at chance, positive where the score is heavier. A score of 0 or 1 tilts fully. */
export function tilt(score: number, chance: number): number {
  const room = score >= chance ? 1 - chance : chance;
  return room > 0 ? ((score - chance) / room) * TILT_MAX : 0;
}

/** Where the arm's end is, relative to the pivot; `side` is −1 for the left and 1 for the right. */
export function armEnd(degrees: number, side: -1 | 1): { x: number; y: number } {
  const radians = (degrees * Math.PI) / 180;
  return { x: side * ARM * Math.cos(radians), y: side * ARM * Math.sin(radians) };
}

/** SVG path of the part of the dial that an interval covers; the dial is an arc of `radius` above the pivot. */
export function dialPath(range: Interval, chance: number, radius: number): string {
  const point = (score: number) => {
    const radians = (tilt(score, chance) * Math.PI) / 180;
    return `${(radius * Math.sin(radians)).toFixed(2)} ${(-radius * Math.cos(radians)).toFixed(2)}`;
  };
  return `M${point(range.low)}A${radius} ${radius} 0 0 1 ${point(range.high)}`;
}

/** Damping of the beam's spring, 0 to 1: a wide interval lets it swing, a narrow one holds it. */
export function damping(range: Interval): number {
  return Math.min(0.9, Math.max(0.12, 0.9 - 1.3 * (range.high - range.low)));
}
