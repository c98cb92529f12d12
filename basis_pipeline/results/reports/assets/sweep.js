
/* The map of a sweep: any two keys against each other, the other keys at one value each. */
(() => {
  const source = document.getElementById("map-data");
  if (!source) return;
  const map = JSON.parse(source.textContent);
  const best = map.points.find((point) => point.number === map.best);
  const keys = map.keys.length;
  const state = { metric: map.metric, across: keys - 1, down: keys > 1 ? keys - 2 : -1, at: [...best.at] };

  function shownAs(form, value) {
    if (form === "percent") return number(value * 100, 2) + "%";
    if (form === "count") return number(value, 0);
    return form === "money" ? compact(value) : number(value, 3);
  }

  function choice(title, entries, chosen, choose) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    label.append(title, select);
    entries.forEach(([value, text]) => select.add(new Option(text, value, false, value === chosen)));
    select.addEventListener("change", () => { choose(Number(select.value)); show(); });
    return label;
  }

  function controls() {
    const names = map.keys.map((key, index) => [index, key]);
    const made = [choice("Metric", map.titles.map((title, index) => [index, title]), state.metric, (to) => (state.metric = to))];
    if (keys > 1) {
      made.push(choice("Across", names, state.across, (to) => { if (to === state.down) state.down = state.across; state.across = to; }));
      made.push(choice("Down", names, state.down, (to) => { if (to === state.across) state.across = state.down; state.down = to; }));
    }
    map.keys.forEach((key, axis) => {
      if (axis === state.across || axis === state.down) return;
      made.push(choice(key, map.values[axis].map((value, index) => [index, value]), state.at[axis], (to) => (state.at[axis] = to)));
    });
    document.getElementById("map-controls").replaceChildren(...made);
  }

  function inSlice(point) {
    return point.at.every((value, axis) => axis === state.across || axis === state.down || value === state.at[axis]);
  }

  function cell(point, low, high) {
    const made = document.createElement("td");
    if (!point) return made;
    const value = point.values[state.metric];
    made.title = `point ${point.number}` + (point.reason ? `: ${point.reason}` : "");
    if (value == null) {
      made.className = "lost";
      made.textContent = point.reason ? "✕" : "–";
      return made;
    }
    const share = high > low ? (value - low) / (high - low) : 0.5;
    const good = map.smaller[state.metric] ? 1 - share : share;
    made.style.background = `color-mix(in srgb, var(--gain) ${(4 + 50 * good).toFixed(1)}%, transparent)`;
    made.textContent = shownAs(map.forms[state.metric], value);
    if (point.number === map.best) made.classList.add("best");
    return made;
  }

  function heading(text, scope) {
    const made = document.createElement("th");
    made.scope = scope;
    made.textContent = text;
    return made;
  }

  function show() {
    controls();
    const slice = map.points.filter(inSlice);
    const known = slice.map((point) => point.values[state.metric]).filter((value) => value != null);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const table = document.createElement("table");
    table.className = "map";
    const across = map.values[state.across];
    const down = state.down < 0 ? [""] : map.values[state.down];
    const head = table.createTHead().insertRow();
    const corner = state.down < 0 ? map.keys[state.across] : `${map.keys[state.down]} ↓  ${map.keys[state.across]} →`;
    head.append(heading(corner, "col"), ...across.map((value) => heading(value, "col")));
    const body = table.createTBody();
    down.forEach((name, row) => {
      const line = body.insertRow();
      line.append(heading(name, "row"));
      across.forEach((_, column) => {
        const found = slice.find((p) => p.at[state.across] === column && (state.down < 0 || p.at[state.down] === row));
        line.append(cell(found, low, high));
      });
    });
    table.createCaption().textContent = `${map.titles[state.metric]}: greener is better. Outlined: the best point. ✕: not done, hover for why.`;
    document.getElementById("map-cells").replaceChildren(table);
  }

  show();
})();
