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
const KEPT_AROUND = "3000px"; // of the list, above and below the screen
const CONFIRMED_FOR = 15_000;
const MAX_SELECTED = 100;
const PLACE = "place"; // in the session storage of this tab

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
  markCopied(button, true);
  say(document.body.dataset.copied ?? "");
  setTimeout(() => markCopied(button, false), 1500);
};

/** @param {HTMLElement} button @param {boolean} is */
const markCopied = (button, is) => {
  button.classList.toggle("done", is);
  find(button, "use", SVGUseElement)?.setAttribute("href", is ? "#icon-check" : "#icon-copy");
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

/** @param {string} kind @param {string} icon @param {string} sentence */
const banner = (kind, icon, sentence) => {
  const shown = document.createElement("p");
  shown.className = `banner ${kind}`;
  shown.append(parsed(`<svg class="icon" aria-hidden="true"><use href="#icon-${icon}"></use></svg>`), sentence);
  return shown;
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
  for (const one of node.querySelectorAll("[data-insert], [data-sum], [data-columns], [data-pick]")) one.removeAttribute("hidden");
  addUp(node);
};

/** Show the total of the ticked charges. @param {ParentNode} node */
const addUp = (node) => {
  const output = find(node, "[data-sum] output", HTMLElement);
  const group = output?.closest("fieldset");
  if (!output || !group) return;
  const cents = [...group.querySelectorAll("[data-cents]:checked")].reduce((sum, one) => sum + BigInt(one.getAttribute("data-cents") ?? 0), 0n);
  output.textContent = money(cents);
};

/** @param {bigint} cents */
const money = (cents) => {
  const digits = String(cents < 0n ? -cents : cents).padStart(3, "0");
  const yuan = BigInt(digits.slice(0, -2)).toLocaleString(document.documentElement.lang);
  return `${cents < 0n ? "\u2212" : ""}\u00a5${yuan}.${digits.slice(-2)}`;
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
  (again instanceof HTMLElement && again.getClientRects().length ? again : document.getElementById("main"))?.focus();
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
      quietly(confirm(form.dataset.confirmed ?? "", number, Number(answer.headers.get("X-Version"))));
      return;
    }
    fill(await answer.text());
    select([...dialog().querySelectorAll("[data-accepted]")].map((one) => one.getAttribute("data-accepted") ?? ""), false);
    find(dialog(), "[aria-invalid=true], h1[tabindex]", HTMLElement)?.focus();
  } catch {
    unsent();
  } finally {
    delete form.dataset.sending;
    button?.removeAttribute("aria-disabled");
  }
};

/** Confirm a request where everybody sees it, with the reference that is then in the line of the invoice. @param {string} sentence @param {string} number @param {number} version */
const confirm = async (sentence, number, version) => {
  const shown = banner("confirmed", "circle-check", sentence);
  find(document, "#state .confirmed", HTMLElement)?.remove();
  document.getElementById("state")?.append(shown);
  setTimeout(() => shown.remove(), CONFIRMED_FOR);
  await refresh(number, version);
  const reference = find(document, `#main [data-number="${number}"] .reference`, HTMLElement);
  if (reference) shown.append(` ${reference.textContent}`);
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
  if (!row) noteMissed(number, version);
  if (row && Number(row.dataset.version) < version) {
    const answer = await fetched(`/rows/${number}?min_version=${version}`);
    const now = answer.ok ? find(parsed(await answer.text()), "tr", HTMLElement) : null;
    const still = document.getElementById(`row-${number}`);
    if (!still) noteMissed(number, version);
    if (now && still && Number(still.dataset.version) < Number(now.dataset.version)) {
      now.classList.add("changed");
      keepingFocus(still, () => still.replaceWith(now));
      ticked(document);
      say(`${number}: ${find(now, ".badge", HTMLElement)?.textContent?.trim() ?? ""}`);
    }
  }
  const article = find(document, `article[data-number="${number}"]`, HTMLElement);
  if (article && Number(article.dataset.version) < version) {
    await reload(`/details/${number}?min_version=${version}`);
    find(document, "article", HTMLElement)?.classList.add("changed");
  }
};

