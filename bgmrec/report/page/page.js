"use strict";
// Every search shows one article of its kind, and as many matches to choose from as fit.
(() => {
  const SHOWN = window.innerWidth < 500 ? 6 : 12;
  for (const search of document.querySelectorAll("[data-search]")) {
    const articles = [...document.querySelectorAll(`article[data-of="${search.dataset.search}"]`)];
    const input = search.querySelector("input");
    const matches = search.querySelector(".matches");
    const status = search.querySelector("[role=status]");
    let chosen = articles[0];

    const show = (article) => {
      chosen = article;
      for (const other of articles) other.hidden = other !== article;
      for (const button of matches.children) button.setAttribute("aria-pressed", String(button.article === article));
    };
    const choice = (article) => {
      const button = document.createElement("button");
      button.type = "button";
      button.article = article;
      button.append(Object.assign(document.createElement("bdi"), { textContent: article.dataset.key }));
      button.append(Object.assign(document.createElement("small"), { textContent: article.dataset.more }));
      button.addEventListener("click", () => show(article));
      return button;
    };
    const find = () => {
      const words = input.value.trim().toLowerCase();
      const found = articles.filter((article) =>
        `${article.dataset.key} ${article.dataset.more}`.toLowerCase().includes(words));
      found.sort((one, other) => (other.dataset.key.toLowerCase() === words) - (one.dataset.key.toLowerCase() === words));
      matches.replaceChildren(...found.slice(0, SHOWN).map(choice));
      status.textContent = found.length === 0
        ? `None of the ${articles.length} in this sample. jobs/show.py finds all others.`
        : `${Math.min(found.length, SHOWN)} of ${found.length} shown`;
      if (found.length > 0) show(words === "" ? chosen : found[0]);
    };
    input.addEventListener("input", find);
    find();
  }
})();
