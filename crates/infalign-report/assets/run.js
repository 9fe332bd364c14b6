// Sorts tables by a column, searches the samples, copies what makes the run again. The page is whole without it.
(() => {
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.querySelectorAll("thead tr:last-child th")];
    for (const head of heads) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const column = Number(head.dataset.column);
        const value = (row) => {
          const text = row.cells[column].textContent.replaceAll("−", "-").trim();
          const number = Number.parseFloat(text);
          return Number.isNaN(number) ? text : number;
        };
        const order = (a, b) => {
          const [x, y] = [value(a), value(b)];
          // Words after numbers, whichever way the numbers go.
          if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
          const sign = typeof x === "number" ? x - y : x.localeCompare(y);
          return down ? -sign : sign;
        };
        for (const body of table.tBodies) {
          const rows = [...body.rows].filter((row) => !row.classList.contains("section"));
          body.append(...rows.sort(order));
        }
      });
    }
  }
  const form = document.querySelector("form.search");
  if (form) {
    form.hidden = false;
    const [words, policy] = form.querySelectorAll("input, select");
    const found = form.querySelector("output");
    const search = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const sample of document.querySelectorAll("details.sample")) {
        let hits = 0;
        const prompt = sample.querySelector(".prompt").textContent.toLowerCase();
        for (const response of sample.querySelectorAll(".response")) {
          const text = prompt + " " + response.textContent.toLowerCase();
          const hit = (!policy.value || response.dataset.policy === policy.value)
            && wanted.every((word) => text.includes(word));
          response.hidden = !hit;
          if (hit) hits += 1;
        }
        sample.hidden = hits === 0;
        if (hits > 0) count += 1;
        if (wanted.length > 0) sample.open = hits > 0;
      }
      found.textContent = wanted.length > 0 || policy.value ? `${count} of ${document.querySelectorAll("details.sample").length} prompts` : "";
    };
    form.addEventListener("input", search);
    form.addEventListener("submit", (event) => event.preventDefault());
  }
  for (const text of document.querySelectorAll(".facts pre")) {
    if (!navigator.clipboard) break;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", () => navigator.clipboard.writeText(text.textContent).then(() => {
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    }));
    text.after(button);
  }
})();
