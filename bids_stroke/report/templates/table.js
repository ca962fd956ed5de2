"use strict";
// Sorting and filtering of the table of predictions. Without a script the whole table stands there all the same.
(() => {
  const table = document.querySelector("table.sortable");
  if (!table) return;
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.rows];
  const inWords = new Intl.Collator("en", { numeric: true });
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const keys = new Map(); // column -> what each row is sorted by, null where there is nothing

  const keysOf = (column) => {
    if (!keys.has(column)) {
      const found = rows.map((row) => {
        const cell = row.cells[column];
        const text = cell.dataset.v ?? cell.textContent.trim();
        return text === "" || text === "–" ? null : text;
      });
      const numbers = found.every((text) => text === null || Number.isFinite(Number(text)));
      keys.set(column, numbers ? found.map((text) => (text === null ? null : Number(text))) : found);
    }
    return keys.get(column);
  };

  const sort = (column) => {
    const up = heads[column].getAttribute("aria-sort") !== "ascending";
    const by = keysOf(column);
    const compare = (a, b) => (typeof a === "number" ? a - b : inWords.compare(a, b));
    const order = rows.map((_, place) => place).sort((a, b) => {
      if (by[a] === null || by[b] === null) return (by[a] === null) - (by[b] === null) || a - b;
      return (up ? compare(by[a], by[b]) : compare(by[b], by[a])) || a - b;
    });
    heads.forEach((head, place) => {
      head.setAttribute("aria-sort", place !== column ? "none" : up ? "ascending" : "descending");
    });
    body.replaceChildren(...order.map((place) => rows[place]));
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(column));
    head.append(button);
    head.setAttribute("aria-sort", "none");
  });

  const form = document.getElementById("filter");
  const told = document.getElementById("told");
  const fits = {
    words: (row, place, wanted) => wanted.toLowerCase().split(/\s+/).every((word) => texts[place].includes(word)),
    missing: (row, place, wanted) => {
      const lacks = row.dataset.missing;
      return wanted === "none" ? lacks === "" : wanted === "any" ? lacks !== "" : lacks.split("|").includes(wanted);
    },
    look: (row, place, wanted) => (wanted === "any" ? row.dataset.look !== "" : row.dataset.look === wanted),
  };
  const filter = () => {
    const wanted = [...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter((pair) => pair[1]);
    let shown = 0;
    rows.forEach((row, place) => {
      const here = wanted.every(([name, value]) =>
        fits[name] ? fits[name](row, place, value) : row.dataset[name] === value);
      row.hidden = !here;
      shown += here;
    });
    told.textContent = `${shown} of ${rows.length} rows shown.`;
  };
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  filter();
})();
