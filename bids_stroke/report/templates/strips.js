"use strict";
// What a mark of a strip plot is: by mouse or finger, and by arrow keys from mark to mark. Marks are drawn without it.
(() => {
  const all = document.getElementById("strips");
  if (!all) return;
  const units = all.dataset.units.split(" ");
  const tip = document.getElementById("tip");
  const near = 14; // pixels from a mark

  const name = (unit) => unit.replace("_ses-", ", session ");
  const page = (unit) => {
    const [person, session] = unit.split("_");
    return `${person}.html#${session ?? "examination"}`;
  };

  all.querySelectorAll("svg").forEach((svg) => {
    const { low, high, unit: measure, label, values } = svg.dataset;
    const [left, right, wide, tall] = [10, 990, 1000, 40]; // as strips.py draws them
    let marks = null; // made when the first one is looked for
    let here = 0;

    const made = () => {
      marks ??= values.split(",").map((text, place) => {
        const value = Number(text.replace("−", "-"));
        const at = left + ((right - left) * (value - Number(low))) / (Number(high) - Number(low));
        return { unit: units[place], text, value, x: Math.min(Math.max(at, 4), 996),
          y: 5 + 30 * ((place * 0.618034) % 1) };
      }).filter((mark) => mark.text !== "").sort((a, b) => a.value - b.value);
      return marks;
    };
    const inWords = (mark) => `${name(mark.unit)}: ${mark.text}${measure ? " " + measure : ""}`;
    const show = (mark) => {
      const box = svg.getBoundingClientRect();
      tip.textContent = inWords(mark);
      tip.hidden = false;
      const x = box.left + (mark.x / wide) * box.width;
      const most = document.documentElement.clientWidth - tip.offsetWidth - 8;
      tip.style.left = `${window.scrollX + Math.max(4, Math.min(x + 10, most))}px`;
      tip.style.top = `${window.scrollY + box.top + (mark.y / tall) * box.height - tip.offsetHeight - 8}px`;
    };
    const hide = () => { tip.hidden = true; svg.style.cursor = ""; };
    const nearest = (event) => {
      const box = svg.getBoundingClientRect();
      let [best, least] = [null, near];
      for (const mark of made()) {
        const away = Math.hypot(box.left + (mark.x / wide) * box.width - event.clientX,
          box.top + (mark.y / tall) * box.height - event.clientY);
        if (away < least) [best, least] = [mark, away];
      }
      return best;
    };

    svg.addEventListener("pointermove", (event) => {
      const mark = nearest(event);
      if (!mark) return hide();
      svg.style.cursor = "pointer";
      show(mark);
    });
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("click", (event) => {
      const mark = nearest(event);
      if (mark) window.location.href = page(mark.unit);
    });

    const go = (place) => {
      here = Math.min(Math.max(place, 0), made().length - 1);
      svg.setAttribute("aria-valuenow", here + 1);
      svg.setAttribute("aria-valuetext", inWords(made()[here]));
      show(made()[here]);
    };
    svg.setAttribute("role", "slider"); // it has one place after the other
    svg.setAttribute("tabindex", "0");
    svg.setAttribute("aria-valuemin", "1");
    svg.setAttribute("aria-valuemax", svg.dataset.n);
    svg.setAttribute("aria-valuenow", "1");
    svg.setAttribute("aria-valuetext", `${label}: arrow keys lead from examination to examination, Enter to its page`);
    svg.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 20, PageDown: -20 };
      const to = { Home: 0, End: made().length - 1 };
      if (event.key === "Enter") window.location.href = page(made()[here].unit);
      else if (event.key in steps) go(tip.hidden ? here : here + steps[event.key]);
      else if (event.key in to) go(to[event.key]);
      else if (event.key === "Escape") hide();
      else return;
      event.preventDefault();
    });
    svg.addEventListener("blur", hide);
  });
})();
