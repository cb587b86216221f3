// A second thread of Jeoul.
self.onmessage = async ({ data: { module, memory } }) => {
  const { default: init, help } = await import('/engine/cpu-threads/jeoul_web.js');
  await init({ module_or_path: module, memory });
  help();
};
