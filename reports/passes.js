// Passes of a point: bars, a table of operators, a roofline, one layer in time.
const passes = JSON.parse(document.getElementById("passes").textContent);
const TIMES = "\u00d7";
const add = (parent, tag, properties) => parent.appendChild(Object.assign(document.createElement(tag), properties));
const escaped = (text) => text.replace(/[&<>]/g, (one) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[one]);

// As reports/units.py writes numbers.
const digits = (value, decimals) => value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
const exponent = (value) => Number(value.toExponential(2).split("e")[1]);
const significant = (value) => digits(value, value ? Math.max(0, 2 - exponent(value)) : 0);
const columnUnit = (values) => {
  const largest = Math.max(0, ...values);
  const power = largest ? Math.min(4, Math.max(-5, Math.floor((Math.floor(Math.log10(largest)) - 1) / 3))) : 0;
  const scale = 1000 ** power;
  const decimals = (power === 0 && largest && values.every(Number.isInteger)) || largest >= 1000 * scale ? 0 : 1;
  const least = 10 ** -decimals;
  const text = (value) => (value > 0 && value < (least * scale) / 2 ? `<${least.toFixed(decimals)}` : digits(value / scale, decimals));
  return { prefix: ["f", "p", "n", "µ", "m", "", "k", "M", "G", "T"][power + 5], text };
};

const rowsOf = (pass) => {
  const columns = Object.entries(pass.rows).map(([name, place]) => [name, passes.once[place]]);
  return columns[0][1].map((_, row) => {
    const one = Object.fromEntries(columns.map(([name, column]) => [name, column[row]]));
    one.taken = one.ideal_cycles + one.edge_cycles + one.fill_cycles + one.stalled_cycles + one.lane_cycles;
    one.macs = one.operators * one.count * one.m * one.k * one.n;
    one.shape = one.unit === "array" ? [one.m, one.k, one.n].join(TIMES) + (one.count === 1 ? "" : ` ${TIMES}${one.count}`) : one.kind;
    one.title = one.unit && one.operators > 1 ? `${one.name} ${TIMES}${one.operators}` : one.name;
    return one;
  });
};

// The columns of reports/tables.py: head, whether it is of words, and of each row the text and what it is sorted by.
const operatorColumns = (rows, energies) => {
  const words = (head, of, by = of) => [head, true, rows.map((row) => [of(row), by(row)])];
  const oneUnit = (head, of, like = rows.map(of)) => {
    const unit = columnUnit(like);
    return [head.replace("{}", unit.prefix), false, rows.map((row) => [unit.text(of(row)), of(row)])];
  };
  const ofProducts = (head, of, text) => [head, false, rows.map((row) => (row.macs ? [text(of(row)), of(row)] : ["", ""]))];
  const share = (head, name) => ofProducts(head, (row) => (100 * row[name]) / row.taken, (value) => value.toFixed(1));
  const stall = (row) => (row.taken ? (100 * row.stalled_cycles) / row.taken : 0);
  const logic = (row) => row.energy_pe_J + row.energy_vector_J;
  const all = rows.map((row) => logic(row) + row.energy_sram_J + row.energy_dram_J);
  return [
    words("operator", (row) => row.title, (row) => row.name),
    [`m${TIMES}k${TIMES}n`, false, rows.map((row) => [row.shape, row.macs])],
    oneUnit("{}cycles", (row) => row.taken),
    share("util.", "ideal_cycles"),
    share("edges", "edge_cycles"),
    share("fill", "fill_cycles"),
    ["stall", false, rows.map((row) => [stall(row).toFixed(1), stall(row)])],
    words("bound", (row) => row.bound),
    ...(energies
      ? [
          oneUnit("logic [{}J]", logic, all),
          oneUnit("SRAM", (row) => row.energy_sram_J, all),
          oneUnit("DRAM", (row) => row.energy_dram_J, all),
        ]
      : []),
    oneUnit("traffic [{}B]", (row) => row.dram_bytes),
    ofProducts("MAC/B", (row) => row.macs / row.dram_bytes, significant),
    words("blocking", (row) => row.blocking),
  ];
};

const showOperators = (place, rows, energies) => {
  const columns = operatorColumns(rows, energies);
  const whole = add(place, "div", { className: "filtered" });
  const tools = add(whole, "p", { className: "tools" });
  add(add(tools, "label", { textContent: "Filter " }), "input", { className: "filter", type: "search", placeholder: "q_proj, memory …" });
  add(tools, "span", { className: "count" }).dataset.what = "rows";
  const table = add(add(whole, "div", { className: "scroll" }), "table", { className: "sortable" });
  const heads = table.createTHead().insertRow();
  for (const [head, text] of columns) {
    const cell = add(heads, "th", { scope: "col", className: text ? "text" : "" });
    add(cell, "button", { type: "button", textContent: head });
  }
  const body = table.createTBody();
  rows.forEach((_, number) => {
    const row = body.insertRow();
    for (const [, words, cells] of columns) {
      const cell = add(row, "td", { className: words ? "text" : "", textContent: cells[number][0] });
      cell.dataset.value = cells[number][1];
    }
  });
  filtered(whole);
};

const showBar = (place, [title, total, parts]) => {
  add(place, "h3", { textContent: `${title}: ${total}` });
  const bar = add(place, "div", { className: "bar", ariaHidden: "true" });
  const key = add(place, "ul", { className: "key" });
  for (const [name, text, share, color] of parts) {
    if (share > 0) Object.assign(add(bar, "span").style, { flex: `${share} 0 0`, background: color });
    const item = add(key, "li");
    add(item, "i").style.background = color;
    item.append(`${name} `);
    add(item, "b", { textContent: `${share.toFixed(1)} %` });
    add(item, "span", { textContent: ` ${text}` });
  }
};

