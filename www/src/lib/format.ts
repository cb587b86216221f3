// Numbers as people read them; words and units of each language are in `i18n`.

/** 0.4531 → `45.3`; the percent sign is the caller's. */
export function points(share: number, digits = 1): string {
  return (share * 100).toFixed(digits);
}

/** A score as people read it: shares as percent, figures such as perplexity as they are. */
export function figure(metric: { name: string; value?: number }, value = metric.value, unit = '%'): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  return isPercent(metric.name) ? `${points(value)}${unit}` : nats(value);
}

/** Perplexities and correlations are no shares; BLEU and chrF count to 100 already. */
export function isPercent(metric: string): boolean {
  return !/perplexity|bits_per|bleu|chrf|pearson|spearman|mcc|brier/.test(metric);
}

/** A difference of two scores, with its sign: points of shares, others as they are. */
export function signed(metric: { name: string }, difference: number): string {
  const text = isPercent(metric.name) ? points(difference) : difference.toFixed(2);
  return Number(text) > 0 ? `+${text}` : text.replace(/^-(0\.0+)$/, '$1').replace('-', '−');
}

/** A probability under a hypothesis, as papers write it. */
export function pValue(p: number): string {
  return p < 0.001 ? '< 0.001' : p.toFixed(3);
}

/** 12345 → `12,345`; the same in both languages. */
export function integer(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** Bytes in MB of 10^6, as file managers and download pages count. */
export function megabytes(bytes: number, digits = 0): string {
  return (bytes / 1e6).toFixed(digits);
}

/** 134515008 → `135M`, 1.2e9 → `1.2B`. */
export function parameters(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)}B`;
  if (count >= 1e6) return `${Math.round(count / 1e6)}M`;
  return count >= 1e3 ? `${Math.round(count / 1e3)}K` : String(count);
}

/** Log-likelihoods with two digits and a real minus sign. */
export function nats(value: number): string {
  return value.toFixed(2).replace('-', '−');
}

/** A duration in the parts that people say: seconds below 90, else minutes and seconds, else hours and minutes. */
export type Spoken = { seconds: number } | { minutes: number; seconds: number } | { hours: number; minutes: number };

export function spoken(ms: number): Spoken {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 90) return { seconds };
  if (seconds < 3600) return { minutes: Math.floor(seconds / 60), seconds: seconds % 60 };
  const minutes = Math.round(seconds / 60);
  return { hours: Math.floor(minutes / 60), minutes: minutes % 60 };
}
