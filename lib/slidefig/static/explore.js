// Moves the slider figures that slidefig drew while the page was made.
//
// Each group of panels carries a JSON table: for each slider the texts of its values, for each panel the sliders it listens
// to, the live text of every state, and "slots": [number of the element, attribute, values, index of the value per state].
// An attribute "#" is the text of the element, and "" stands for the element as a whole.
//
// A site may keep a table out of its pages, in a script "states/KEY.js" beside this one that calls slidefigStates(KEY, table);
// the page has KEY in its place, as data-states.
(() => {
  "use strict";

  const PLAY = 4000; // milliseconds from one end of a slider to the other
  const REST = 200; // milliseconds after which a slider has come to rest
  const NEAR = 40; // CSS pixels within which a curve or a handle is meant
  const STEPS = 60; // from one end of a curve to the other
  const here = document.currentScript?.src;

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

    // The positions of the sliders in the state in which a handle is nearest to a point.
    nearest(handle, [x, y], positions) {
      const [, , values, index] = this.data.slots.find(([number, name]) => this.nodes[number] === handle && name === "d");
      const far = values.map((d) => Math.hypot(origin(d)[0] - x, origin(d)[1] - y));
      let state = index.reduce((best, value, state) => (far[value] < far[index[best]] ? state : best), 0);
      const found = [...positions];
      for (const slider of this.data.sliders.toReversed()) {
        found[slider] = state % this.counts[slider];
        state = Math.floor(state / this.counts[slider]);
      }
      return found;
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

  // A slider, or buttons of which one is pressed.
  class Control {
    constructor(element) {
      this.inputs = [...element.querySelectorAll("input")];
      this.name = element.dataset.name;
      this.linked = "linked" in element.dataset;
      this.slides = this.inputs[0].type === "range";
      this.opening = this.slides ? Number(this.inputs[0].defaultValue) : this.inputs.findIndex((input) => input.defaultChecked);
    }

    get position() {
      return this.slides ? this.inputs[0].valueAsNumber : this.inputs.findIndex((input) => input.checked);
    }

    set position(position) {
      if (this.slides) this.inputs[0].value = position;
      else this.inputs[position].checked = true;
    }

    say({ shown, spoken }) {
      if (!this.slides) return;
      this.inputs[0].setAttribute("aria-valuetext", spoken[this.position]);
      this.inputs[0].nextElementSibling.textContent = shown[this.position];
    }
  }

  class Group {
    constructor(element) {
      this.element = element;
      this.id = element.closest("[id]")?.id ?? "";
      this.script = element.querySelector(":scope > script");
      this.controls = [...element.querySelectorAll(".explore-input")].map((input) => new Control(input));
    }

    get loaded() {
      return Boolean(this.script.text);
    }

    // Resolves when the table has come; where that failed, it is asked for once more with the next move.
    load() {
      this.loading ??= new Promise((done) => {
        if (this.loaded) return done();
        const src = new URL(`states/${this.script.dataset.states}.js`, here);
        const onerror = () => (this.loading = undefined);
        document.head.append(Object.assign(document.createElement("script"), { src, onload: done, onerror }));
      });
      return this.loading;
    }

    // A page has up to a megabyte of tables, and each waits until it is needed.
    get table() {
      if (!this.unpacked) {
        this.unpacked = JSON.parse(this.script.text);
        const counts = this.unpacked.sliders.map((slider) => slider.shown.length);
        const elements = this.element.querySelectorAll(".explore-panel");
        const opening = this.controls.map((control) => control.opening);
        this.panels = this.unpacked.panels.map((panel, i) => new Panel(elements[i], panel, counts, opening));
      }
      return this.unpacked;
    }

    get positions() {
      return this.controls.map((control) => control.position);
    }

    show() {
      const { sliders } = this.table;
      this.controls.forEach((control, i) => control.say(sliders[i]));
      this.panels.forEach((panel) => panel.show(this.positions));
    }

    // The reader has moved something: what is linked follows, and the address comes to say so.
    moved() {
      if (!this.loaded) return void this.load().then(() => this.moved());
      this.show();
      this.controls.forEach((control, i) => {
        if (!control.linked) return;
        for (const other of groups)
          if (other !== this) other.follow(control.name, this.table.sliders[i].written[control.position]);
      });
      clearTimeout(resting);
      resting = setTimeout(keep, REST);
    }

    follow(name, value) {
      if (!this.loaded) return void this.load().then(() => this.follow(name, value));
      const at = this.controls.findIndex((control) => control.linked && control.name === name);
      if (at < 0) return;
      this.controls[at].position = nearest(this.table.sliders[at].written, value);
      this.show();
    }

    // Writes into the query of an address where this group differs from its opening, and reads it from there.
    write(query) {
      this.controls.forEach((control, i) => {
        const key = `${this.id}.${control.name}`;
        if (control.position === control.opening) query.delete(key);
        else query.set(key, this.table.sliders[i].written[control.position]);
      });
    }

    read(query) {
      const given = this.controls.map((control) => query.get(`${this.id}.${control.name}`));
      if (!this.unpacked && given.every((value) => value === null)) return;
      if (!this.loaded) return void this.load().then(() => this.read(query));
      this.controls.forEach((control, i) => {
        control.position = given[i] === null ? control.opening : nearest(this.table.sliders[i].written, given[i], control.opening);
      });
      this.show();
    }
  }

  // The position of a value among those of a slider, as an older page may have had others.
  function nearest(values, value, otherwise = 0) {
    if (values.includes(value)) return values.indexOf(value);
    const numbers = values.map(Number);
    if (value.trim() === "" || ![value, ...numbers].every((number) => !Number.isNaN(Number(number)))) return otherwise;
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    const wanted = Math.max(low, Math.min(high, Number(value)));
    const scale = low > 0 ? Math.log : Number;
    const far = numbers.map((number) => Math.abs(scale(number) - scale(wanted)));
    return far.indexOf(Math.min(...far));
  }

  // --- The address

  const groups = [];
  let resting;

  // A slider is moved as a page is scrolled: where it rests belongs to the address, but is no step of the history.
  function keep() {
    resting = undefined;
    const address = new URL(location);
    for (const group of groups) if (group.unpacked) group.write(address.searchParams);
    if (address.href !== location.href) history.replaceState(history.state, "", address);
  }

  addEventListener("popstate", () => {
    if (resting) {
      clearTimeout(resting);
      keep();
    } else {
      const query = new URLSearchParams(location.search);
      groups.forEach((group) => group.read(query));
    }
  });

  async function copyLink(button, group) {
    const address = new URL(location);
    address.search = "";
    for (const other of groups) if (other.id === group.id && other.loaded) other.write(address.searchParams);
    if (!location.hash.startsWith("#/")) address.hash = group.id; // that of a slide stays
    try {
      await navigator.clipboard.writeText(address.href);
    } catch {
      prompt("The link to this state:", address.href); // a browser may refuse
      return;
    }
    const said = Object.assign(document.createElement("span"), { className: "explore-said", role: "status" });
    button.after(said);
    said.textContent = "Link copied";
    setTimeout(() => said.remove(), 2000);
  }

  // --- Reading values off curves

  const origin = (d) => d.match(/-?\d+/g).slice(0, 2).map(Number);

  // The vertices of a path of straight lines; a gap begins with a vertex that is marked.
  function vertices(path) {
    let [x, y] = [0, 0];
    const found = [];
    for (const [, letter, numbers] of path.getAttribute("d").matchAll(/([MmLl])([^MmLlz]*)/g)) {
      const steps = numbers.match(/-?\d+/g)?.map(Number) ?? [];
      for (let i = 0; i + 1 < steps.length; i += 2) {
        [x, y] = letter < "a" ? [steps[i], steps[i + 1]] : [x + steps[i], y + steps[i + 1]];
        found.push([x, y, /m/i.test(letter) && !i]);
      }
    }
    return found;
  }

  // The point of a curve that is nearest to another, and how far.
  function project(points, [x, y]) {
    let best = { far: Infinity };
    for (let i = 1; i < points.length; i++) {
      const [[a, b], [c, d, gap]] = [points[i - 1], points[i]];
      if (gap) continue;
      const [u, v] = [c - a, d - b];
      const t = Math.max(0, Math.min(1, ((x - a) * u + (y - b) * v) / (u * u + v * v || 1)));
      const far = Math.hypot(a + t * u - x, b + t * v - y);
      if (far < best.far) best = { far, point: [a + t * u, b + t * v] };
    }
    return best;
  }

  const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

  // As many digits as can be told apart in the picture: a unit more or less would be `step`.
  function written(value, step) {
    if (Math.abs(value) < step / 2) return "0";
    const digits = Math.max(1, Math.min(3, Math.ceil(Math.log10(Math.abs(value) / step))));
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e").map(Number);
    const small = exponent > -4 && exponent < 5;
    const power = String(Math.abs(exponent)).replace(/\d/g, (digit) => SUPERSCRIPTS[digit]);
    const text = small ? String(Number(value.toPrecision(digits))) : `${mantissa}·10${exponent < 0 ? "⁻" : ""}${power}`;
    return text.replace(/^1·/, "").replace("-", "−");
  }

  class Reader {
    constructor(panel) {
      this.panel = panel;
      this.svg = panel.querySelector("svg");
      this.dot = Object.assign(document.createElement("div"), { className: "explore-dot" });
      this.bubble = Object.assign(document.createElement("div"), { className: "explore-bubble" });
    }

    get curves() {
      return [...this.svg.querySelectorAll("path[data-curve]")].map(vertices).filter((points) => points.length > 1);
    }

    // From a point of the window to one of the picture.
    at({ clientX, clientY }) {
      const box = this.svg.getBoundingClientRect();
      this.unit = this.svg.viewBox.baseVal.width / box.width;
      return [(clientX - box.left) * this.unit, (clientY - box.top) * this.unit];
    }

    axes([x, y]) {
      const all = JSON.parse(this.svg.dataset.axes ?? "[]");
      return all.find(([left, bottom, right, top]) => x >= left - 2 && x <= right + 2 && y >= top - 2 && y <= bottom + 2);
    }

    point(event) {
      const at = this.at(event);
      if (!this.axes(at)) return this.hide();
      const best = this.curves.map((points) => project(points, at)).sort((a, b) => a.far - b.far)[0];
      if (best?.far < NEAR * this.unit) this.show(best.point, "off");
      else this.hide();
    }

    show(point, ariaLive) {
      const axes = this.axes(point);
      if (!axes) return this.hide();
      const lines = [0, 1].map((k) => {
        const [label, logarithmic, low, high] = axes[4 + k];
        const share = (point[k] - axes[k]) / (axes[2 + k] - axes[k]);
        const value = (share) => (logarithmic ? low * (high / low) ** share : low + (high - low) * share);
        const step = Math.abs(value(share + 1 / (axes[2 + k] - axes[k])) - value(share));
        return `${label || "xy"[k]}: ${written(value(share), step)}`;
      });
      const [box, around] = [this.svg.getBoundingClientRect(), this.panel.getBoundingClientRect()];
      const unit = this.svg.viewBox.baseVal.width / box.width;
      const [left, top] = [box.left - around.left + point[0] / unit, box.top - around.top + point[1] / unit];
      for (const part of [this.dot, this.bubble]) {
        part.style.setProperty("--left", `${left}px`);
        part.style.setProperty("--top", `${top}px`);
      }
      this.bubble.classList.toggle("explore-below", top < 60);
      this.bubble.ariaLive = ariaLive;
      if (!this.bubble.isConnected) this.panel.append(this.dot, this.bubble);
      this.bubble.innerText = lines.join("\n");
    }

    hide() {
      this.dot.remove();
      this.bubble.remove();
    }
  }

  // By keyboard: the arrows go along a curve and from one to the other.
  function readByKeyboard(button, readers) {
    let curves, which, share;

    function show() {
      const { reader, points } = curves[which];
      const lengths = points.map(([x, y, gap], i) => (gap || !i ? 0 : Math.hypot(x - points[i - 1][0], y - points[i - 1][1])));
      let rest = share * lengths.reduce((sum, length) => sum + length, 0);
      let i = 0;
      while (i < points.length - 1 && (lengths[i] < rest || !lengths[i])) rest -= lengths[i++];
      const part = lengths[i] ? Math.max(0, Math.min(1, rest / lengths[i])) : 1;
      const [from, to] = [points[Math.max(0, i - 1)], points[i]];
      readers.forEach((other) => other.hide());
      reader.show([0, 1].map((k) => Math.round(from[k] + part * (to[k] - from[k]))), "polite");
    }

    function end() {
      button.ariaPressed = "false";
      readers.forEach((reader) => reader.hide());
    }

    button.addEventListener("click", () => {
      if (button.ariaPressed === "true") return end();
      curves = readers.flatMap((reader) => reader.curves.map((points) => ({ reader, points })));
      if (!curves.length) return;
      button.ariaPressed = "true";
      button.focus();
      [which, share] = [0, 0.5];
      show();
    });
    button.addEventListener("blur", end);
    button.addEventListener("keydown", (event) => {
      if (button.ariaPressed !== "true") return;
      const along = { ArrowLeft: -1, ArrowRight: 1, Home: -STEPS, End: STEPS }[event.key];
      const across = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (event.key === "Escape") end();
      else if (along) share = Math.max(0, Math.min(1, share + along / STEPS));
      else if (across) which = (which + across + curves.length) % curves.length;
      else return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key !== "Escape") show();
    });
  }

  // --- Start

  function start(element) {
    const group = new Group(element);
    const panels = [...element.querySelectorAll(".explore-panel:has([data-axes])")];
    const readers = panels.map((panel) => new Reader(panel));
    readers.forEach((reader) => {
      reader.panel.addEventListener("pointermove", (event) => reader.point(event));
      reader.panel.addEventListener("pointerdown", (event) => reader.point(event));
      reader.panel.addEventListener("pointerleave", () => reader.hide());
    });
    const read = element.querySelector(".explore-read");
    if (read) readByKeyboard(read, readers);
    element.classList.add("explore-ready");
    if (!group.script) return;

    groups.push(group);
    element.addEventListener("input", () => group.moved());
    for (const button of element.querySelectorAll(".explore-play")) play(button, group);
    for (const button of element.querySelectorAll(".explore-link"))
      button.addEventListener("click", () => copyLink(button, group));
    element.addEventListener("dblclick", ({ target, offsetX }) => {
      if (target.type !== "range") return;
      target.value = offsetX < target.clientWidth / 2 ? target.min : target.max;
      group.moved();
    });
    // A finger that touched a slider and turned out to scroll the page leaves the slider where it was.
    let before;
    element.addEventListener("pointerdown", () => (before = group.positions));
    element.addEventListener("pointercancel", ({ target }) => {
      if (target.type !== "range" || String(before) === String(group.positions)) return;
      group.controls.forEach((control, i) => (control.position = before[i]));
      group.moved();
    });
    for (const panel of element.querySelectorAll(".explore-panel:has([data-drag])")) drag(panel, group);
    addEventListener("beforeprint", () => {
      if (group.loaded && group.table) group.panels.forEach((panel) => panel.print(group.positions));
    });
    addEventListener("afterprint", () => group.panels?.forEach((panel) => panel.restore()));
    // A browser has kept them.
    if (group.controls.some((control) => control.position !== control.opening)) group.load().then(() => group.show());
  }

  // Lets a slider run to its end, until the button is pressed once more or the reader moves it.
  function play(button, group) {
    const input = button.parentElement.querySelector("input");
    let timer;

    function pause() {
      clearInterval(timer);
      timer = undefined;
      button.ariaPressed = "false";
      for (const text of group.element.querySelectorAll("output")) text.ariaLive = "polite";
    }

    button.addEventListener("click", () => {
      if (timer) return pause();
      if (input.value === input.max) input.value = input.min;
      button.ariaPressed = "true";
      for (const text of group.element.querySelectorAll("output")) text.ariaLive = "off"; // not every state is read out
      timer = setInterval(() => {
        input.stepUp();
        if (input.value === input.max) pause();
        group.moved();
      }, PLAY / input.max);
    });
    input.addEventListener("input", pause);
  }

  // Lets a marker be dragged: the sliders go to the state in which it is nearest to the pointer.
  function drag(panel, group) {
    const reader = new Reader(panel);
    let offset;
    const handle = () => panel.querySelector("path[data-drag]");
    const from = (event) => {
      const [x, y] = reader.at(event);
      const [i, j] = origin(handle().getAttribute("d"));
      return [i - x, j - y];
    };
    const meant = (event) => handle() && Math.hypot(...from(event)) < (NEAR / 2) * reader.unit;

    panel.addEventListener("pointerdown", (event) => {
      if (!meant(event)) return;
      offset = from(event);
      panel.setPointerCapture(event.pointerId);
    });
    panel.addEventListener("pointermove", (event) => {
      panel.classList.toggle("explore-grab", Boolean(offset) || Boolean(meant(event)));
      if (!offset || !group.loaded) return;
      const [x, y] = reader.at(event);
      group.table;
      const shown = group.panels.find((other) => other.element === panel);
      const to = shown.nearest(handle(), [x + offset[0], y + offset[1]], group.positions);
      if (String(to) === String(group.positions)) return;
      group.controls.forEach((control, i) => (control.position = to[i]));
      group.moved();
    });
    for (const end of ["pointerup", "pointercancel"]) panel.addEventListener(end, () => (offset = undefined));
    // A finger on the handle does not scroll.
    panel.addEventListener("touchstart", (event) => meant(event.touches[0]) && event.preventDefault(), { passive: false });
  }

  function startAll() {
    document.querySelectorAll(".explore-group:not(.explore-ready)").forEach(start);
    const query = new URLSearchParams(location.search);
    if (query.size) groups.forEach((group) => group.read(query));
  }

  window.slidefigStates = (key, table) => {
    // Not all of them are in the document: what prints slides moves these around.
    for (const { script } of groups) if (script.dataset.states === key) script.text = table;
  };

  // The first thing that a reader does calls for all tables: they are there when a slider is moved or the page is printed.
  const SIGNS = ["pointermove", "pointerdown", "wheel", "keydown"];
  function readerIsThere() {
    for (const sign of SIGNS) removeEventListener(sign, readerIsThere, true);
    for (const group of groups) group.load();
  }
  for (const sign of SIGNS) addEventListener(sign, readerIsThere, { capture: true, passive: true });

  // Where the first figure carries this script, the others are not there yet.
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startAll);
  else startAll();
})();
