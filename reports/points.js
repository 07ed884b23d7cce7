const choose = (point) => {
  const place = document.getElementById("chosen");
  place.replaceChildren(document.createElement("h3"), document.createElement("table"));
  place.firstChild.textContent = details[point].name;
  place.lastChild.className = "facts narrow";
  for (const [name, value] of Object.entries(details[point])) {
    const row = place.lastChild.insertRow();
    const head = row.appendChild(document.createElement("th"));
    head.textContent = name;
    row.insertCell().textContent = value;
  }
  for (const row of document.querySelectorAll("#points tbody tr")) row.classList.toggle("chosen", row.dataset.point === String(point));
};
for (const plot of document.querySelectorAll(".plot")) plot.on("plotly_click", (event) => event.points[0].customdata && choose(event.points[0].customdata[0]));
document.querySelector("#points tbody").addEventListener("click", (event) => choose(Number(event.target.closest("tr").dataset.point)));
const filter = document.getElementById("filter");
const show = () => {
  const words = filter.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
  let shown = 0;
  for (const row of document.querySelectorAll("#points tbody tr")) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    shown += !row.hidden;
  }
  const count = document.getElementById("count");
  count.textContent = `${shown} of ${details.length} ${count.dataset.what}`;
};
filter.addEventListener("input", show);
show();
