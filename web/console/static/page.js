// @ts-check
/**
 * What a page does by itself: it shows changes as they come, opens dialogs in place, and searches while one types.
 * Everything works without it too, with a page for each step. All HTML comes from the server, which has escaped it.
 */

const FRAGMENT = { "X-Fragment": "1" };
const TYPING_PAUSE = 150; // milliseconds
const BUSY_AFTER = 150;
const STATE_EVERY = 10_000;
const AHEAD = "800px";

/** @param {string} text @returns {DocumentFragment} */
const parsed = (text) => document.createRange().createContextualFragment(text);

/** @template {Element} T @param {ParentNode} node @param {string} selector @param {new () => T} kind @returns {T | null} */
const find = (node, selector, kind) => {
  const found = node.querySelector(selector);
  return found instanceof kind ? found : null;
};

/** @returns {HTMLDialogElement} */
const dialog = () => /** @type {HTMLDialogElement} */ (document.getElementById("dialog"));

/** Say so when the server cannot be reached, instead of failing. @param {Promise<unknown>} work */
const quietly = (work) => void work.catch(() => lost(true));

/** Show that a part of the page waits, if it does for long. @template T @param {Element} place @param {Promise<T>} work @returns {Promise<T>} */
const awaited = async (place, work) => {
  const timer = setTimeout(() => place.setAttribute("aria-busy", "true"), BUSY_AFTER);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
    place.removeAttribute("aria-busy");
  }
};

/** Fetch a part of a page. Whoever has to log in again does that on the whole page. @param {string} address @param {RequestInit} [how] */
const fetched = async (address, how = {}) => {
  const answer = await fetch(address, { ...how, headers: { ...FRAGMENT, ...how.headers } });
  if (answer.status === 401) location.reload();
  return answer;
};

// ---- the reader's time zone: sent once, then every page is rendered in it

const tellZone = () => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone === document.body.dataset.zone) return;
  const cookie = `zone=${encodeURIComponent(zone).replaceAll("%2F", "/")}`;
  if (document.cookie.split("; ").includes(cookie)) return; // the server does not know this zone
  document.cookie = `${cookie}; path=/; max-age=31536000; samesite=lax`;
  if (document.cookie.split("; ").includes(cookie)) location.reload();
};

// ---- numbers are copied with one click

/** @param {HTMLElement} button */
const copy = async (button) => {
  const text = button.dataset.copy ?? "";
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else copyPlainly(text, button);
  button.classList.add("done");
  say(document.body.dataset.copied ?? "");
  setTimeout(() => button.classList.remove("done"), 1500);
};

/** Copy where the page came over plain HTTP from another machine. @param {string} text @param {Element} beside */
const copyPlainly = (text, beside) => {
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.value = text;
  beside.after(field);
  field.select();
  document.execCommand("copy");
  field.remove();
};

/** Let screen readers hear a sentence. @param {string} sentence */
const say = (sentence) => {
  const said = document.createElement("p");
  said.className = "unseen";
  said.textContent = sentence;
  document.getElementById("state")?.append(said);
  setTimeout(() => said.remove(), 3000);
};

// ---- dialogs

/** @param {string} text */
const fill = (text) => {
  dialog().replaceChildren(parsed(text));
  enliven(dialog());
};

/** Show what works with this script only. @param {ParentNode} node */
const enliven = (node) => {
  for (const one of node.querySelectorAll("[data-insert], [data-sum]")) one.removeAttribute("hidden");
  addUp(node);
};

/** Show the total of the ticked charges. @param {ParentNode} node */
const addUp = (node) => {
  const output = find(node, "[data-sum] output", HTMLElement);
  if (!output) return;
  const cents = [...node.querySelectorAll("[data-cents]:checked")].reduce((sum, one) => sum + BigInt(one.getAttribute("data-cents") ?? 0), 0n);
  const digits = String(cents < 0n ? -cents : cents).padStart(3, "0");
  const yuan = BigInt(digits.slice(0, -2)).toLocaleString(document.documentElement.lang);
  output.textContent = `${cents < 0n ? "\u2212" : ""}\u00a5${yuan}.${digits.slice(-2)}`;
};

