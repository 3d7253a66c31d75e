// The search page. PAGES is what search.py has read from the site: address, number and records of each page.
const KINDS = ["Page", "Section", "Statement", "Figure", "Exercise", "Library"];
// What is sought is more often said in the text than done by a function.
const WEIGHTS = [1.6, 1.2, 1.2, 0.8, 0.6, 0.15];
const NAMES = { thm: "theorem", th: "theorem", prop: "proposition", obs: "observation", fig: "figure", ex: "exercise", sec: "section" };
const SMALL = new Set(["a", "an", "and", "by", "for", "in", "is", "of", "on", "the", "to", "with"]);

const records = PAGES.flatMap(([page, number, found]) =>
  found.map(([kind, anchor, title, text]) => ({
    id: page + (anchor && "#" + anchor), kind, title, text, page: found[0][2], chapter: number,
  })),
);

// Letters without accents and in their plain form (ℓ₁ is l1), words, and numbers with their dots (3.2).
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const words = (text) => plain(text).replace(/non-(?=\p{L})/gu, "non").match(/\p{N}+(?:\.\p{N}+)+|[\p{L}\p{N}_]+/gu) ?? [];
const index = new MiniSearch({
  fields: ["title", "text", "page"],
  tokenize: (text) => words(text).flatMap((word) => (word.includes("_") ? [word, ...word.split("_")] : word)),
  processTerm: (term) => !SMALL.has(term) && (NAMES[term] ?? term),
  searchOptions: {
    tokenize: words,
    boost: { title: 6, page: 1.5 },
    boostDocument: (id, term, { kind, chapter }) => // a name with _ is one of the library
      term.includes("_") ? (KINDS[kind] === "Library" ? 2 : 1) : WEIGHTS[kind] * (chapter ? 1.5 : 1),
    prefix: (term) => term.length > 2 && !/^\p{N}/u.test(term),
    fuzzy: (term) => (term.length > 3 && !/^\p{N}/u.test(term) ? 0.25 : false),
    maxFuzzy: 3,
  },
  storeFields: ["kind", "chapter"],
});
index.addAll(records);
const byAddress = new Map(records.map((record) => [record.id, record]));

// What has all of the words counts twice.
function find(query) {
  const all = new Set(index.search(query, { combineWith: "AND" }).map((hit) => hit.id));
  const rank = (hit) => hit.score * (all.has(hit.id) ? 2 : 1);
  return index.search(query).sort((one, other) => rank(other) - rank(one));
}

// About thirty words around the first of those that were found.
function excerpt(text, terms) {
  const pieces = text.split(" ");
  const first = Math.max(pieces.findIndex((piece) => words(piece).some((word) => terms.has(word))) - 8, 0);
  const shown = document.createElement("p");
  if (first) shown.append("… ");
  for (const piece of pieces.slice(first, first + 32)) {
    const marked = words(piece).some((word) => terms.has(word));
    shown.append(marked ? Object.assign(document.createElement("mark"), { textContent: piece }) : piece, " ");
  }
  if (first + 32 < pieces.length) shown.append("…");
  return shown;
}

function item({ id, terms }) {
  const { kind, title, text, page, chapter } = byAddress.get(id);
  const entry = document.createElement("li"), link = document.createElement("a"), place = document.createElement("span");
  link.href = id;
  link.textContent = title;
  place.className = "search-place";
  place.textContent = kind ? `${KINDS[kind]}, ${chapter && chapter + ". "}${page}` : chapter ? `Chapter ${chapter}` : KINDS[0];
  entry.append(link, place);
  if (text) entry.append(excerpt(text, new Set(terms)));
  return entry;
}

const form = document.querySelector("form.search-page"), box = form.elements.q;
function show() {
  const query = box.value.trim(), hits = query ? find(query) : [];
  document.querySelector(".search-results").replaceChildren(...hits.slice(0, 30).map(item));
  document.querySelector(".search-count").textContent = !query ? "" : hits.length
    ? `${hits.length > 30 ? "The first 30 of " + hits.length : hits.length} places` : "Nothing found, even with a slip in every word.";
}

box.value = new URLSearchParams(location.search).get("q") ?? "";
show();
box.addEventListener("input", () => {
  show();
  history.replaceState(null, "", box.value ? "?q=" + encodeURIComponent(box.value) : location.pathname);
});
form.addEventListener("submit", (event) => event.preventDefault());
