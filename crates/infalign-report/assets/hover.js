// The value nearest the pointer. Each drawing is followed by its values as JSON:
// [name, colour, is a mark, [[x, y, text], …]] in pixels of the drawing's view box.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  for (const data of document.querySelectorAll(".panel > script[type='application/json']")) {
    const svg = data.previousElementSibling;
    const places = JSON.parse(data.textContent).flatMap(([name, colour, mark, values]) =>
      values.map(([x, y, text]) => ({ name, colour, mark, x, y, text })));
    const ring = document.createElementNS(SVG, "circle");
    ring.setAttribute("r", 70);
    ring.setAttribute("fill", "none");
    ring.setAttribute("stroke-width", 22);
    ring.setAttribute("visibility", "hidden");
    svg.append(ring);
    const hide = () => {
      tip.hidden = true;
      ring.setAttribute("visibility", "hidden");
    };
    const show = (event) => {
      const matrix = svg.getScreenCTM();
      if (!matrix) return hide();
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
      let best = null;
      let nearest = 350; // 35 units of the drawing
      for (const place of places) {
        // A mark lies above the curves and is smaller: it wins from a little farther away.
        const distance = Math.hypot(place.x - at.x, place.y - at.y) - (place.mark ? 80 : 0);
        if (distance < nearest) {
          nearest = distance;
          best = place;
        }
      }
      if (!best) return hide();
      ring.setAttribute("cx", best.x);
      ring.setAttribute("cy", best.y);
      ring.setAttribute("stroke", best.colour);
      ring.setAttribute("visibility", "visible");
      const name = document.createElement("b");
      name.textContent = best.name;
      tip.replaceChildren(name, best.text);
      tip.hidden = false;
      const box = tip.getBoundingClientRect();
      const left = event.clientX + 16 + box.width < innerWidth ? event.clientX + 16 : event.clientX - 16 - box.width;
      const top = event.clientY + 16 + box.height < innerHeight ? event.clientY + 16 : event.clientY - 16 - box.height;
      tip.style.left = `${Math.max(4, left)}px`;
      tip.style.top = `${Math.max(4, top)}px`;
    };
    svg.addEventListener("pointermove", show);
    svg.addEventListener("pointerdown", show);
    svg.addEventListener("pointerleave", hide);
    addEventListener("scroll", hide, { passive: true });
  }
})();
