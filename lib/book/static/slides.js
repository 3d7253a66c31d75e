// Starts a deck, except on a phone, where it stays a page (slides.css). Keys beyond those of reveal.js: Tab goes to the
// slider of a slide, whose arrow keys then move the slider; Escape goes back to the slides, and the keys of a presenter turn
// the slide in any case.
(() => {
  "use strict";

  const hall = matchMedia("(min-device-width: 700px)");
  hall.addEventListener("change", () => location.reload()); // a phone that has been turned
  if (!hall.matches) return;

  Reveal.initialize({
    width: 1280,
    height: 720,
    margin: 0.02,
    center: false,
    hash: true,
    slideNumber: "c/t",
    transition: "none",
    backgroundTransition: "none",
    controlsTutorial: false,
    scrollActivationWidth: null,
    pdfSeparateFragments: false,
    plugins: [RevealNotes],
    keyboard: { 66: () => location.assign(document.body.dataset.home) }, // B: back to the book
  }).then(() => {
    // reveal.js says that a deck is an application: a screen reader would leave all keys to it, and no slide could be read.
    Reveal.getRevealElement().setAttribute("role", "main");
    document.querySelector(".controls").setAttribute("role", "none");
  });

  document.addEventListener("keydown", (event) => {
    if (!event.target.matches("input")) return;
    const turn = { PageDown: () => Reveal.next(), PageUp: () => Reveal.prev(), Escape: () => {} }[event.key];
    if (!turn) return;
    event.preventDefault();
    event.stopPropagation();
    event.target.blur();
    turn();
  }, true);
})();