/** Change a part of the page; focus in it goes to the same link or box, or to a link nearby. @param {Element} place @param {() => void} change */
const keepingFocus = (place, change) => {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const near = focused?.closest("[data-number]")?.getAttribute("data-number");
  change();
  if (!focused || focused.isConnected) return;
  const same = focused instanceof HTMLInputElement ? `input[name="${focused.name}"][value="${CSS.escape(focused.value)}"]` : `a[href="${focused.getAttribute("href")}"]`;
  const places = [`#main ${same}`, `[data-number="${near}"] a`, "#main"];
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
  else if (!shown) place?.append(banner("lost", "triangle-alert", document.body.dataset.lost ?? ""));
};

const lookAtState = async () => {
  const state = parsed(await (await fetched("/state")).text());
  for (const one of document.querySelectorAll("#state .banner:not(.lost, .confirmed)")) one.remove();
  document.getElementById("state")?.prepend(state);
};

// ---- the list: searched while one types, longer as one scrolls

let typed = 0;
/** @type {AbortController | null} */
let searching = null;

/** Return the address of the list that a form asks for. @param {HTMLFormElement} form */
const addressOf = (form) => {
  const wanted = new URLSearchParams([...new FormData(form)].filter(([, value]) => value).map(([name, value]) => [name, String(value)]));
  return `${new URL(form.action).pathname}${wanted.size ? `?${wanted}` : ""}`;
};

