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
/* Rows that an address opens, `#d=accuracy`; opening one by hand changes the address. */
(() => {
  const rows = [...document.querySelectorAll("details.demand")];
  const addressOf = (row) => row.id.slice(2);
  const rowOf = (address) => rows.find((row) => addressOf(row) === address);
  const silent = new Set(); // rows whose next event is the page's own doing
  const toggle = (row, isOpen) => {
    if (!row || row.open === isOpen) return;
    silent.add(row);
    row.open = isOpen;
  };
  let shown = null;
  const show = () => {
    const address = hash.get("d");
    if (address === shown) return;
    const row = rowOf(address);
    toggle(rowOf(shown), false); // back and forward, since the page sets `shown` before the address
    if (row && !row.open) {
      toggle(row, true);
      row.scrollIntoView({ block: "start" });
    }
    shown = address;
  };
  const setAddress = (address) => {
    shown = address;
    hash.set({ d: address });
  };
  hash.listen(show);
  show();
  for (const row of rows) {
    row.addEventListener("toggle", () => {
      if (silent.delete(row)) return;
      if (row.open) setAddress(addressOf(row));
      else if (hash.get("d") === addressOf(row)) setAddress(null);
    });
  }
  /* Links within the page keep the rest of the address. */
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const target = decodeURIComponent(link.getAttribute("href").slice(1));
    const element = document.getElementById(target);
    if (!element) return;
    if (element.matches("details.demand")) {
      event.preventDefault();
      toggle(element, true);
      setAddress(addressOf(element));
      element.scrollIntoView({ block: "start" });
      element.querySelector("summary").focus({ preventScroll: true });
    } else if (location.hash.includes("=")) {
      event.preventDefault();
      element.scrollIntoView({ block: "start" });
      const heading = element.querySelector("[tabindex='-1']");
      if (heading) heading.focus({ preventScroll: true });
    }
  });
  /* Paper shows why demands failed. */
  addEventListener("beforeprint", () => {
    rows.filter((row) => row.matches(".bad, .warn")).forEach((row) => toggle(row, true));
  });
})();
/* Commands can be copied. */
for (const command of navigator.clipboard ? document.querySelectorAll("code.command") : []) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${command.textContent}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(command);
      button.textContent = "Press Ctrl+C";
    }
  });
  command.after(button);
}
