"use strict";
const live = document.getElementById("live");
const lost = document.getElementById("lost");
const filter = document.getElementById("filter");
let last = "";

function choose() {
  const words = filter ? filter.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
  for (const row of live.querySelectorAll("table.runs tbody tr")) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
}

async function refresh() {
  try {
    const answer = await fetch(live.dataset.source, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    if (text !== last) {
      const focused = document.activeElement && document.activeElement.id;
      live.innerHTML = text; // the server has escaped every text in it
      last = text;
      choose();
      const again = focused && document.getElementById(focused);
      if (again) again.focus();
    }
    lost.hidden = true;
  } catch (error) {
    lost.hidden = false;
  }
  setTimeout(refresh, document.hidden ? 10000 : 2000);
}

if (filter) filter.addEventListener("input", choose);
choose();
refresh();
