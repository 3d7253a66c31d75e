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
