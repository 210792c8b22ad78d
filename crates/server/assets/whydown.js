// The pages work without this. It adds: live updates, times in the reader's zone, copy buttons,
// and the key "/" for the filter.
"use strict";

(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // ------------------------------------------------------------- times
  const clock = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  const sameYear = new Intl.DateTimeFormat(undefined, { ...clock, second: "2-digit" });
  const otherYear = new Intl.DateTimeFormat(undefined, { ...clock, year: "numeric" });

  function ago(then) {
    const s = Math.max(0, Math.floor((Date.now() - then) / 1000));
    if (s < 2) return "just now";
    if (s < 60) return `${s} s ago`;
    if (s < 3600) return `${Math.floor(s / 60)} min ago`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
    const days = Math.floor(s / 86400);
    return days === 1 ? "1 day ago" : `${days} days ago`;
  }

  function showTimes(root) {
    for (const time of all("time[datetime]", root)) {
      const then = new Date(time.dateTime);
      if (Number.isNaN(then.getTime())) continue;
      if ("ago" in time.dataset) {
        time.textContent = ago(then);
        continue;
      }
      if (!time.title) time.title = time.textContent;
      const form = then.getFullYear() === new Date().getFullYear() ? sameYear : otherYear;
      time.textContent = form.format(then);
    }
  }

  // ------------------------------------------------------------- copying
  function addCopy(root) {
    for (const pre of all(".command > pre, pre[data-copy]", root)) {
      const box = pre.parentElement;
      if (!navigator.clipboard || $(":scope > button[data-copies]", box)) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "small-button";
      button.dataset.copies = "";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(pre.textContent);
          button.textContent = "Copied";
          announce("Copied");
        } catch {
          button.textContent = "Select and copy by hand";
        }
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
      box.classList.add("can-copy");
      box.append(button);
    }
  }

  function announce(text) {
    const place = $("#announce");
    if (place) place.textContent = text;
  }

  // ------------------------------------------------------------- live regions
  // A region is an element with an id and data-live. When something it may show has changed, the
  // page is fetched again and the regions that differ are swapped, keeping focus and open parts.
  const pristine = new Map();
  for (const region of all("[data-live][id]")) pristine.set(region.id, region.outerHTML);

  function swap(old, fresh) {
    const opened = new Map(all("details[id]", old).map((part) => [part.id, part.open]));
    const ticked = all("input[type=radio]:checked", old).map((radio) => radio.id);
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const href = focused?.getAttribute("href");
    const mark = focused?.id ? `#${CSS.escape(focused.id)}` : href ? `a[href="${CSS.escape(href)}"]` : null;
    old.replaceWith(fresh);
    for (const [id, open] of opened) {
      const part = document.getElementById(id);
      if (part) part.open = open;
    }
    for (const id of ticked) {
      const radio = document.getElementById(id);
      if (radio) radio.checked = true;
    }
    if (mark) $(mark, fresh)?.focus({ preventScroll: true });
  }

  let fetching = false;
  let again = false;

  async function refresh() {
    if (fetching) { again = true; return; }
    fetching = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "manual" });
      if (answer.ok) take(await answer.text());
      else if (answer.type === "opaqueredirect") location.reload();
    } catch {
      // The stream says when the server is back.
    }
    fetching = false;
    if (again) { again = false; setTimeout(refresh, 1000); }
  }

  function take(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    for (const fresh of all("[data-live][id]", page)) {
      const old = document.getElementById(fresh.id);
      const text = fresh.outerHTML;
      if (!old || pristine.get(fresh.id) === text) continue;
      pristine.set(fresh.id, text);
      const said = fresh.dataset.announce;
      const changed = said && said !== old.dataset.announce;
      const node = document.adoptNode(fresh);
      swap(old, node);
      dress(node);
      if (changed) {
        announce(said);
        node.classList.add("swapped");
      }
    }
    document.title = page.title;
  }

  function concerns(change) {
    if (change.everything || change.incidents.length > 0) return true;
    return change.monitors.some((name) => $(`[data-monitor="${CSS.escape(name)}"]`));
  }

  let told = false;

  function listen() {
    const foot = $("#link-state");
    const stream = new EventSource("/live");
    stream.addEventListener("hello", () => {
      document.documentElement.dataset.linked = "yes";
      if (foot && !told) { told = true; foot.append(" · live"); }
      refresh();
    });
    stream.addEventListener("change", (event) => {
      if (concerns(JSON.parse(event.data))) refresh();
    });
    // Closed for good (signed out, or too many streams): the page says what is the matter.
    stream.addEventListener("error", () => {
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => { refresh(); listen(); }, 30000);
    });
    addEventListener("pagehide", () => stream.close());
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }

  // ------------------------------------------------------------- keys, busy forms
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const filter = $("#q");
      if (filter) { event.preventDefault(); filter.focus(); filter.select(); }
    }
    if (event.key === "Escape" && event.target.id === "q") event.target.blur();
  });

  for (const form of all("form[data-busy]")) {
    form.addEventListener("submit", () => {
      $("button", form).textContent = form.dataset.busy;
      announce(form.dataset.busy);
    });
  }

  function dress(root) {
    showTimes(root);
    addCopy(root);
  }
  dress(document);
  setInterval(() => showTimes(document), 15000);
  if ($("[data-live][id]") && $(".nav")) listen();
})();
