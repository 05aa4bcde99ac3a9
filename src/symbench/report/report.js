// Filters of the answer, and tables that sort by the column whose head is clicked.
"use strict";

function number(cell) {
  const text = cell.dataset.value ?? cell.textContent.trim();
  return Number.parseFloat(text === "inf" ? "Infinity" : text);
}

function compare(one, other) {
  const [a, b] = [number(one), number(other)];
  if (Number.isNaN(a) || Number.isNaN(b)) return one.textContent.localeCompare(other.textContent);
  return a === b ? 0 : a - b;
}

function sort(head) {
  const column = [...head.parentElement.children].indexOf(head);
  const body = head.closest("table").tBodies[0];
  const rising = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const rows = [...body.rows].sort((a, b) => compare(a.cells[column], b.cells[column]));
  body.append(...(rising ? rows : rows.reverse()));
}

function filter() {
  const wanted = [...document.querySelectorAll("select[data-filter]")];
  for (const row of document.querySelectorAll(".matrix tbody tr")) {
    row.hidden = wanted.some((each) => each.value && row.dataset[each.dataset.filter] !== each.value);
  }
}

for (const head of document.querySelectorAll(".table thead th")) {
  head.tabIndex = 0;
  head.addEventListener("click", () => sort(head));
  head.addEventListener("keydown", (event) => event.key === "Enter" && sort(head));
}
for (const each of document.querySelectorAll("select[data-filter]")) each.addEventListener("change", filter);
// A link to a figure opens it.
function open() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;
}
document.getElementById("contents").open = matchMedia("(min-width: 72rem)").matches;
addEventListener("hashchange", open);
open();
