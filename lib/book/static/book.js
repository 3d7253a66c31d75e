// What scrolls sideways ends in a shade, and can be reached, and so read, by keyboard. To measure all boxes at once takes as long
// as to show the page: each is measured when it comes near to what is seen, and all of them for who uses the Tab key.
const boxes = [...document.querySelectorAll(".highlight pre, .katex-display, .table-wrapper")];
function markScrolling(boxes) {
  const wide = boxes.map((box) => box.scrollWidth > box.clientWidth);
  boxes.forEach((box, i) => (wide[i] ? (box.tabIndex = 0) : box.removeAttribute("tabindex")));
}
const near = new IntersectionObserver(
  (changes) => markScrolling(changes.filter((change) => change.isIntersecting).map(({ target }) => target)),
  { rootMargin: "50% 0%" },
);
function watchScrolling() {
  near.disconnect();
  boxes.forEach((box) => near.observe(box));
}
watchScrolling();
addEventListener("resize", watchScrolling);
addEventListener("keydown", function first({ key }) {
  if (key !== "Tab") return;
  removeEventListener("keydown", first, true);
  const markAll = () => markScrolling(boxes);
  markAll();
  addEventListener("resize", markAll);
  document.addEventListener("toggle", markAll, true); // a dropdown has opened
}, true);

// On paper the answers of a quiz stand apart from its questions, at the end of the page.
addEventListener("beforeprint", () => {
  const quizzes = document.querySelectorAll(".quiz");
  if (!quizzes.length) return;
  const answers = document.createElement("section");
  answers.className = "quiz-answers";
  answers.innerHTML = "<h2>Answers to the quiz</h2>";
  for (const quiz of quizzes) {
    const parts = quiz.querySelectorAll(".quiz-number, details > div");
    answers.append(...[...parts].map((part) => part.cloneNode(true)));
  }
  document.querySelector("article").append(answers);
});
addEventListener("afterprint", () => document.querySelector(".quiz-answers")?.remove());
