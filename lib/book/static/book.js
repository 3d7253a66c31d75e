// What scrolls sideways can be reached, and so read, by keyboard. Only who uses the Tab key needs that, and to measure all
// boxes takes as long as to show the page.
function markScrolling() {
  const boxes = [...document.querySelectorAll(".highlight pre, .katex-display, .table-wrapper")];
  const wide = boxes.map((box) => box.scrollWidth > box.clientWidth);
  boxes.forEach((box, i) => (wide[i] ? (box.tabIndex = 0) : box.removeAttribute("tabindex")));
}
addEventListener("keydown", function first({ key }) {
  if (key !== "Tab") return;
  removeEventListener("keydown", first, true);
  markScrolling();
  addEventListener("resize", markScrolling);
  document.addEventListener("toggle", markScrolling, true); // a dropdown has opened
}, true);

// The search fetches the pages it has found to quote from them, which a browser refuses where pages are files. A deck has
// no search.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS === "object") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
