// Progressive enhancement only: every screen works with this file absent.
(() => {
  const $ = (s, r = document) => r.querySelector(s);
  const $$ = (s, r = document) => [...r.querySelectorAll(s)];
  const on = (type, f) => document.addEventListener(type, f);
  const invokers = "commandForElement" in HTMLButtonElement.prototype;
  const fields = /^(INPUT|TEXTAREA|SELECT)$/;

  function keep(name, value) {
    const secure = location.protocol === "https:" ? ";secure" : "";
    document.cookie = `${name}=${value};path=/;max-age=31536000;samesite=lax${secure}`;
  }

  // ---- the viewer's time zone
  const tz = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (tz && !document.cookie.split("; ").includes(`tz=${tz}`)) keep("tz", tz);

  // ---- clicks: dialogs (without invoker commands), copying, chips, toasts
  on("click", e => {
    const b = e.target.closest?.("button[commandfor], [data-copy], [data-chip-x], [data-close]");
    if (!b) return;
    if (b.hasAttribute("commandfor") && !invokers) {
      const d = document.getElementById(b.getAttribute("commandfor"));
      b.getAttribute("command") === "close" ? d.close() : d.showModal();
    }
    if (b.dataset.copy) copy(b);
    if ("close" in b.dataset) b.closest(".toast").remove();
    if ("chipX" in b.dataset) {
      const input = $("textarea, input:not([type=hidden])", b.closest(".chips"));
      b.closest(".chip").remove();
      input.focus();
    }
  });

  async function copy(b) {
    const from = $(b.dataset.copy), label = $("span", b), before = label.textContent;
    try {
      await navigator.clipboard.writeText(from.textContent.trim());
    } catch { // outside https
      getSelection().selectAllChildren(from);
      return say("Selected");
    }
    label.textContent = "Copied";
    say("Copied");
    setTimeout(() => (label.textContent = before), 1600);
  }

  // ---- one live region
  function say(text) {
    const r = $("#say");
    if (r && text) { r.textContent = ""; setTimeout(() => (r.textContent = text), 60); }
  }

  // ---- toasts: read out; they stay if they are bad news or offer something
  function toast() {
    const t = $(".toast");
    if (!t) return;
    say($("span", t).textContent);
    if (!t.matches(".bad, :has(form)")) setTimeout(() => t.remove(), 8000);
  }
  toast();

  // ---- changes: theme, selection in tables
  on("change", e => {
    const t = e.target;
    if (t.name === "theme" && t.type === "radio") {
      document.documentElement.dataset.theme = t.value;
      keep("theme", t.value);
    }
    const w = t.matches("thead .cb, .k-sel .cb") && t.closest(".tbl-w");
    if (!w) return;
    const all = $("thead .cb", w), boxes = $$("tbody .k-sel .cb:not(:disabled)", w);
    if (t === all) boxes.forEach(r => (r.checked = all.checked));
    const n = boxes.filter(r => r.checked).length;
    if (all) { all.checked = n > 0 && n === boxes.length; all.indeterminate = n > 0 && n < boxes.length; }
    const c = $(".bulk b", w);
    if (c) c.textContent = `${n} selected`;
  });

  // ---- menus and the palette: arrow keys, Home, End, first letter
  const items = box => $$("a[href], button:enabled", box).filter(x => x.checkVisibility());
  function move(box, key) {
    const l = items(box), at = l.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1, Home: 0, End: l.length - 1 }[key];
    l.at(to === l.length ? 0 : to)?.focus();
  }
  on("keydown", e => {
    const t = e.target, open = $(".menu-p:popover-open"), pal = t.closest?.(".pal");
    const typing = fields.test(t.tagName) && t.type !== "radio" && t.type !== "checkbox";
    // Ctrl K or Cmd K, everywhere
    if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k") {
      const d = $("#palette");
      if (d) { e.preventDefault(); d.open ? d.close() : d.showModal(); }
      return;
    }
    const box = pal ? $(".pal-l", pal) : open && !typing ? open : null;
    if (box && t.type !== "radio" && /^(ArrowDown|ArrowUp|Home|End)$/.test(e.key) && !(typing && /Home|End/.test(e.key))) {
      e.preventDefault();
      if (pal && e.key === "ArrowUp" && items(box)[0] === t) $("input", pal).focus();
      else move(box, e.key);
      return;
    }
    const char = e.key.length === 1 && !e.ctrlKey && !e.metaKey && !e.altKey;
    if (pal && t.tagName === "A" && char) $("input", pal).focus();
    if (open && !typing && char) {
      const l = items(open), from = l.indexOf(document.activeElement) + 1, k = e.key.toLowerCase();
      const hit = [...l.slice(from), ...l.slice(0, from)].find(x => x.textContent.trim().toLowerCase().startsWith(k));
      if (hit) { e.preventDefault(); hit.focus(); return; }
    }
    // e-mail chips: Enter, comma and semicolon add, and space behind an address: a name may come before it
    const chips = t.closest?.(".chips");
    if (chips && ["Enter", ",", ";", " "].includes(e.key) && t.value?.trim() && (e.key !== " " || t.value.includes("@"))) { e.preventDefault(); addChips(chips, t); return; }
    if (chips && e.key === "Backspace" && t.value === "") { $$(".chip", chips).at(-1)?.remove(); return; }
    // single keys, printed on their control
    if (typing || open || !char || $("dialog[open]")) return;
    if (e.key === "/") { const s = $("main [type=search]"); if (s) { e.preventDefault(); s.focus(); } }
    const k = $(`[data-key="${CSS.escape(e.key.toLowerCase())}"]`);
    if (k) { e.preventDefault(); k.click(); }
  });

  // ---- the palette takes the side bar's links, filters its commands; Enter opens the only one left
  on("focusin", e => {
    const h = e.target.closest?.(".pal") && $(".pal .from");
    if (h) { h.className = ""; h.after(...$$("#side nav a").map(a => a.cloneNode(true))); }
  });
  on("input", e => {
    const pal = e.target.closest(".pal");
    if (!pal) return;
    const q = e.target.value.trim().toLowerCase();
    $$(".pal-l a", pal).forEach(a => (a.hidden = q !== "" && !a.textContent.toLowerCase().includes(q)));
  });
  on("submit", e => {
    const left = e.target.matches(".pal form") && $("input", e.target).value.trim() ? items($(".pal-l", e.target)) : [];
    if (left.length === 1) { e.preventDefault(); left[0].click(); }
  });

  // ---- chips
  on("paste", e => { // an <input> would drop the line breaks
    const box = e.target.closest?.(".chips");
    if (!box || !$("template", box)) return;
    e.preventDefault();
    addChips(box, e.target, e.target.value + e.clipboardData.getData("text"));
  });
  on("focusout", e => { const box = e.target.closest?.(".chips"); if (box && e.target.value?.trim()) addChips(box, e.target); });
  function addChips(box, input, text = input.value) {
    const tpl = $("template", box);
    if (!tpl) return;
    const mails = text.match(/[^\s,;<>"()]+@[^\s,;<>"()]+/g) || text.split(/[\s,;]+/).filter(Boolean);
    for (const m of mails) {
      const c = tpl.content.firstElementChild.cloneNode(true);
      c.firstChild.data = m;
      $("[type=hidden]", c).value = m;
      $("button", c).setAttribute("aria-label", `Remove ${m}`);
      c.classList.toggle("bad", !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(m));
      box.insertBefore(c, input);
    }
    input.value = "";
    say(`${mails.length} added`);
  }

  // ---- chart read-out
  function tip(g) {
    const p = g.closest(".plot"), t = $(".tip", p);
    if (!t) return;
    t.hidden = false;
    t.replaceChildren(document.importNode($(`#${g.getAttribute("data-tip")}`).content, true));
    const a = g.getBoundingClientRect(), b = p.getBoundingClientRect(), x = a.right - b.left + 10;
    t.style.left = `${x + 190 > b.width ? a.left - b.left - 200 : x}px`;
    t.style.top = "6px";
  }
  for (const ev of ["mouseover", "focusin"]) on(ev, e => { const g = e.target.closest?.(".chart .d"); if (g) tip(g); });
  on("mouseout", e => {
    const p = e.target.closest?.(".plot");
    if (p && !p.contains(e.relatedTarget)) $(".tip", p)?.toggleAttribute("hidden", true);
  });

  // ---- htmx: what templates/layout.html says at its top
  const path = url => new URL(url || "", location.href).pathname;
  const hx = (type, f) => on(`htmx:${type}`, e => {
    const c = e.detail.ctx;
    if (c?.request.headers["HX-Boosted"]) f(c, c.request, e);
  });

  // a link or GET form that leaves this path is an ordinary navigation
  on("htmx:before:init", e => {
    const el = e.target;
    if (el.matches("[data-hx-get], [data-hx-post], [method=post]")) return;
    if (path(el.getAttribute("href") ?? el.getAttribute("action")) !== location.pathname) e.preventDefault();
  });

  hx("config:request", (ctx, req) => {
    const form = ctx.sourceElement.matches("form");
    if (req.method !== "GET") { // the whole page comes back, with a fresh frame
      ctx.target = document.body;
      ctx.swap = "outerSync show:none";
    } else if (form) { // replaces the query, as in a browser, without empty fields
      req.action = path(ctx.sourceElement.getAttribute("action"));
      for (const [name, value] of [...req.body]) if (!value) req.body.delete(name);
    }
  });
  hx("before:request", (ctx, req) => req.submitter?.classList.add("htmx-request"));
  hx("finally:request", (ctx, req) => req.submitter?.classList.remove("htmx-request"));

  hx("before:response", (ctx, req, e) => {
    const { ok, redirected, status, url } = ctx.response.raw;
    if (req.method === "GET") { // an error or a sign-in is no part of this page
      if (ok && path(url) === location.pathname) return;
      e.preventDefault();
      location.assign(url);
    } else if (status === 429 || status > 499) {
      e.preventDefault();
      fault(status === 429 ? "#slow" : "#down");
    } else if (!redirected) ctx.push = "false"; // the address of an action is no page
  });
  hx("error", ctx => ctx.response || fault("#down"));

  // the page stays, with what was typed
  function fault(id) {
    $(".toast")?.remove();
    $("#page").append($(id).content.cloneNode(true));
    toast();
  }

  // htmx keeps the focus on an element with an id; else it goes to what changed
  hx("after:swap", (ctx, req) => {
    const { redirected, url } = ctx.response.raw, whole = ctx.target === document.body;
    if (whole && redirected && path(url) !== path(req.headers["HX-Current-URL"])) scrollTo(0, 0);
    if (document.activeElement === document.body) {
      const bad = $("main [aria-invalid=true]");
      const to = [bad, document.getElementById(req.submitter?.id), $("[data-focus]"), $("h1")].find(x => x?.checkVisibility());
      if (to?.tabIndex < 0) to.tabIndex = -1;
      to?.focus({ preventScroll: whole && !bad });
    }
    say($("[data-say]")?.textContent);
    toast();
  });
})();
