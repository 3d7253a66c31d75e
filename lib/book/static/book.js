// What scrolls sideways can be reached, and so read, by keyboard.
function markScrolling() {
  for (const box of document.querySelectorAll(".highlight pre, .katex-display, .table-wrapper")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
addEventListener("load", markScrolling);
addEventListener("resize", markScrolling);
document.addEventListener("toggle", markScrolling, true); // a dropdown has opened