/** @param {HTMLFormElement} form */
const search = async (form) => {
  const address = addressOf(form);
  const q = String(new FormData(form).get("q") ?? "");
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
    shownAnew();
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
  const page = find(next, "tbody", HTMLElement);
  if (page) {
    page.dataset.page = link.href;
    find(document, "#list table", HTMLElement)?.append(page);
    shownAnew();
  }
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

// ---- a long list: pages far from the screen leave the document, and come back as they are by then

/** The rows of pages that are away; pages that the reader came back to are fetched first. @type {WeakMap<HTMLElement, string>} */
const rowsAway = new WeakMap();

/** The latest versions heard of, by number, of invoices whose rows were away or on their way. @type {Map<string, number>} */
const missed = new Map();

/** @param {string} number @param {number} version */
const noteMissed = (number, version) => missed.set(number, Math.max(version, missed.get(number) ?? 0));

/** Refresh the rows of invoices that changed while these were away. @param {ParentNode} node */
const catchUp = (node) => {
  for (const row of node.querySelectorAll("tr[data-number]")) {
    const number = row.getAttribute("data-number") ?? "";
    const version = missed.get(number);
    missed.delete(number);
    if (version) quietly(refresh(number, version));
  }
};

/** @param {HTMLElement} page @param {number} height */
const putAway = (page, height) => {
  if ("away" in page.dataset) return;
  if (page.firstElementChild) rowsAway.set(page, page.innerHTML);
  page.dataset.away = "";
  const room = document.createElement("tr");
  room.setAttribute("aria-hidden", "true");
  room.append(document.createElement("td"));
  room.style.height = `${height}px`;
  page.replaceChildren(room);
};

/** @param {HTMLElement} page */
const bringBack = async (page) => {
  if (!("away" in page.dataset)) return;
  const kept = rowsAway.get(page);
  const list = kept === undefined ? find(parsed(await (await fetched(page.dataset.page ?? "")).text()), "#list", HTMLElement) : null;
  const rows = kept ?? (list ? find(list, "tbody", HTMLElement)?.innerHTML ?? "" : undefined);
  if (rows === undefined || !page.isConnected || !("away" in page.dataset)) return;
  rowsAway.delete(page);
  delete page.dataset.away;
  page.innerHTML = rows;
  if (list) continueWith(page, list);
  ticked(document);
  catchUp(page);
};

/** Leave out what no longer follows a page that was fetched again: lines have come or gone meanwhile. @param {HTMLElement} page @param {HTMLElement} list */
const continueWith = (page, list) => {
  const following = find(list, ".more", HTMLElement);
  const next = page.nextElementSibling;
  if (!(next instanceof HTMLElement) || next.dataset.page === (following && find(following, "a", HTMLAnchorElement)?.href)) return;
  while (page.nextElementSibling) page.nextElementSibling.remove();
  find(document, "#list .more", HTMLElement)?.remove();
  if (following) document.getElementById("list")?.append(following);
  watchEnd();
};

const far = new IntersectionObserver(
  (entries) =>
    entries.forEach((one) => {
      const page = /** @type {HTMLElement} */ (one.target);
      if (one.isIntersecting) quietly(bringBack(page));
      else if (!page.contains(document.activeElement)) putAway(page, one.boundingClientRect.height);
    }),
  { rootMargin: KEPT_AROUND },
);

/** @returns {HTMLElement[]} */
const pagesOfList = () => [...document.querySelectorAll("#list tbody[data-page]")].filter((one) => one instanceof HTMLElement);

/** Watch the pages of the list, and show what the reader had ticked. */
const shownAnew = () => {
  far.disconnect();
  for (const page of pagesOfList()) far.observe(page);
  ticked(document);
  enliven(document);
  catchUp(document);
};

/** Keep where the reader is, for when they come back to this address. */
const keepPlace = () => {
  const pages = pagesOfList().map((page) => [page.dataset.page, Math.round(page.getBoundingClientRect().height)]);
  const more = find(document, "[data-more]", HTMLAnchorElement)?.href;
  const ticks = [...selected].map(([number, cents]) => [number, String(cents)]);
  if (pages.length) sessionStorage.setItem(PLACE, JSON.stringify({ address: location.href, y: scrollY, pages, more, ticks }));
};

/** Tick what was ticked, and make room for the pages that were there, if they still follow the first; those on the screen are then fetched. */
const returnToPlace = () => {
  const table = find(document, "#list table", HTMLElement);
  const kept = JSON.parse(sessionStorage.getItem(PLACE) ?? "null");
  const [came] = performance.getEntriesByType("navigation");
  const again = came instanceof PerformanceNavigationTiming && came.type !== "navigate";
  if (!table || !again || kept?.address !== location.href) return;
  for (const [number, cents] of kept.ticks ?? []) selected.set(number, BigInt(cents));
  const link = find(document, "[data-more]", HTMLAnchorElement);
  if (kept.pages.length > 1 && kept.pages[1][0] !== link?.href) return;
  for (const [address, height] of kept.pages.slice(1)) {
    const page = document.createElement("tbody");
    page.setAttribute("role", "rowgroup");
    page.dataset.page = address;
    putAway(page, height);
    table.append(page);
  }
  if (link && kept.more) link.href = kept.more;
  else if (kept.pages.length > 1) link?.closest(".more")?.remove();
  scrollTo(0, kept.y);
};

// ---- several invoices at once

/** Cents of what is ticked, by number: also of lines that have left the document. @type {Map<string, bigint>} */
const selected = new Map();

/** @param {ParentNode} node @returns {HTMLInputElement[]} */
const boxes = (node) => [...node.querySelectorAll("input[name=number][type=checkbox]")].filter((one) => one instanceof HTMLInputElement);

/** Show what is ticked; what can no longer be is not. @param {ParentNode} node */
const ticked = (node) => {
  for (const row of node.querySelectorAll("tr[data-number]:not(:has(input[name=number]))")) selected.delete(row.getAttribute("data-number") ?? "");
  for (const box of boxes(node)) box.checked = selected.has(box.value);
  countSelected();
};

/** @param {string[]} numbers @param {boolean} is */
const select = (numbers, is) => {
  const cents = new Map(boxes(document).map((box) => [box.value, BigInt(box.dataset.cents ?? 0)]));
  for (const number of numbers) {
    if (!is) selected.delete(number);
    else if (selected.size < MAX_SELECTED) selected.set(number, cents.get(number) ?? 0n);
  }
  ticked(document);
};

const countSelected = () => {
  const bar = find(document, "[data-selection]", HTMLElement);
  const shown = find(document, "[data-selected]", HTMLElement);
  if (!bar || !shown) return;
  bar.classList.toggle("some", selected.size > 0);
  const sum = [...selected.values()].reduce((all, one) => all + one, 0n);
  const sentence = (bar.dataset.count ?? "").replace("{count}", String(selected.size)).replace("{sum}", money(sum));
  const told = selected.size < MAX_SELECTED ? sentence : `${sentence} ${bar.dataset.most ?? ""}`;
  if (shown.textContent !== told) shown.textContent = told;
  const all = find(document, "[data-pick]", HTMLInputElement);
  const here = boxes(document);
  if (all) {
    all.checked = here.length > 0 && here.every((box) => box.checked);
    all.indeterminate = !all.checked && selected.size > 0;
  }
};

// ---- columns, and accounts as one types

const chooseColumns = () => {
  const unticked = [...document.querySelectorAll("[data-columns] input:not(:checked)")].map((one) => /** @type {HTMLInputElement} */ (one).value);
  document.cookie = `hidden_columns=${unticked.join(".")}; path=/; max-age=31536000; samesite=lax`;
  const list = /** @type {HTMLElement} */ (document.getElementById("list"));
  list.className = unticked.map((one) => `without-${one}`).join(" ");
};

/** @param {string} begun */
const suggestAccounts = async (begun) => {
  const answer = await fetched(`/accounts?${new URLSearchParams({ begins: begun })}`);
  if (answer.ok) document.getElementById("accounts")?.replaceChildren(parsed(await answer.text()));
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
  if ("selection" in form.dataset) {
    event.preventDefault();
    const numbers = [...selected.keys()].map((one) => ["number", one]);
    quietly(open(`${form.action}?${new URLSearchParams(numbers)}`, event.submitter ?? form));
  } else if ("send" in form.dataset && dialog().open) {
    event.preventDefault();
    void send(form, event.submitter);
  } else if ("search" in form.dataset) {
    event.preventDefault();
    quietly(search(form));
  }
});

