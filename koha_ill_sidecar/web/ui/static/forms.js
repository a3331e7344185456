// Forms about requests: parts are replaced in place, patrons are suggested, lists are filtered.
"use strict";

document.documentElement.classList.add("js");

// A button or select with data-parts replaces these elements with what the server renders from the form; the rest of
// the page stays.
const requests = new WeakMap();

async function replaceParts(form, buttonName, parts) {
  requests.get(form)?.abort();
  const aborter = new AbortController();
  requests.set(form, aborter);
  const body = new URLSearchParams(new FormData(form));
  body.set("do", buttonName);
  const answer = await fetch(form.action, { method: "POST", body, redirect: "error", signal: aborter.signal });
  const rendered = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = document.activeElement?.id;
  for (const id of parts) {
    const [before, after] = [document.getElementById(id), rendered.getElementById(id)];
    if (!after) throw new Error(`no ${id} in the answer`);
    before.replaceWith(after);
  }
  const target = document.querySelector(`[data-focus-after="${buttonName}"]`) ?? (focused && document.getElementById(focused));
  if (target && target !== document.activeElement) target.focus();
}

function replaceOrSubmit(form, control, buttonName) {
  replaceParts(form, buttonName, control.dataset.parts.split(" ")).catch((error) => {
    if (error.name === "AbortError") return;
    const button = form.querySelector(`button[name="do"][value="${buttonName}"]`);
    form.requestSubmit(button);
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-parts]");
  if (!button) return;
  event.preventDefault();
  replaceOrSubmit(button.form, button, button.value);
});
document.addEventListener("change", (event) => {
  const control = event.target.closest?.("[data-button]");
  if (control) replaceOrSubmit(control.form, control, control.dataset.button);
});
// Enter in the field of a reference fills in the form; with Shift it begins another line.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing || event.shiftKey || event.target.id !== "reference" || !event.target.value.trim()) return;
  event.preventDefault();
  event.target.form.querySelector('button[value="fill_in"]').click();
});

// A list shows only the items that contain every word, and the checked ones.
const normalize = (text) => text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");
for (const field of document.querySelectorAll("[data-filters]")) {
  const list = document.getElementById(field.dataset.filters);
  const count = document.getElementById(`${field.dataset.filters}-count`);
  field.addEventListener("input", () => {
    const words = normalize(field.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const item of list.children) {
      const matches = words.every((word) => normalize(item.textContent).includes(word));
      item.hidden = !matches && !item.querySelector(":checked");
      if (!item.hidden) shown += 1;
    }
    count.textContent = shown ? "" : count.dataset.none;
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault(); // it must not send the form
  });
}

// Patrons are suggested while the user types (WAI-ARIA combobox with a list).
const PAUSE = 200;
const ONE_LETTER = /^[\x00-\x7F]?$/; // a single Chinese character may be a surname, a single letter is too little

class Suggestions {
  constructor(place) {
    this.url = place.dataset.suggestionsUrl;
    this.labels = place.dataset;
    this.input = place.querySelector("input");
    this.chosen = document.getElementById(this.input.dataset.number).value && this.input.value;
    this.list = document.createElement("ul");
    this.list.id = `${this.input.id}-list`;
    this.list.className = "suggestions";
    this.list.hidden = true;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", place.dataset.listLabel);
    this.status = document.createElement("p");
    this.status.className = "visually-hidden";
    this.status.setAttribute("role", "status");
    place.classList.add("combobox");
    place.append(this.list, this.status);
    for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-controls", this.list.id], ["aria-expanded", "false"]]) {
      this.input.setAttribute(name, value);
    }
    this.input.addEventListener("input", (event) => event.isComposing || this.wait());
    this.input.addEventListener("compositionend", () => this.wait());
    this.input.addEventListener("keydown", (event) => this.press(event));
    this.input.addEventListener("blur", () => this.close());
    this.input.addEventListener("change", () => this.chooseByCardNumber());
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.choose(option);
    });
  }

  wait() {
    clearTimeout(this.timer);
    this.aborter?.abort();
    if (ONE_LETTER.test(this.input.value.trim())) return this.close();
    this.timer = setTimeout(() => this.ask(), PAUSE);
  }

  async ask() {
    this.aborter = new AbortController();
    try {
      this.show(await this.find(this.input.value, this.aborter.signal));
    } catch {
      this.close(); // the form works without suggestions
    }
  }

  async find(typed, signal) {
    const query = new URLSearchParams({ q: typed });
    const answer = await fetch(`${this.url}?${query}`, { headers: { Accept: "application/json" }, redirect: "error", signal });
    if (!answer.ok) throw new Error(`${this.url} answered ${answer.status}`);
    return answer.json();
  }

  // A card number that was typed or scanned chooses its patron at once.
  async chooseByCardNumber() {
    const typed = this.input.value.trim();
    if (!typed || this.isChosen()) return;
    try {
      const patron = (await this.find(typed)).find((one) => one.cardnumber === typed);
      if (patron && this.input.value.trim() === typed) this.choose({ patron });
    } catch {
      // The server finds the patron when the form is sent.
    }
  }

  isChosen() {
    return this.input.value === this.chosen;
  }

  show(found) {
    if (document.activeElement !== this.input) return;
    this.list.replaceChildren(...found.map((patron, index) => this.option(patron, index)));
    this.status.textContent = found.length ? `${this.labels.found} ${found.length}` : this.labels.noMatch;
    this.list.hidden = !found.length;
    this.input.setAttribute("aria-expanded", String(found.length > 0));
    this.input.removeAttribute("aria-activedescendant");
  }

  option(patron, index) {
    const option = document.createElement("li");
    option.id = `${this.list.id}-${index}`;
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    option.patron = patron;
    const where = document.createElement("span");
    where.className = "soft";
    where.textContent = patron.library;
    option.append(patron.label || String(patron.number), " ", where);
    return option;
  }

  press(event) {
    if (event.isComposing) return;
    const options = [...this.list.children];
    const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "Escape" && !this.list.hidden) {
      event.stopPropagation();
      return this.close();
    }
    if (event.key === "Enter" && at < 0 && this.input.value.trim() && !this.isChosen()) {
      event.preventDefault(); // barcode scanners send it too
      this.close();
      return this.chooseByCardNumber().then(() => this.isChosen() || this.input.form.requestSubmit([...this.input.form.elements].find((one) => one.matches("button.default"))));
    }
    if (this.list.hidden || !options.length) return;
    if (event.key === "ArrowDown") this.select(options[(at + 1) % options.length]);
    else if (event.key === "ArrowUp") this.select(options[(at + options.length - (at < 0 ? 0 : 1)) % options.length]);
    else if (event.key === "Enter" && at >= 0) this.choose(options[at]);
    else return;
    event.preventDefault();
  }

  select(option) {
    for (const other of this.list.children) other.setAttribute("aria-selected", String(other === option));
    this.input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  choose({ patron }) {
    const { number, library } = this.input.dataset;
    this.input.value = this.chosen = patron.label;
    document.getElementById(number).value = patron.number;
    if (library) this.setLibrary(library, patron.branchcode);
    this.close();
    this.status.textContent = `${this.labels.chosen} ${patron.label}`;
  }

  // The library follows the patron, unless another one has been chosen.
  setLibrary(id, branchcode) {
    const [select, proposed] = [document.getElementById(id), document.getElementById(`default_${id}`)];
    if (select.value !== proposed.value) return;
    select.value = proposed.value = branchcode;
  }

  close() {
    clearTimeout(this.timer);
    this.aborter?.abort();
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}

for (const place of document.querySelectorAll("[data-suggestions-url]")) new Suggestions(place);
