const details = JSON.parse(document.getElementById("details").textContent);
const chosen = document.getElementById("chosen");

// A point's figures and passes, in the place of those of the point before.
const open = (facts, ofPoint, why) => {
  chosen.replaceChildren();
  const { name, ...others } = facts;
  const head = add(chosen, "h3", { textContent: name, tabIndex: -1 });
  const list = add(chosen, "ul", { className: "key told" });
  for (const [what, value] of Object.entries(others)) {
    if (value === "") continue;
    const item = add(list, "li");
    add(item, "span", { textContent: `${what} ` });
    add(item, "b", { textContent: value });
  }
  if (ofPoint.length) showPasses(chosen, ofPoint);
  else add(chosen, "p", { className: "note", textContent: why });
  head.scrollIntoView({ block: "nearest" });
};
const choose = (point) => {
  for (const row of document.querySelectorAll("#points tbody tr")) row.classList.toggle("chosen", row.dataset.point === String(point));
  open(details[point], passes.points[point], "No pass of this point could be scheduled.");
};
document.querySelector("#points tbody").addEventListener("click", (event) => choose(Number(event.target.closest("tr").dataset.point)));
