// Keeps what is marked data-live up to date, foretells a failure in the form, and switches dark and light.
"use strict";

const EVERY_MS = 2000;
const NOTICE_MS = 10000;
const MINUTES_AN_HOUR = 60;

function morph(from, to) {
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName) {
    from.replaceWith(document.importNode(to, true));
    return;
  }
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.data !== to.data) from.data = to.data;
    return;
  }
  for (const { name } of [...from.attributes]) if (!to.hasAttribute(name)) from.removeAttribute(name);
  for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  const [old, fresh] = [[...from.childNodes], [...to.childNodes]];
  old.slice(fresh.length).forEach((node) => node.remove());
  fresh.forEach((node, i) => (i < old.length ? morph(old[i], node) : from.append(document.importNode(node, true))));
}

function say(text) {
  const away = document.getElementById("away");
  away.textContent = text;
  away.hidden = !text;
}

async function refresh() {
  let answer;
  try {
    answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
  } catch {
    say("The simulators do not answer. What is shown is what was known before.");
    return true;
  }
  if (answer.status === 401) {
    say("You are no longer logged in: penstock sim laboratory-link prints a new link.");
    return false;
  }
  if (!answer.ok) {
    say(`The laboratory answers ${answer.status}.`);
    return true;
  }
  say("");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const live of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(live.id);
    if (fresh) morph(live, fresh);
  }
  return true;
}

async function follow() {
  if (!document.querySelector("[data-live]")) return;
  if (document.hidden || (await refresh())) setTimeout(follow, EVERY_MS);
}

function foretell() {
  const said = document.getElementById("foretold");
  if (!said) return;
  const number = (id) => Number(document.getElementById(id).value);
  const option = document.getElementById("fault").selectedOptions[0];
  const [severity, growth] = [number("given-severity"), number("growth")];
  const of_sensor = Boolean(option) && option.hasAttribute("data-sensor");
  document.getElementById("tag-field").hidden = !of_sensor;
  document.getElementById("tag").required = of_sensor;
  if (!(growth > 0) || !(severity <= 1)) {
    said.textContent = growth > 0 ? "" : "It stays as it is.";
    return;
  }
  const minutes = ((1 - severity) / growth) * MINUTES_AN_HOUR;
  const span = minutes < 2 * MINUTES_AN_HOUR ? `${minutes.toPrecision(2)} min` : `${(minutes / MINUTES_AN_HOUR).toPrecision(2)} h`;
  said.textContent = `Complete after some ${span}${of_sensor ? "" : " of running, on average"}.`;
}

function contrast() {
  const button = document.getElementById("contrast");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = getComputedStyle(root).getPropertyValue("color-scheme").trim() === "dark"
      || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = dark ? "light" : "dark";
    document.cookie = `penstock_laboratory_theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
  });
}

document.addEventListener("input", foretell);
foretell();
contrast();
setTimeout(follow, EVERY_MS);
setTimeout(() => document.querySelector(".notice[role=status]")?.remove(), NOTICE_MS);