const layoutOf = (height, x, y, others) => {
  const layout = structuredClone(passes.layout);
  Object.assign(layout, { height, ...others });
  Object.assign(layout.xaxis, x, { title: { ...layout.xaxis.title, text: x.title } });
  Object.assign(layout.yaxis, y, { title: { ...layout.yaxis.title, text: y.title } });
  fewerTicks(layout);
  return layout;
};

// MAC per byte against MAC per cycle, a point for each distinct product, under the array's peaks and the DRAM's rate.
const roofline = (place, rows, [peaks, bandwidth]) => {
  const shapes = new Map();
  for (const row of rows.filter((one) => one.unit === "array")) {
    const key = [row.kind, row.shape].join();
    const one = shapes.get(key) ?? { names: [], shape: row.shape, macs: 0, taken: 0, bytes: 0 };
    one.names.push(escaped(row.name));
    one.macs += row.macs;
    one.taken += row.taken;
    one.bytes += row.dram_bytes;
    shapes.set(key, one);
  }
  const points = [...shapes.values()].map((one) => ({ ...one, x: one.macs / one.bytes, y: one.macs / one.taken }));
  if (!points.length) return;
  const left = Math.min(...points.map((one) => one.x), peaks[0] / bandwidth) / 3;
  const right = Math.max(...points.map((one) => one.x), peaks.at(-1) / bandwidth) * 2;
  const roofs = peaks.map((peak) => ({
    x: [left, peak / bandwidth, right], y: [left * bandwidth, peak, peak], mode: "lines", hoverinfo: "skip",
    line: { color: "#8a8f98", width: 2 }, name: `${significant(peak)} MAC/cycle, ${significant(bandwidth)} B/cycle`,
  }));
  const products = {
    x: points.map((one) => one.x), y: points.map((one) => one.y), mode: "markers", name: "products",
    marker: { color: passes.colors.array[0], size: 10 }, customdata: points.map((one) => `<b>${one.names.join(", ")}</b><br>${one.shape}`),
    hovertemplate: "%{customdata}<br>%{x:.3~g} MAC/byte, %{y:.3~g} MAC/cycle<extra></extra>",
  };
  add(place, "h3", { textContent: "Roofline" });
  const axis = { type: "log", dtick: 1 };
  Plotly.newPlot(
    add(place, "div", { className: "plot", id: "pass-roofline" }), [...roofs, products],
    layoutOf(passes.layout.height, { ...axis, title: "MAC per byte of DRAM traffic", range: [Math.log10(left), Math.log10(right)] }, { ...axis, title: "MAC per cycle" }, { showlegend: true }),
    settings,
  );
};

const inTime = (place, layer) => {
  const { caption, names, unit, start, end } = Object.fromEntries(Object.entries(layer).map(([name, at]) => [name, passes.once[at]]));
  const lanes = { array: "array", vector: "vector unit" };
  const traces = Object.keys(lanes).map((lane, level) => {
    const own = names.map((_, number) => number).filter((number) => unit[number] === lane);
    return {
      type: "bar", orientation: "h", base: own.map((n) => start[n]), x: own.map((n) => end[n] - start[n]), y: own.map(() => level),
      marker: { color: own.map((_, n) => passes.colors[lane][n % 2]), line: { width: 0 } },
      text: own.map((n) => escaped(names[n])), textposition: "inside", insidetextanchor: "middle", textangle: 0,
      customdata: own.map((n) => `<b>${escaped(names[n])}</b><br>${digits(end[n] - start[n], 0)} cycles from ${digits(start[n], 0)}`),
      hovertemplate: "%{customdata}<extra></extra>",
    };
  });
  add(place, "h3", { textContent: "One layer in time" });
  add(place, "p", { className: "note", textContent: caption });
  Plotly.newPlot(
    add(place, "div", { className: "plot", id: "pass-time" }), traces,
    layoutOf(162, { title: "cycles of the pass", tickformat: "~s", range: [Math.min(...start), Math.max(...end)], nticks: 6, tickangle: 0 },
      { title: "", tickvals: [0, 1], ticktext: Object.values(lanes), range: [1.5, -0.5], showgrid: false, ticklabelstandoff: 6 },
      { barmode: "overlay", bargap: 0.25, showlegend: false, uniformtext: { mode: "hide", minsize: 10 }, margin: { ...passes.layout.margin, t: 8 } }),
    settings,
  );
};

const showPass = (place, pass) => {
  place.replaceChildren();
  add(place, "p", { textContent: pass.told });
  if (pass.unknown) add(place, "p", { className: "note", textContent: pass.unknown });
  for (const bar of [...pass.bars, ...passes.once[pass.areas]]) showBar(add(place, "div", { className: "whole" }), bar);
  const rows = rowsOf(pass);
  add(place, "h3", { textContent: "Operators" });
  add(place, "p", { className: "note", textContent: `Repeated blocks are one row (${TIMES}n); utilization, edges, fill and stall are in % of the row's cycles.` });
  showOperators(place, rows, !pass.unknown);
  roofline(add(place, "div", { className: "whole" }), rows, pass.roof);
  inTime(add(place, "div", { className: "whole" }), pass.layer);
};
const showPasses = (place, ofPoint) => {
  const select = add(add(add(place, "p", { className: "tools" }), "label", { textContent: "Pass " }), "select");
  ofPoint.forEach((pass, number) => add(select, "option", { value: number, textContent: pass.title }));
  const shown = add(place, "div", { className: "pass" });
  select.addEventListener("change", () => showPass(shown, ofPoint[select.value]));
  showPass(shown, ofPoint[0]);
};
