/* "Where it stands": ranks, chart and table of a population under chosen weights. */
(() => {
  const source = document.getElementById("ranking-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const section = document.getElementById("ranking");
  const part = (name) => section.querySelector(`[data-part=${name}]`);
  const controls = [...section.querySelectorAll("[data-name]")];
  const dimensions = data.dimensions;
  const theirs = data.ids.map((name, row) => ({
    name,
    values: data.values.map((column) => column[row]),
    doubtful: data.doubtful[row],
    groups: data.groups.map((group) => group.values[group.of[row]]),
  }));
  const own = data.own.map((model) => ({ ...model, groups: [], own: true }));
  const models = [...theirs, ...own];

  /* The state is what the address says, else the default. */
  const qualities = ["score", ...dimensions];
  const choices = { x: qualities, y: qualities, population: Object.keys(data.populations) };
  for (const group of data.groups) choices[group.name] = ["", ...group.values];
  const { x, y, population } = data;
  const defaults = { ...Object.fromEntries(data.groups.map((group) => [group.name, ""])), x, y, population };
  dimensions.forEach((name, k) => (defaults[`w.${name}`] = data.weights[k]));
  const state = {};
  let count, active, readable, drawn, timer, limit = innerWidth > 640 ? 20 : 5;
  let sorting = { column: 0, down: false };

  function read() {
    for (const name in defaults) {
      const text = hash.get(name);
      const isAllowed = choices[name]?.includes(text) ?? (text && text >= 0 && text <= 1e6);
      state[name] = isAllowed ? (choices[name] ? text : Number(text)) : defaults[name];
    }
  }

  const save = () =>
    hash.set(Object.fromEntries(Object.keys(state).map((name) => [name, state[name] === defaults[name] ? null : state[name]])));

  /* Scores and ranks, as `quba-check published rank` computes them. */
  const isDoubtful = (model, k) => (model.doubtful >> k) & 1;
  function value(model, name) {
    if (name === "score") return model.score;
    const k = dimensions.indexOf(name);
    return state.population === "screened" && isDoubtful(model, k) ? null : model.values[k];
  }

  function score(model) {
    const { mu, sigma } = data.populations[state.population];
    let sum = 0;
    let total = 0;
    for (const [k, name] of dimensions.entries()) {
      const weight = state[`w.${name}`];
      const measured = weight ? value(model, name) : 0;
      if (measured === null) return null;
      sum += weight * (((data.lower[k] ? -1 : 1) * (measured - mu[k])) / sigma[k]);
      total += weight;
    }
    return total ? sum / total : null;
  }

  function rankAll() {
    for (const model of models) {
      model.score = score(model);
      model.selected = model.own || data.groups.every((group, k) => ["", model.groups[k]].includes(state[group.name]));
    }
    const hasRank = (model) => model.selected && model.score !== null && model.drawn !== false;
    const scores = theirs.filter(hasRank).map((model) => model.score).sort((a, b) => b - a);
    const places = new Map(scores.map((score, k) => [score, k + 1]).reverse());
    const place = (score) => places.get(score) ?? scores.filter((other) => other > score).length + 1;
    for (const model of models) model.rank = hasRank(model) ? place(model.score) : null;
    count = scores.length;
  }

  const byRank = (a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || Boolean(b.own) - Boolean(a.own);

  /* Text. */
  const isLog = (name) => name === "parameters";
  function format(name, number) {
    if (number === null) return "–";
    const digits = isLog(name) && number >= 1 ? 1 : name !== "score" && number && Math.abs(number) < 0.1 ? 4 : 3;
    return number.toFixed(digits) + (isLog(name) ? " M" : "");
  }

  const rankText = (model) =>
    `${model.name}: ${model.rank === null ? "not ranked" : `rank ${model.rank} of ${count + (model.own ? 1 : 0)}`}`;
  function describe(model) {
    const values = [state.x, state.y].map((name) => `${name.replaceAll("_", " ")} ${format(name, value(model, name))}`);
    return [rankText(model), ...values, ...model.groups].join(", ");
  }

  /* Chart. */
  const [LEFT, RIGHT, TOP, BOTTOM] = [64, 704, 16, 380];
  const STAR = [0, -13, "l3.3 8.5 9.1 0.5 -7.1 5.7 2.3 8.8 -7.6 -4.9 -7.6 4.9 2.3 -8.8 -7.1 -5.7 9.1 -0.5z"];
  const MARKS = [[0, 0, "h0"], [0, -4, "l4 7h-8z"], [-3, -3, "h6v6h-6z"], [0, -5, "l4 5-4 5-4-5z"]];
  const mark = ([right, down, path], x, y) => `M${x + right} ${y + down}${path}`;
  const chart = part("chart");
  const svg = chart.querySelector("svg");

  const element = (tag, attributes, text = "") => {
    const node = document.createElementNS(svg.namespaceURI, tag);
    for (const name in attributes) node.setAttribute(name, attributes[name]);
    node.textContent = text;
    return node;
  };
  const ring = element("circle", { class: "ring" });
  const near = element("g", {});

  function label({ model, x, y }) {
    const isRight = x > (LEFT + RIGHT) / 2;
    const name = model.name.length > 24 ? `${model.name.slice(0, 23)}…` : model.name;
    const place = { x: x + (isRight ? -20 : 20), y: y + 5, "text-anchor": isRight ? "end" : "start" };
    return element("text", { class: "own", ...place }, name);
  }

  function scale(name, shown, start, end) {
    const place = (number) => (isLog(name) ? Math.log10(number) : number);
    const places = shown.map((model) => place(value(model, name))).sort((a, b) => a - b);
    const room = 0.05 * (places.at(-1) - places[0]) || 0.5;
    const [low, high] = [places[0] - room, places.at(-1) + room];
    const ticks = [];
    const power = 10 ** Math.floor(Math.log10((high - low) / 7));
    const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= (high - low) / 7) * power;
    if (isLog(name)) for (let k = Math.floor(low); k <= high; k++) ticks.push(10 ** k, 3 * 10 ** k);
    else for (let k = Math.ceil(low / step); k * step <= high; k++) ticks.push(k * step);
    return {
      pixel: (number) => +(start + ((place(number) - low) / (high - low)) * (end - start)).toFixed(1),
      ticks: ticks.filter((number) => place(number) >= low && place(number) <= high),
    };
  }

  function draw() {
    const isShown = (model, name) => value(model, name) !== null && !(isLog(name) && value(model, name) <= 0);
    const shown = models.filter((model) => model.drawn !== false && isShown(model, state.x) && isShown(model, state.y));
    const x = scale(state.x, shown, LEFT, RIGHT);
    const y = scale(state.y, shown, BOTTOM, TOP);
    drawn = shown.map((model) => ({ model, x: x.pixel(value(model, state.x)), y: y.pixel(value(model, state.y)) }));
    const paths = { grid: "", front: front() };
    const texts = [
      element("text", { x: (LEFT + RIGHT) / 2, y: BOTTOM + 50 }, data.titles[state.x]),
      element("text", { x: -(TOP + BOTTOM) / 2, y: 14, class: "up", transform: "rotate(-90)" }, data.titles[state.y]),
      ...x.ticks.map((tick) => element("text", { x: x.pixel(tick), y: BOTTOM + 24 }, +tick.toPrecision(6))),
      ...y.ticks.map((tick) => element("text", { class: "end", x: LEFT - 6, y: y.pixel(tick) + 5 }, +tick.toPrecision(6))),
    ];
    paths.grid += x.ticks.map((tick) => `M${x.pixel(tick)} ${TOP}V${BOTTOM}`).join("");
    paths.grid += y.ticks.map((tick) => `M${LEFT} ${y.pixel(tick)}H${RIGHT}`).join("");
    for (const dot of drawn) {
      const { own, selected, groups } = dot.model;
      const family = groups.length ? data.groups[0].values.indexOf(groups[0]) % MARKS.length : 0;
      const kind = own ? "own" : selected ? `f${family}` : "rest";
      paths[kind] = (paths[kind] ?? "") + mark(own ? STAR : MARKS[selected ? family : 0], dot.x, dot.y);
      if (own) texts.push(label(dot));
    }
    const kinds = ["grid", "front", "rest", "f0", "f1", "f2", "f3", "own"].filter((kind) => paths[kind]);
    svg.replaceChildren(...kinds.map((kind) => element("path", { class: kind, d: paths[kind] })), ...texts, ring, near);
  }

  function front() {
    const sign = (name) => (data.lower[dimensions.indexOf(name)] ? -1 : 1);
    const right = (dot) => sign(state.x) * dot.x;
    const up = (dot) => -sign(state.y) * dot.y;
    const order = drawn.filter(({ model }) => !model.own && model.selected).sort((a, b) => right(b) - right(a) || up(b) - up(a));
    const line = [];
    for (const dot of order) if (!line.length || up(dot) > up(line.at(-1))) line.push(dot);
    return line.map((dot, k) => `${k ? "L" : "M"}${dot.x} ${dot.y}`).join("");
  }

  /* The chart is a list box: arrow keys choose its option, the text below it. */
  const option = part("option");
  function activate(model) {
    const dot = drawn.find((other) => other.model === model);
    if (!dot) return;
    active = model;
    for (const [name, at] of Object.entries({ cx: dot.x, cy: dot.y, r: model.own ? 17 : 10 })) ring.setAttribute(name, at);
    near.replaceChildren(...(model.own ? [] : [label(dot)]));
    option.textContent = describe(model);
    option.id = option.id === "ranking-a" ? "ranking-b" : "ranking-a"; // a new id is announced
    Object.assign(option, { ariaPosInSet: readable.indexOf(model) + 1, ariaSetSize: readable.length });
    chart.setAttribute("aria-activedescendant", option.id);
  }

  const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, Home: -1e9, End: 1e9 };
  chart.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    activate(readable[Math.max(0, Math.min(readable.indexOf(active) + STEPS[event.key], readable.length - 1))]);
  });
  svg.onpointermove = svg.onpointerdown = (event) => {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const away = (dot) => Math.hypot(dot.x - x, dot.y - y);
    const [nearest] = drawn.filter((dot) => dot.model.selected && away(dot) < 24).sort((a, b) => away(a) - away(b));
    if (nearest && nearest.model !== active) activate(nearest.model);
  };

  /* Table. */
  const table = part("table");
  const headings = [...table.querySelectorAll("thead th")];
  const labels = headings.map((heading) => heading.textContent);
  const names = ["rank", "name", ...qualities, ...data.groups.keys()];
  const cell = (model, name) => (qualities.includes(name) ? value(model, name) : model[name] ?? model.groups[name] ?? null);

  function fill() {
    const { column, down } = sorting;
    const key = (model) => cell(model, names[column]);
    const compare = (a, b) => (a === null) - (b === null) || (down ? -1 : 1) * (a < b ? -1 : a > b);
    const rows = models.filter((model) => model.selected).sort((a, b) => compare(key(a), key(b)) || byRank(a, b));
    const shown = rows.filter((model, place) => place < limit || model.own);
    table.tBodies[0].replaceChildren(...shown.map(row));
    part("shown").textContent = `${shown.length} of ${rows.length} shown`;
    part("more").hidden = rows.length <= limit;
    headings.forEach((heading, k) => heading.setAttribute("aria-sort", k !== column ? "none" : down ? "descending" : "ascending"));
  }

  function row(model) {
    const line = document.createElement("tr");
    if (model.own) line.className = "own";
    line.dataset.score = model.score;
    for (const [k, name] of names.entries()) {
      const node = line.appendChild(document.createElement(name === "name" ? "th" : "td"));
      node.dataset.label = labels[k];
      if (name === "name") node.scope = "row";
      else if (data.groups[name]) node.className = "word";
      const content = cell(model, name);
      node.textContent = qualities.includes(name) ? format(name, content) : content ?? (name === "rank" ? "–" : "");
      if (content !== null && isDoubtful(model, dimensions.indexOf(name))) node.textContent += " ?";
    }
    return line;
  }

  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.onclick = () => {
      sorting = { column, down: sorting.column === column ? !sorting.down : column === 2 || data.lower[column - 3] === 0 };
      fill();
    };
    heading.append(button);
  });

  /* The whole section. */
  function render() {
    rankAll();
    for (const control of controls) {
      const chosen = (control.value = state[control.dataset.name]);
      if (control.type === "range") control.previousElementSibling.textContent = +chosen.toFixed(2);
    }
    draw();
    readable = drawn.map((dot) => dot.model).filter((model) => model.selected).sort(byRank);
    activate(readable.includes(active) ? active : readable.find((model) => model.own) ?? readable[0]);
    fill();
    const first = theirs.filter((model) => model.rank === 1).map((model) => `first: ${model.name}`);
    clearTimeout(timer);
    timer = setTimeout(() => {
      part("status").textContent = [`${count} models ranked`, ...first, ...own.map(rankText)].join("; ");
    }, 300);
  }

  for (const control of controls) {
    control.oninput = () => {
      state[control.dataset.name] = control.type === "range" ? Number(control.value) : control.value;
      render();
    };
    control.onchange = save;
  }
  part("reset").onclick = () => hash.set(Object.fromEntries(dimensions.map((name) => [`w.${name}`, null])));
  part("more").onclick = () => {
    limit = Infinity;
    fill();
  };
  hash.listen(() => {
    if (location.hash.length > 1 && !location.hash.includes("=")) return; // a section
    read();
    render();
  });
  section.querySelectorAll("[data-script]").forEach((shown) => (shown.hidden = false));
  section.querySelector("details").open = innerWidth > 640;
  for (const key of section.querySelectorAll("[data-mark]")) key.setAttribute("d", mark(MARKS[key.dataset.mark], 7, 7));
  Object.assign(chart, { role: "listbox", ariaLabel: "Models in the chart, by rank", tabIndex: 0 });
  read();
  render();
})();