/** @type {Element | null} */
let opener = null;

/** @param {string} address @param {Element} from */
const open = async (address, from) => {
  const answer = await awaited(from, fetched(address));
  fill(await answer.text());
  opener = from;
  if (!dialog().open) dialog().showModal();
  const field = find(dialog(), "input:not([type=hidden]), select, textarea", HTMLElement);
  (field ?? find(dialog(), ".buttons a, .buttons button", HTMLElement))?.focus();
};

const close = () => dialog().close();

const closed = () => {
  dialog().replaceChildren();
  const again = opener?.isConnected ? opener : opener?.getAttribute("href") ? document.querySelector(`a[href="${opener.getAttribute("href")}"]`) : null;
  (again instanceof HTMLElement ? again : document.getElementById("main"))?.focus();
  opener = null;
};

/** @param {HTMLFormElement} form @param {HTMLElement | null} button */
const send = async (form, button) => {
  if (form.dataset.sending) return;
  form.dataset.sending = "1";
  button?.setAttribute("aria-disabled", "true");
  try {
    const body = new URLSearchParams(/** @type {any} */ (new FormData(form)));
    const answer = await fetched(form.action, { method: "POST", body });
    const number = answer.headers.get("X-Number");
    if (answer.status === 204 && number) {
      close();
      await refresh(number, Number(answer.headers.get("X-Version")));
      return;
    }
    fill(await answer.text());
    find(dialog(), "[aria-invalid=true]", HTMLElement)?.focus();
  } catch {
    unsent();
  } finally {
    delete form.dataset.sending;
    button?.removeAttribute("aria-disabled");
  }
};

/** Say in the dialog that the server cannot be reached; what was filled in stays, and so does the command's id. */
const unsent = () => {
  const notice = document.createElement("div");
  notice.className = "notice bad";
  notice.setAttribute("role", "alert");
  notice.textContent = document.body.dataset.unsent ?? "";
  find(dialog(), ".notice.bad", HTMLElement)?.remove();
  find(dialog(), "h1", HTMLElement)?.after(notice);
};

/** Show the open dialog again, with what was filled in, when its invoice has changed. @param {string} number @param {number} version */
const renew = async (number, version) => {
  const asking = find(dialog(), `[data-number="${number}"]`, HTMLElement);
  const form = find(dialog(), "form", HTMLFormElement);
  if (!asking || form?.dataset.sending || Number(asking.dataset.version) >= version) return;
  const entered = new URLSearchParams(form ? /** @type {any} */ (new FormData(form)) : {});
  const focused = document.activeElement?.id;
  const key = find(dialog(), "[name=key]", HTMLInputElement)?.value; // the same form, so the same command
  entered.delete("key");
  entered.set("min_version", String(version));
  const answer = await fetched(`${asking.dataset.open}?${entered}`);
  const text = await answer.text();
  if (answer.ok && asking.isConnected && !isOlder(parsed(text), dialog())) {
    fill(text);
    const place = find(dialog(), "[name=key]", HTMLInputElement);
    if (place && key) place.value = key;
    if (focused) document.getElementById(focused)?.focus();
  }
};

// ---- changes

/** Return whether an answer was overtaken by a newer one that is shown already. @param {ParentNode} now @param {ParentNode} shown */
const isOlder = (now, shown) => {
  const [theirs, ours] = [now, shown].map((one) => find(one, "[data-version]:not(tr)", HTMLElement)?.dataset.version);
  return Number(theirs) < Number(ours);
};

