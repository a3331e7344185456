// The forms of requests: parts are replaced in place, patrons are suggested, lists are filtered.
"use strict";

document.documentElement.classList.add("js");

// If a button or select names parts, the server renders them again from the whole form; the rest stays.
const exchanges = new WeakMap();

async function exchange(form, pressed, parts) {
  exchanges.get(form)?.abort();
  const aborter = new AbortController();
  exchanges.set(form, aborter);
  const body = new URLSearchParams(new FormData(form));
  body.set("do", pressed);
  const answer = await fetch(form.action, { method: "POST", body, redirect: "error", signal: aborter.signal });
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = document.activeElement?.id;
  for (const id of parts) {
    const [before, after] = [document.getElementById(id), made.getElementById(id)];
    if (!after) throw new Error(`no ${id} in the answer`);
    before.replaceWith(after);
  }
  const target = document.querySelector(`[data-focus-after="${pressed}"]`) ?? (focused && document.getElementById(focused));
  if (target && target !== document.activeElement) target.focus();
}

function exchangeOrSend(form, control, pressed) {
  exchange(form, pressed, control.dataset.parts.split(" ")).catch((error) => {
    if (error.name === "AbortError") return;
    const button = form.querySelector(`button[name="do"][value="${pressed}"]`);
    form.requestSubmit(button);
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-parts]");
  if (!button) return;
  event.preventDefault();
  exchangeOrSend(button.form, button, button.value);
});
document.addEventListener("change", (event) => {
  const control = event.target.closest?.("[data-does]");
  if (control) exchangeOrSend(control.form, control, control.dataset.does);
});
// Enter in the field of a reference fills in the form, as it does without a script.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing || event.target.id !== "reference" || !event.target.value.trim()) return;
  event.preventDefault();
  event.target.form.querySelector('button[value="fill_in"]').click();
});

// A list is narrowed to what contains every word; what is chosen stays in sight.
const plain = (text) => text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");
for (const field of document.querySelectorAll("[data-narrows]")) {
  const list = document.getElementById(field.dataset.narrows);
  const count = document.getElementById(`${field.dataset.narrows}-count`);
  field.addEventListener("input", () => {
    const words = plain(field.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const item of list.children) {
      const isWanted = words.every((word) => plain(item.textContent).includes(word));
      item.hidden = !isWanted && !item.querySelector(":checked");
      if (!item.hidden) shown += 1;
    }
    count.textContent = shown ? "" : count.dataset.none;
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault(); // nothing is to be sent by it
  });
}

// Patrons are suggested while somebody types (WAI-ARIA combobox with a list).
const PAUSE = 200;
const ONE_LETTER = /^[\x00-\x7F]?$/; // a single Chinese character is a surname, a single letter is nothing yet

class Suggestions {
  constructor(place) {
    this.address = place.dataset.suggests;
    this.words = place.dataset;
    this.input = place.querySelector("input");
    this.chosen = document.getElementById(this.input.dataset.number).value && this.input.value;
    this.list = document.createElement("ul");
    this.list.id = `${this.input.id}-list`;
    this.list.className = "suggestions";
    this.list.hidden = true;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", place.dataset.listLabel);
    this.said = document.createElement("p");
    this.said.className = "visually-hidden";
    this.said.setAttribute("role", "status");
    place.classList.add("combobox");
    place.append(this.list, this.said);
    for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-controls", this.list.id], ["aria-expanded", "false"]]) {
      this.input.setAttribute(name, value);
    }
    this.input.addEventListener("input", (event) => event.isComposing || this.wait());
    this.input.addEventListener("compositionend", () => this.wait());
    this.input.addEventListener("keydown", (event) => this.press(event));
    this.input.addEventListener("blur", () => this.close());
    this.input.addEventListener("change", () => this.recognise());
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
      this.close(); // what was typed can still be sent
    }
  }

  async find(typed, signal) {
    const query = new URLSearchParams({ q: typed });
    const answer = await fetch(`${this.address}?${query}`, { headers: { Accept: "application/json" }, redirect: "error", signal });
    if (!answer.ok) throw new Error(`${this.address} answered ${answer.status}`);
    return answer.json();
  }

  // A card number that was typed or scanned says at once who is meant.
  async recognise() {
    const typed = this.input.value.trim();
    if (!typed || this.isChosen()) return;
    try {
      const patron = (await this.find(typed)).find((one) => one.cardnumber === typed);
      if (patron && this.input.value.trim() === typed) this.choose({ patron });
    } catch {
      // The server finds out who is meant when the form is sent.
    }
  }

  isChosen() {
    return this.input.value === this.chosen;
  }

  show(found) {
    if (document.activeElement !== this.input) return;
    this.list.replaceChildren(...found.map((patron, index) => this.option(patron, index)));
    this.said.textContent = found.length ? `${this.words.found} ${found.length}` : this.words.nobody;
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
      event.preventDefault(); // a scanner sends it, too
      this.close();
      return this.recognise().then(() => this.isChosen() || this.input.form.requestSubmit([...this.input.form.elements].find((one) => one.matches("button.default"))));
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
    if (library) this.takeLibrary(library, patron.branchcode);
    this.close();
    this.said.textContent = `${this.words.chosen} ${patron.label}`;
  }

  // The library follows the patron, unless somebody has chosen one.
  takeLibrary(id, branchcode) {
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

for (const place of document.querySelectorAll("[data-suggests]")) new Suggestions(place);
