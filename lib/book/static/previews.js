// Shows what a link leads to, while it is pointed at or has the focus, or after it was tapped. The pieces were cut out of the
// pages when the site was made (previews.py), and each is loaded when it is asked for.
(() => {
  "use strict";

  const WAIT = 250; // milliseconds that a link is pointed at before its preview comes, and goes
  const here = new URL(document.currentScript.src);
  const pieces = {};
  const card = Object.assign(document.createElement("div"), { id: "preview", popover: "manual", role: "tooltip" });
  let shown, timer;

  window.bookPreview = (key, html) => (pieces[key] = html);

  async function piece(key) {
    if (!(key in pieces))
      await new Promise((done) => {
        const src = new URL(`previews/${key}.js`, here);
        document.head.append(Object.assign(document.createElement("script"), { src, onload: done, onerror: done }));
      });
    return pieces[key];
  }

  async function show(link, hint) {
    const html = await piece(link.dataset.preview);
    if (!html || wanted !== link) return Boolean(html);
    card.innerHTML = html;
    if (hint) card.insertAdjacentHTML("beforeend", `<p class="preview-hint">Tap the link again to go there.</p>`);
    (document.querySelector("article") ?? document.body).append(card); // where boxes have their style
    card.showPopover();
    place(link);
    card.classList.toggle("preview-cut", card.scrollHeight > card.clientHeight + 2);
    link.setAttribute("aria-describedby", card.id);
    shown = link;
    return true;
  }

  // Below the link, or above it where there is more room, and nowhere while the link is out of sight.
  function place(link) {
    const [line] = link.getClientRects();
    if (!line) return hide();
    const { offsetWidth: width, offsetHeight: height } = card;
    const below = innerHeight - line.bottom - 8;
    card.style.left = `${Math.max(8, Math.min(line.left, document.documentElement.clientWidth - width - 8))}px`;
    card.style.top = `${height <= below || below > line.top ? line.bottom + 4 : Math.max(4, line.top - height - 4)}px`;
    card.style.visibility = line.bottom < 0 || line.top > innerHeight ? "hidden" : "";
  }

  function hide() {
    clearTimeout(timer);
    wanted = undefined;
    shown?.removeAttribute("aria-describedby");
    shown = undefined;
    card.remove();
  }

  let wanted;
  function want(link, wait, hint) {
    clearTimeout(timer);
    if (link === shown) return;
    hide();
    wanted = link;
    timer = setTimeout(() => show(link, hint), wait);
  }

  const linkOf = ({ target }) => target.closest?.("a[data-preview]");

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    const link = linkOf(event);
    if (link) want(link, WAIT);
    else if (event.target.closest?.("#preview")) clearTimeout(timer); // one may go there, to read at leisure
    else if (wanted && document.activeElement !== wanted) {
      clearTimeout(timer);
      timer = setTimeout(hide, WAIT);
    }
  });
  document.addEventListener("focusin", (event) => {
    const link = linkOf(event);
    if (link?.matches(":focus-visible")) want(link, 0);
    else hide();
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  document.addEventListener("click", (event) => {
    const link = linkOf(event);
    if (!link || event.pointerType !== "touch" || event.ctrlKey || event.metaKey || link === shown) return hide();
    event.preventDefault();
    hide();
    wanted = link;
    show(link, true).then((found) => found || location.assign(link.href));
  });
  addEventListener("scroll", () => shown && place(shown), { passive: true });
  addEventListener("pagehide", hide);
})();
