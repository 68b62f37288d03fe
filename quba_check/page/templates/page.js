"use strict";
/* The state of the page in its address, `#d=accuracy&x=parameters`; null removes a name. */
const hash = (() => {
  const callbacks = [];
  const notify = () => callbacks.forEach((callback) => callback());
  const read = () => new URLSearchParams(location.hash.slice(1));
  addEventListener("popstate", notify);
  return {
    get: (name) => read().get(name),
    set(values) {
      const state = read();
      for (const [name, value] of [...state]) if (value === "") state.delete(name); // the address of a section
      for (const name in values) values[name] === null ? state.delete(name) : state.set(name, values[name]);
      const text = String(state);
      if (text === String(read())) return;
      history.pushState(null, "", location.href.split("#")[0] + (text && "#" + text));
      notify();
    },
    listen: (callback) => callbacks.push(callback),
  };
})();
/* Rows that an address opens, `#d=accuracy`; opening one by hand changes the address. */
(() => {
  const rows = [...document.querySelectorAll("details.demand")];
  const addressOf = (row) => row.id.slice(2);
  const rowOf = (address) => rows.find((row) => addressOf(row) === address);
  const known = new Map(rows.map((row) => [row, row.open])); // events of other states are the reader's doing
  const toggle = (row, isOpen) => {
    if (!row) return;
    known.set(row, isOpen);
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
  if (rowOf(hash.get("d"))) rows.forEach((row) => toggle(row, false)); // a link to a demand opens that one alone
  show();
  for (const row of rows) {
    row.addEventListener("toggle", () => {
      if (known.get(row) === row.open) return;
      known.set(row, row.open);
      if (row.open) setAddress(addressOf(row));
      else if (hash.get("d") === addressOf(row)) setAddress(null);
    });
  }
  /* Links within the page keep the rest of the address. */
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const element = document.getElementById(decodeURIComponent(link.getAttribute("href").slice(1)));
    const isDemand = element?.matches("details.demand");
    if (!element || !(isDemand || location.hash.includes("="))) return;
    event.preventDefault();
    if (isDemand) {
      toggle(element, true);
      setAddress(addressOf(element));
    }
    element.scrollIntoView({ block: "start" });
    element.querySelector("summary, [tabindex='-1']")?.focus({ preventScroll: true });
  });
})();
/* Commands can be copied. */
for (const command of navigator.clipboard ? document.querySelectorAll("code.command") : []) {
  const button = document.createElement("button");
  const text = command.textContent;
  Object.assign(button, { type: "button", className: "copy", textContent: "Copy", ariaLabel: `Copy ${text}` });
  button.onclick = async () => {
    const isCopied = await navigator.clipboard.writeText(text).then(() => true, () => false);
    if (!isCopied) getSelection().selectAllChildren(command);
    button.textContent = isCopied ? "Copied" : "Press Ctrl+C";
  };
  command.after(button);
}
