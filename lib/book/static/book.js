// What scrolls sideways ends in a shade, and can be reached, and so read, by keyboard. A box is measured when it is there: to ask
// for the width of one in a closed dropdown would let the browser lay it out.
const boxes = document.querySelectorAll(".highlight pre, .katex-display, .table-wrapper");
const there = new IntersectionObserver((changes) => {
  const seen = changes.filter((change) => change.isIntersecting).map(({ target }) => target);
  const wide = seen.map((box) => box.scrollWidth > box.clientWidth);
  seen.forEach((box, i) => (wide[i] ? (box.tabIndex = 0) : box.removeAttribute("tabindex")));
}, { rootMargin: "1000000px" });
function measure() {
  there.disconnect();
  boxes.forEach((box) => there.observe(box));
}
measure();
addEventListener("resize", measure);

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
