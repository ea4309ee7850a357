
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const form = document.getElementById("filters");
  const count = document.getElementById("count");
  const fields = all("[name]", form);
  const filters = ["torch", "device", "isolation"];
  const known = [...fields.map((field) => field.name), "sort", "dir", "rows"];
  const limit = 100; // rows shown per table before "show all": browsers need seconds to lay out a thousand
  const total = all("section.board tbody tr:not([data-end])").length;

  const boards = all("section.board").map((section) => {
    const body = section.querySelector("table.ranking tbody");
    const heads = all("thead th", section.querySelector("table.ranking"));
    const rows = [...body.rows].map((row, index) => ({
      row, index, end: "end" in row.dataset, text: row.textContent.toLowerCase(),
    }));
    const more = document.createElement("button");
    more.type = "button";
    more.className = "more";
    more.addEventListener("click", () => go({ ...read(), rows: "all" }, true));
    section.querySelector(".scroll").after(more);
    return { section, body, heads, rows, more, sorted: rows, order: "", task: section.dataset.task };
  });

  const read = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    return Object.fromEntries(known.map((name) => [name, given.get(name) || ""]));
  };

  const address = (state) => {
    const given = known.filter((name) => state[name]).map((name) => [name, state[name]]);
    return "#" + new URLSearchParams(given);
  };

  const go = (state, kept) => {
    const target = address(state);
    if (target !== address(read())) history[kept ? "pushState" : "replaceState"](null, "", target);
    show(state);
  };

  const compare = (kind, column, sign) => {
    const value = ({ row }) => {
      const text = row.cells[column].dataset.v;
      return kind === "number" && text !== undefined ? Number(text) : text;
    };
    const collator = new Intl.Collator("en", { numeric: true });
    return (one, other) => {
      const [a, b] = [value(one), value(other)];
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined) || one.index - other.index;
      return sign * (kind === "number" ? a - b : collator.compare(a, b)) || one.index - other.index;
    };
  };

  const direction = (head, state) => (["asc", "desc"].includes(state.dir) ? state.dir : head.dataset.first);

  const sort = (board, state) => {
    const asked = board.heads.find((head) => head.dataset.key === state.sort);
    const head = asked || board.heads.find((one) => one.dataset.key === "way");
    const way = asked ? direction(head, state) : "desc";
    const order = asked ? `${state.sort} ${way}` : "";
    if (order !== board.order) {
      const column = board.heads.indexOf(head);
      const rule = asked ? compare(head.dataset.kind, column, way === "asc" ? 1 : -1) : (a, b) => a.index - b.index;
      board.sorted = [...board.rows].sort(rule);
      board.body.replaceChildren(...board.sorted.map(({ row }) => row));
      board.order = order;
      if (head.classList.contains("extra")) board.section.querySelector("details.extras").open = true;
    }
    for (const one of board.heads) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", way === "asc" ? "ascending" : "descending");
    return asked ? `${asked.querySelector(".name").textContent.trim()}, ${way === "asc" ? "ascending" : "descending"}` : "";
  };

  const fits = (state, words, row, text) =>
    filters.every((name) => !state[name] || row.dataset[name] === state[name]) && words.every((word) => text.includes(word));

  const filter = (board, state, words) => {
    const fitting = board.sorted.filter(({ row, end, text }) =>
      !end && (!state.task || board.task === state.task) && fits(state, words, row, text));
    const shown = new Set(state.rows === "all" ? fitting : fitting.slice(0, limit));
    for (const one of board.sorted) one.row.hidden = !one.end && !shown.has(one);
    board.section.hidden = !fitting.length;
    board.more.hidden = shown.size === fitting.length;
    board.more.textContent = `Show all ${fitting.length} runs of this table, not just the first ${limit}`;
    return fitting.length;
  };

  const choose = (state) => {
    for (const field of fields) {
      const value = state[field.name];
      if (field.options && ![...field.options].some((option) => option.value === value)) field.add(new Option(value, value));
      if (field.value !== value) field.value = value;
    }
  };

  const show = (state) => {
    choose(state);
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const orders = new Set();
    let shown = 0;
    for (const board of boards) {
      const order = sort(board, state);
      const here = filter(board, state, words);
      if (here) orders.add(order);
      shown += here;
    }
    const by = [...orders].filter(Boolean)[0];
    const what = shown === total ? `${total} runs` : `${shown} of ${total} runs`;
    count.textContent = shown ? `${what}, ${by ? `sorted by ${by}` : "the best first"}.` : `None of ${total} runs fits.`;
  };

  for (const { heads } of boards) {
    for (const head of heads) {
      const button = document.createElement("button");
      button.type = "button";
      const words = head.querySelector("span");
      button.append(...words.childNodes);
      words.replaceWith(button);
      button.addEventListener("click", () => {
        const current = head.getAttribute("aria-sort");
        const turned = current === "ascending" ? "desc" : current === "descending" ? "asc" : head.dataset.first;
        go({ ...read(), sort: head.dataset.key, dir: turned }, true);
      });
    }
  }
  const typed = () => ({ ...read(), ...Object.fromEntries(fields.map((field) => [field.name, field.value])) });
  form.addEventListener("change", (event) => go(typed(), event.target.name !== "q"));
  form.addEventListener("input", (event) => event.target.name === "q" && go(typed(), false));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    go(Object.fromEntries(known.map((name) => [name, ""])), true);
  });
  addEventListener("popstate", () => show(read()));
  addEventListener("hashchange", () => show(read()));
  form.hidden = false;
  show(read());
})();
