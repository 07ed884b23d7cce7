const figures = JSON.parse(document.getElementById("figures").textContent);
const settings = { responsive: true, displayModeBar: false };
const NARROW = 500; // [px] of a screen, on which fewer ticks have room
const fewerTicks = (layout) => { if (innerWidth < NARROW && layout.xaxis.nticks) layout.xaxis.nticks = 4; };
for (const [place, figure] of Object.entries(figures)) {
  fewerTicks(figure.layout);
  Plotly.newPlot(place, figure.data, figure.layout, settings);
}
const resize = (layout) => { for (const plot of document.querySelectorAll(".js-plotly-plot")) Plotly.relayout(plot, layout); };
addEventListener("beforeprint", () => resize({ autosize: false, width: 660 }));
addEventListener("afterprint", () => resize({ autosize: true, width: null }));

const compare = (a, b) => {
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
};
document.addEventListener("click", (event) => {
  const head = event.target.closest(".sortable th button")?.closest("th");
  if (!head) return;
  const body = head.closest("table").tBodies[0];
  const first = head.classList.contains("text") ? "ascending" : "descending";
  const other = first === "ascending" ? "descending" : "ascending";
  const order = head.getAttribute("aria-sort") === first ? other : first;
  for (const sibling of head.parentNode.children) sibling.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const value = (row) => row.cells[head.cellIndex].dataset.value;
  body.append(...[...body.rows].sort((a, b) => sign * compare(value(a), value(b))));
});

// Rows with all words of the filter are shown, and how many there are of how many.
const filtered = (place) => {
  const words = place.querySelector(".filter").value.toLowerCase().split(/[\s,]+/).filter(Boolean);
  const rows = [...place.querySelectorAll("tbody tr")];
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  const count = place.querySelector(".count");
  count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} ${count.dataset.what}`;
};
document.addEventListener("input", (event) => { if (event.target.matches(".filter")) filtered(event.target.closest(".filtered")); });
for (const place of document.querySelectorAll(".filtered")) filtered(place);
