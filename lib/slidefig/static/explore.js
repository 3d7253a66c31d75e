// Moves the slider figures that slidefig drew while the page was made.
//
// Each group of panels carries a JSON table: for each slider the texts of its values, for each panel the sliders it listens
// to, the live text of every state, and "slots": [number of the element, attribute, values, index of the value per state].
// An attribute "#" is the text of the element, and "" stands for the element as a whole.
(() => {
  "use strict";

  const PLAY = 4000; // milliseconds from one end of a slider to the other

  function parse(markup) {
    const parent = document.createElementNS("http://www.w3.org/2000/svg", "g");
    parent.innerHTML = markup;
    return parent.firstElementChild;
  }

  function set(nodes, number, attribute, value) {
    if (attribute === "#") {
      nodes[number].textContent = value;
    } else if (attribute) {
      nodes[number].setAttribute(attribute, value);
    } else {
      const node = parse(value);
      nodes[number].replaceWith(node);
      nodes[number] = node;
    }
  }

  class Panel {
    constructor(element, data, counts, opening) {
      Object.assign(this, { element, data, counts });
      this.svg = element.querySelector("svg");
      this.nodes = [this.svg, ...this.svg.querySelectorAll("*")];
      this.live = element.querySelector("output > span");
      this.now = this.state(opening);
    }

    // The number of the state in which the sliders have these positions: the last slider runs fastest.
    state(positions) {
      return this.data.sliders.reduce((state, slider) => state * this.counts[slider] + positions[slider], 0);
    }

    show(positions) {
      const state = this.state(positions);
      if (state === this.now) return;
      for (const [number, attribute, values, index] of this.data.slots) {
        if (index[state] !== index[this.now]) set(this.nodes, number, attribute, values[index[state]]);
      }
      this.now = state;
      const text = this.data.texts[state];
      if (this.live && this.live.textContent !== text) this.live.textContent = text;
    }

    // Replaces the moving figure by the first slider's ends and middle, for paper.
    print(positions) {
      if (!this.data.sliders.length) return;
      const first = this.data.sliders[0];
      const last = this.counts[first] - 1;
      this.row = document.createElement("div");
      this.row.className = "explore-snapshots";
      for (const position of new Set([0, Math.round(last / 2), last])) {
        this.show(positions.with(first, position));
        const copy = this.element.cloneNode(true);
        // A reference must not lead to the hidden original.
        for (const node of copy.querySelectorAll("[id]")) node.id += `-${position}`;
        for (const name of ["clip-path", "fill"])
          for (const node of copy.querySelectorAll(`[${name}^="url("]`))
            node.setAttribute(name, node.getAttribute(name).replace(")", `-${position})`));
        this.row.append(copy);
      }
      this.show(positions);
      this.element.after(this.row);
      this.element.hidden = true;
    }

    restore() {
      this.row?.remove();
      this.element.hidden = false;
    }
  }

  function start(group, data) {
    const inputs = [...group.querySelectorAll("input")];
    const counts = data.sliders.map((slider) => slider.shown.length);
    const positions = () => inputs.map((input) => Number(input.value));
    const opening = inputs.map((input) => Number(input.defaultValue));
    const elements = group.querySelectorAll(".explore-panel");
    const panels = data.panels.map((panel, i) => new Panel(elements[i], panel, counts, opening));

    function move() {
      inputs.forEach((input, i) => {
        input.setAttribute("aria-valuetext", data.sliders[i].spoken[input.value]);
        input.nextElementSibling.textContent = data.sliders[i].shown[input.value];
      });
      panels.forEach((panel) => panel.show(positions()));
    }

    for (const button of group.querySelectorAll(".explore-play")) play(button, group, move);
    group.addEventListener("input", move);
    window.addEventListener("beforeprint", () => panels.forEach((panel) => panel.print(positions())));
    window.addEventListener("afterprint", () => panels.forEach((panel) => panel.restore()));
    move(); // a browser may have kept the positions of an earlier visit
    group.classList.add("explore-ready");
  }

  // Lets a slider run to its end, until the button is pressed once more or the reader moves it.
  function play(button, group, move) {
    const input = button.parentElement.querySelector("input");
    let timer;

    function pause() {
      clearInterval(timer);
      timer = undefined;
      button.ariaPressed = "false";
      for (const text of group.querySelectorAll("output")) text.ariaLive = "polite";
    }

    button.addEventListener("click", () => {
      if (timer) return pause();
      if (input.value === input.max) input.value = input.min;
      button.ariaPressed = "true";
      for (const text of group.querySelectorAll("output")) text.ariaLive = "off"; // not every state is read out
      timer = setInterval(() => {
        input.stepUp();
        if (input.value === input.max) pause();
        move();
      }, PLAY / input.max);
    });
    input.addEventListener("input", pause);
  }

  function startAll() {
    for (const table of document.querySelectorAll(".explore-group:not(.explore-ready) > script"))
      start(table.parentElement, JSON.parse(table.text));
  }

  // Where the first figure carries this script, the others are not there yet.
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startAll);
  else startAll();
})();