/** Show an invoice as it is now, wherever it is on the page. @param {string} number @param {number} version */
const refresh = async (number, version) => {
  const row = document.getElementById(`row-${number}`);
  if (row && Number(row.dataset.version) < version) {
    const answer = await fetched(`/rows/${number}?min_version=${version}`);
    const now = answer.ok ? find(parsed(await answer.text()), "tr", HTMLElement) : null;
    const still = document.getElementById(`row-${number}`);
    if (now && still && Number(still.dataset.version) < Number(now.dataset.version)) {
      now.classList.add("changed");
      keepingFocus(still, () => still.replaceWith(now));
      say(`${number}: ${find(now, ".badge", HTMLElement)?.textContent?.trim() ?? ""}`);
    }
  }
  const article = find(document, `article[data-number="${number}"]`, HTMLElement);
  if (article && Number(article.dataset.version) < version) {
    await reload(`/details/${number}?min_version=${version}`);
    find(document, "article", HTMLElement)?.classList.add("changed");
  }
};

/** Change a part of the page; focus in it goes to the same link, or to another one nearby. @param {Element} place @param {() => void} change */
const keepingFocus = (place, change) => {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const near = focused?.closest("[data-number]")?.getAttribute("data-number");
  change();
  if (!focused || focused.isConnected) return;
  const places = [`#main a[href="${focused.getAttribute("href")}"]`, `[data-number="${near}"] a`, "#main"];
  places.map((one) => find(document, one, HTMLElement)).find((one) => one)?.focus();
};

/** Fetch and show the main part of a page again. @param {string} address */
const reload = async (address) => {
  const answer = await fetched(address);
  if (!answer.ok) return;
  const opened = [...document.querySelectorAll("main details")].map((one) => one.hasAttribute("open"));
  const now = parsed(await answer.text());
  if (isOlder(now, document)) return;
  const main = /** @type {HTMLElement} */ (document.getElementById("main"));
  keepingFocus(main, () => main.replaceChildren(now));
  document.querySelectorAll("main details").forEach((one, at) => one.toggleAttribute("open", opened[at] ?? false));
  watchEnd();
};

/** @type {EventSource | null} */
let stream = null;
/** The id of the last change heard of; at first, of one a moment before the page was read. */
let since = document.body.dataset.since ?? "";

const listen = () => {
  if (stream || document.hidden || !document.querySelector("#list, [data-details]")) return;
  const account = location.pathname === "/" ? new URLSearchParams(location.search).get("account_id") : null;
  stream = new EventSource(`/stream?${new URLSearchParams([...account ? [["account_id", account]] : [], ...since ? [["last_event_id", since]] : []])}`);
  stream.addEventListener("open", () => lost(false));
  stream.addEventListener("error", () => lost(true));
  stream.addEventListener("reset", () => quietly(showAgain()));
  stream.addEventListener("status", (event) => {
    since = event.lastEventId;
    const { invoice_number: number, version } = JSON.parse(event.data);
    quietly(refresh(number, version));
    quietly(renew(number, version));
  });
};

const hush = () => {
  stream?.close();
  stream = null;
};

const showAgain = async () => {
  const filters = find(document, "form[data-search]", HTMLFormElement);
  await (filters ? search(filters) : reload(location.pathname));
};

/** Tabs that nobody sees hold no connection; seen again, they hear what they missed. */
const seen = () => (document.hidden ? hush() : listen());

// ---- what the system says of itself

/** @param {boolean} is */
const lost = (is) => {
  const place = document.getElementById("state");
  const shown = find(document, "#state .lost", HTMLElement);
  if (!is) shown?.remove();
  else if (!shown && place) {
    const sentence = document.createElement("p");
    sentence.className = "banner lost";
    sentence.textContent = document.body.dataset.lost ?? "";
    place.append(sentence);
  }
};

const lookAtState = async () => {
  const state = parsed(await (await fetched("/state")).text());
  for (const one of document.querySelectorAll("#state .banner:not(.lost)")) one.remove();
  document.getElementById("state")?.prepend(state);
};

// ---- the list: searched while one types, longer as one scrolls

let typed = 0;
/** @type {AbortController | null} */
let searching = null;

