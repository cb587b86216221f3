// Runs before the first paint, so that a chosen theme does not flash. The key is that of src/lib/theme.svelte.ts.
try {
  const theme = localStorage.getItem('jeoul.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be refused; the system's theme holds then.
}
