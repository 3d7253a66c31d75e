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