/** @param {HTMLFormElement} form */
const search = async (form) => {
  const wanted = new URLSearchParams([...new FormData(form)].filter(([, value]) => value).map(([name, value]) => [name, String(value)]));
  const address = `${new URL(form.action).pathname}${wanted.size ? `?${wanted}` : ""}`;
  const q = wanted.get("q") ?? "";
  if (q && q.length < 4 && document.activeElement?.getAttribute("name") === "q") return;
  searching?.abort();
  const own = (searching = new AbortController());
  try {
    const list = /** @type {HTMLElement} */ (document.getElementById("list"));
    const answer = await awaited(list, fetched(address, { signal: own.signal }));
    const now = parsed(await answer.text());
    for (const part of ["matches", "take-away", "tabs", "list"]) {
      const fresh = find(now, `#${part}`, HTMLElement);
      if (fresh) document.getElementById(part)?.replaceWith(fresh);
    }
  } catch (error) {
    if (own.signal.aborted) return;
    throw error;
  }
  history.replaceState(null, "", address);
  hush();
  listen();
  watchEnd();
};

/** @param {HTMLAnchorElement} link */
const more = async (link) => {
  if (link.dataset.sending) return;
  link.dataset.sending = "1";
  const answer = await fetched(link.href);
  const next = find(parsed(await answer.text()), "#list", HTMLElement);
  if (!next || !link.isConnected) return;
  find(document, "#list tbody", HTMLElement)?.append(...(find(next, "tbody", HTMLElement)?.children ?? []));
  const following = find(next, "[data-more]", HTMLAnchorElement);
  if (following) link.replaceWith(following);
  else link.closest(".more")?.remove();
  watchEnd();
};

const end = new IntersectionObserver(
  (entries) => entries.forEach((one) => one.isIntersecting && quietly(more(/** @type {HTMLAnchorElement} */ (one.target)))),
  { rootMargin: AHEAD },
);

const watchEnd = () => {
  end.disconnect();
  const link = find(document, "[data-more]", HTMLAnchorElement);
  if (link) end.observe(link);
};

// ---- what the reader does

document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const at = event.target.closest("[data-copy], [data-dialog], [data-close], [data-insert], [data-tick], [data-more]");
  if (!(at instanceof HTMLElement)) return;
  if (at.dataset.copy) {
    quietly(copy(at));
  } else if ("dialog" in at.dataset && at instanceof HTMLAnchorElement) {
    event.preventDefault();
    quietly(open(at.href, at));
  } else if ("close" in at.dataset && dialog().open) {
    event.preventDefault();
    close();
  } else if (at.dataset.tick !== undefined) {
    for (const box of at.closest("fieldset")?.querySelectorAll("input[data-cents]") ?? []) {
      if (box instanceof HTMLInputElement) box.checked = at.dataset.tick === "all";
    }
    addUp(document);
  } else if (at.dataset.insert) {
    const field = document.getElementById(at.dataset.into ?? "");
    if (field instanceof HTMLTextAreaElement && !field.value.includes(at.dataset.insert)) {
      field.value = `${field.value}${field.value ? " " : ""}${at.dataset.insert}`;
      field.focus();
    }
  } else if ("more" in at.dataset && at instanceof HTMLAnchorElement) {
    event.preventDefault();
    quietly(more(at));
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement)) return;
  if ("send" in form.dataset && dialog().open) {
    event.preventDefault();
    void send(form, event.submitter);
  } else if ("search" in form.dataset) {
    event.preventDefault();
    quietly(search(form));
  }
});

document.addEventListener("change", () => addUp(document));

document.addEventListener("input", (event) => {
  const form = event.target instanceof Element ? event.target.closest("[data-search]") : null;
  if (!(form instanceof HTMLFormElement)) return;
  clearTimeout(typed);
  typed = window.setTimeout(() => {
    typed = 0;
    quietly(search(form));
  }, TYPING_PAUSE);
});

dialog().addEventListener("close", closed);
document.addEventListener("visibilitychange", seen);

tellZone();
listen();
watchEnd();
enliven(document);
quietly(lookAtState());
setInterval(() => document.hidden || quietly(lookAtState()), STATE_EVERY);
const refreshed = find(document, "[data-refresh]", HTMLElement);
if (refreshed) setInterval(() => document.hidden || quietly(reload(location.pathname)), Number(refreshed.dataset.refresh) * 1000);
export {};
