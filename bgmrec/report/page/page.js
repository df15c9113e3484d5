"use strict";
// Each search shows one article of its kind, and buttons for the first matches.
(() => {
  const BUTTONS = window.innerWidth < 500 ? 6 : 12;
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
      const matching = articles.filter((article) =>
        `${article.dataset.key} ${article.dataset.more}`.toLowerCase().includes(words));
      matching.sort((one, other) => (other.dataset.key.toLowerCase() === words) - (one.dataset.key.toLowerCase() === words));
      matches.replaceChildren(...matching.slice(0, BUTTONS).map(choice));
      status.textContent = matching.length === 0
        ? `Not in the sample of ${articles.length}. jobs/show.py --user or --item shows any other.`
        : `${Math.min(matching.length, BUTTONS)} of ${matching.length} matches`;
      if (matching.length > 0) show(words === "" ? chosen : matching[0]);
    };
    input.addEventListener("input", find);
    find();
  }
})();