document.addEventListener("change", (event) => {
  addUp(document);
  const at = event.target;
  if (!(at instanceof HTMLInputElement)) return;
  if (at.name === "number" && at.type === "checkbox") select([at.value], at.checked);
  else if ("pick" in at.dataset) select(boxes(document).map((box) => box.value), at.checked);
  else if (at.closest("[data-columns]")) chooseColumns();
  else if (at.name === "account_id" && at.form && "search" in at.form.dataset && addressOf(at.form) !== location.pathname + location.search) quietly(search(at.form));
});

document.addEventListener("reset", (event) => {
  if (event.target instanceof HTMLElement && "selection" in event.target.dataset) select([...selected.keys()], false);
});

document.addEventListener("input", (event) => {
  const form = event.target instanceof Element ? event.target.closest("[data-search]") : null;
  if (!(form instanceof HTMLFormElement)) return;
  const field = event.target instanceof HTMLInputElement && event.target.name === "account_id" ? event.target : null;
  clearTimeout(typed);
  typed = window.setTimeout(() => {
    typed = 0;
    if (field?.value) quietly(suggestAccounts(field.value));
    quietly(search(form));
  }, TYPING_PAUSE);
});

dialog().addEventListener("close", closed);
document.addEventListener("visibilitychange", seen);
addEventListener("pagehide", keepPlace);
addEventListener("beforeprint", () => pagesOfList().forEach((page) => quietly(bringBack(page))));
if (pagesOfList().length) history.scrollRestoration = "manual";

const state = document.getElementById("state");
if (state) new ResizeObserver(() => document.body.style.setProperty("--state", `${state.offsetHeight}px`)).observe(state);

tellZone();
listen();
returnToPlace();
shownAnew();
watchEnd();
quietly(lookAtState());
setInterval(() => document.hidden || quietly(lookAtState()), STATE_EVERY);
const refreshed = find(document, "[data-refresh]", HTMLElement);
if (refreshed) setInterval(() => document.hidden || quietly(reload(location.pathname)), Number(refreshed.dataset.refresh) * 1000);
export {};
