const figures = JSON.parse(document.getElementById("figures").textContent);
for (const [place, figure] of Object.entries(figures)) {
  Plotly.newPlot(place, figure.data, figure.layout, { responsive: true, displayModeBar: false });
}
const resize = (layout) => { for (const place of Object.keys(figures)) Plotly.relayout(place, layout); };
addEventListener("beforeprint", () => resize({ autosize: false, width: 660 }));
addEventListener("afterprint", () => resize({ autosize: true, width: null }));

const compare = (a, b) => {
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
};
for (const button of document.querySelectorAll(".sortable th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
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
}
