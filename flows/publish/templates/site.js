"use strict";
// Tables that may be long: a search over all columns, a choice among the values of a column, sorting by any.
for (const table of document.querySelectorAll("table.data")) {
  const head = table.tHead, body = table.tBodies[0];
  if (!head || !body || body.rows.length < 2) continue;
  const rows = [...body.rows], titles = [...head.rows[0].cells];
  const words = row => row.textContent.toLowerCase();
  const valueOf = cell => {
    const stated = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(stated.replaceAll(",", ""));
    return stated === "" || stated === "–" ? null : Number.isNaN(number) ? stated.toLowerCase() : number;
  };

  const bar = document.createElement("div"), count = document.createElement("span");
  bar.className = "finder";
  count.setAttribute("role", "status");
  const search = document.createElement("input");
  search.type = "search";
  search.placeholder = "Search";
  search.setAttribute("aria-label", `Search in ${table.caption?.textContent ?? "this table"}`);
  bar.append(search);
  const choices = titles.flatMap((title, column) => {
    if (!title.hasAttribute("data-choose")) return [];
    const choice = document.createElement("select"), name = title.textContent.trim();
    const found = [...new Set(rows.map(row => row.cells[column].textContent.trim()))].sort();
    choice.setAttribute("aria-label", name);
    choice.append(new Option(`${name}: all`, ""), ...found.map(one => new Option(one || "(none)", `=${one}`)));
    bar.append(choice);
    return [{choice, column}];
  });
  bar.append(count);
  const show = () => {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits = wanted.every(word => words(row).includes(word)) && choices.every(({choice, column}) =>
        choice.value === "" || choice.value === `=${row.cells[column].textContent.trim()}`);
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  };
  search.addEventListener("input", show);
  for (const {choice} of choices) choice.addEventListener("change", show);
  (table.closest(".wide") ?? table).before(bar);
  show();

  titles.forEach((title, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...title.childNodes);
    title.append(button);
    button.addEventListener("click", () => {
      const up = title.getAttribute("aria-sort") !== "ascending";
      for (const other of titles) other.removeAttribute("aria-sort");
      title.setAttribute("aria-sort", up ? "ascending" : "descending");
      const sign = up ? 1 : -1;
      const order = (one, other) => {
        const a = valueOf(one.cells[column]), b = valueOf(other.cells[column]);
        if (a === null || b === null) return (a === null) - (b === null);  // what is not known comes last
        if (typeof a !== typeof b) return sign * (typeof a === "number" ? -1 : 1);
        return sign * (typeof a === "number" ? a - b : a.localeCompare(b, "en", {numeric: true}));
      };
      body.append(...rows.sort(order));
    });
  });
}
