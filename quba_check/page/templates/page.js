"use strict";
/* The state of the page in its address, `#d=accuracy&x=parameters`; null removes a name. */
const hash = (() => {
  const callbacks = [];
  let last = location.hash;
  const read = () => new URLSearchParams(location.hash.slice(1));
  const notify = () => {
    if (location.hash === last) return;
    last = location.hash;
    callbacks.forEach((callback) => callback());
  };
  addEventListener("hashchange", notify);
  addEventListener("popstate", notify);
  return {
    get: (name) => read().get(name),
    set(values, { replace = false } = {}) {
      const state = read();
      for (const [name, value] of [...state]) if (value === "") state.delete(name);
      for (const [name, value] of Object.entries(values)) {
        if (value === null || value === undefined) state.delete(name);
        else state.set(name, String(value));
      }
      const text = state.toString();
      if (text === read().toString()) return;
      const address = location.href.split("#")[0] + (text ? "#" + text : "");
      history[replace ? "replaceState" : "pushState"](null, "", address);
      notify();
    },
    listen(callback) {
      callbacks.push(callback);
    },
  };
})();
