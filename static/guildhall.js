// Progressive enhancement only: every screen works without this file.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const on = (type, handler) => document.addEventListener(type, handler);
  const hasInvokers = "commandForElement" in HTMLButtonElement.prototype;
  const fields = /^(INPUT|TEXTAREA|SELECT)$/;

  function setCookie(name, value) {
    const secure = location.protocol === "https:" ? ";secure" : "";
    document.cookie = `${name}=${value};path=/;max-age=31536000;samesite=lax${secure}`;
  }

  // ---- the viewer's time zone
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.split("; ").includes(`tz=${zone}`)) setCookie("tz", zone);

  // ---- clicks: dialogs (in browsers without invoker commands), copying, chips, toasts
  on("click", event => {
    const button = event.target.closest?.("button[commandfor], [data-copy], [data-chip-x], [data-close]");
    if (!button) return;
    if (button.hasAttribute("commandfor") && !hasInvokers) {
      const dialog = document.getElementById(button.getAttribute("commandfor"));
      button.getAttribute("command") === "close" ? dialog.close() : dialog.showModal();
    }
    if (button.dataset.copy) copy(button);
    if ("close" in button.dataset) button.closest(".toast").remove();
    if ("chipX" in button.dataset) {
      const input = $("textarea, input:not([type=hidden])", button.closest(".chips"));
      button.closest(".chip").remove();
      input.focus();
    }
  });

  async function copy(button) {
    const source = $(button.dataset.copy), label = $("span", button), before = label.textContent;
    try { // the indentation of the markup is not part of the value
      await navigator.clipboard.writeText(source.textContent.trim().replace(/\s*\n\s*/g, "\n"));
    } catch { // the clipboard needs https
      getSelection().selectAllChildren(source);
      return say("Selected");
    }
    label.textContent = "Copied";
    say("Copied");
    setTimeout(() => (label.textContent = before), 1600);
  }

  // ---- announcements, in the one live region
  function say(text) {
    const region = $("#say");
    if (region && text) { region.textContent = ""; setTimeout(() => (region.textContent = text), 60); }
  }

  // ---- toasts are announced; those that report an error or offer an action stay
  function showToast() {
    const toast = $(".toast");
    if (!toast) return;
    say($("span", toast).textContent);
    if (!toast.matches(".bad, :has(form)")) setTimeout(() => toast.remove(), 8000);
  }
  showToast();

  // ---- changes: theme, selection in tables
  on("change", event => {
    const field = event.target;
    if (field.name === "theme" && field.type === "radio") {
      document.documentElement.dataset.theme = field.value;
      setCookie("theme", field.value);
    }
    const table = field.matches("thead .checkbox, .cell-select .checkbox") && field.closest(".table-wrap");
    if (!table) return;
    const all = $("thead .checkbox", table), boxes = $$("tbody .cell-select .checkbox:not(:disabled)", table);
    if (field === all) boxes.forEach(box => (box.checked = all.checked));
    const count = boxes.filter(box => box.checked).length;
    if (all) { all.checked = count > 0 && count === boxes.length; all.indeterminate = count > 0 && count < boxes.length; }
    const label = $(".bulk b", table);
    if (label) label.textContent = `${count} selected`;
  });

  // ---- menus and the palette: arrow keys, Home, End, first letter
  const items = list => $$("a[href], button:enabled", list).filter(item => item.checkVisibility());
  function moveFocus(list, key) {
    const all = items(list), at = all.indexOf(document.activeElement);
    const next = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1, Home: 0, End: all.length - 1 }[key];
    all.at(next === all.length ? 0 : next)?.focus();
  }
  on("keydown", event => {
    const { target, key } = event, menu = $(".menu-panel:popover-open"), palette = target.closest?.(".palette");
    const typing = fields.test(target.tagName) && target.type !== "radio" && target.type !== "checkbox";
    // Ctrl K or Cmd K, everywhere
    if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "k") {
      const dialog = $("#palette");
      if (dialog) { event.preventDefault(); dialog.open ? dialog.close() : dialog.showModal(); }
      return;
    }
    const list = palette ? $(".palette-list", palette) : menu && !typing ? menu : null;
    if (list && target.type !== "radio" && /^(ArrowDown|ArrowUp|Home|End)$/.test(key) && !(typing && /Home|End/.test(key))) {
      event.preventDefault();
      if (palette && key === "ArrowUp" && items(list)[0] === target) $("input", palette).focus();
      else moveFocus(list, key);
      return;
    }
    const isCharacter = key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (palette && target.tagName === "A" && isCharacter) $("input", palette).focus();
    if (menu && !typing && isCharacter) {
      const all = items(menu), from = all.indexOf(document.activeElement) + 1, letter = key.toLowerCase();
      const match = [...all.slice(from), ...all.slice(0, from)]
        .find(item => item.textContent.trim().toLowerCase().startsWith(letter));
      if (match) { event.preventDefault(); match.focus(); return; }
    }
    // e-mail chips: Enter, comma and semicolon add one; a space does so only after an address, for a name may precede it
    const chips = target.closest?.(".chips");
    const ends = ["Enter", ",", ";"].includes(key) || key === " " && target.value?.includes("@");
    if (chips && ends && target.value?.trim()) { event.preventDefault(); addChips(chips, target); return; }
    if (chips && key === "Backspace" && target.value === "") { $$(".chip", chips).at(-1)?.remove(); return; }
    // single-key shortcuts, shown on their control
    if (typing || menu || !isCharacter || $("dialog[open]")) return;
    if (key === "/") { const search = $("main [type=search]"); if (search) { event.preventDefault(); search.focus(); } }
    const control = $(`[data-key="${CSS.escape(key.toLowerCase())}"]`);
    if (control) { event.preventDefault(); control.click(); }
  });

  // ---- the palette copies the links of the side bar and filters its commands; Enter opens the only one left
  on("focusin", event => {
    const heading = event.target.closest?.(".palette") && $(".palette .from");
    if (heading) { heading.className = ""; heading.after(...$$("#side nav a").map(link => link.cloneNode(true))); }
  });
  on("input", event => {
    const palette = event.target.closest(".palette");
    if (!palette) return;
    const query = event.target.value.trim().toLowerCase();
    $$(".palette-list a", palette).forEach(link => (link.hidden = query !== "" && !link.textContent.toLowerCase().includes(query)));
  });
  on("submit", event => {
    const form = event.target;
    const left = form.matches(".palette form") && $("input", form).value.trim() ? items($(".palette-list", form)) : [];
    if (left.length === 1) { event.preventDefault(); left[0].click(); }
  });

  // ---- chips
  on("paste", event => { // an <input> would drop the line breaks
    const chips = event.target.closest?.(".chips");
    if (!chips || !$("template", chips)) return;
    event.preventDefault();
    addChips(chips, event.target, event.target.value + event.clipboardData.getData("text"));
  });
  on("focusout", event => {
    const chips = event.target.closest?.(".chips");
    if (chips && event.target.value?.trim()) addChips(chips, event.target);
  });
  function addChips(chips, input, text = input.value) {
    const template = $("template", chips);
    if (!template) return;
    const addresses = text.match(/[^\s,;<>"()]+@[^\s,;<>"()]+/g) || text.split(/[\s,;]+/).filter(Boolean);
    for (const address of addresses) {
      const chip = template.content.firstElementChild.cloneNode(true);
      chip.firstChild.data = address;
      $("[type=hidden]", chip).value = address;
      $("button", chip).setAttribute("aria-label", `Remove ${address}`);
      chip.classList.toggle("bad", !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(address));
      chips.insertBefore(chip, input);
    }
    input.value = "";
    say(`${addresses.length} added`);
  }

  // ---- chart tooltips
  function showTooltip(bar) {
    const plot = bar.closest(".plot"), tooltip = $(".tooltip", plot);
    if (!tooltip) return;
    tooltip.hidden = false;
    tooltip.replaceChildren(document.importNode($(`#${bar.getAttribute("data-tip")}`).content, true));
    const inner = bar.getBoundingClientRect(), outer = plot.getBoundingClientRect(), x = inner.right - outer.left + 10;
    tooltip.style.left = `${x + 190 > outer.width ? inner.left - outer.left - 200 : x}px`;
    tooltip.style.top = "6px";
  }
  for (const type of ["mouseover", "focusin"]) {
    on(type, event => { const bar = event.target.closest?.(".chart .bar"); if (bar) showTooltip(bar); });
  }
  on("mouseout", event => {
    const plot = event.target.closest?.(".plot");
    if (plot && !plot.contains(event.relatedTarget)) $(".tooltip", plot)?.toggleAttribute("hidden", true);
  });

  // ---- htmx: the rules at the top of templates/layout.html
  const path = url => new URL(url || "", location.href).pathname;
  const onBoosted = (type, handler) => on(`htmx:${type}`, event => {
    const { ctx } = event.detail;
    if (ctx?.request.headers["HX-Boosted"]) handler(ctx, ctx.request, event);
  });

  // a link or GET form that leaves this path is an ordinary navigation
  on("htmx:before:init", event => {
    const element = event.target;
    if (element.matches("[data-hx-get], [data-hx-post], [method=post]")) return;
    if (path(element.getAttribute("href") ?? element.getAttribute("action")) !== location.pathname) event.preventDefault();
  });

  onBoosted("config:request", (ctx, request) => {
    const isForm = ctx.sourceElement.matches("form");
    if (request.method !== "GET") { // the answer is a whole page, with a fresh frame
      ctx.target = document.body;
      ctx.swap = "outerSync show:none";
    } else if (isForm) { // replaces the query string, as a browser does, but without empty fields
      request.action = path(ctx.sourceElement.getAttribute("action"));
      for (const [name, value] of [...request.body]) if (!value) request.body.delete(name);
    }
  });
  onBoosted("before:request", (ctx, request) => request.submitter?.classList.add("htmx-request"));
  onBoosted("finally:request", (ctx, request) => request.submitter?.classList.remove("htmx-request"));

  onBoosted("before:response", (ctx, request, event) => {
    const { ok, redirected, status, url } = ctx.response.raw;
    if (request.method === "GET") { // an error or the sign-in page replaces the document, not a part of it
      if (ok && path(url) === location.pathname) return;
      event.preventDefault();
      location.assign(url);
    } else if (status === 429 || status > 499) {
      event.preventDefault();
      showFailure(status === 429 ? "#slow" : "#down");
    } else if (!redirected) ctx.push = "false"; // the URL of an action is not a page
  });
  onBoosted("error", ctx => ctx.response || showFailure("#down"));

  // keeps the page, and with it what the user typed
  function showFailure(id) {
    $(".toast")?.remove();
    $("#page").append($(id).content.cloneNode(true));
    showToast();
  }

  // htmx keeps the focus on an element with an id; otherwise the focus moves to what changed
  onBoosted("after:swap", (ctx, request) => {
    const { redirected, url } = ctx.response.raw, isWholePage = ctx.target === document.body;
    if (isWholePage && redirected && path(url) !== path(request.headers["HX-Current-URL"])) scrollTo(0, 0);
    if (document.activeElement === document.body) {
      const invalid = $("main [aria-invalid=true]");
      const candidates = [invalid, document.getElementById(request.submitter?.id), $("[data-focus]"), $("h1")];
      const next = candidates.find(element => element?.checkVisibility());
      if (next?.tabIndex < 0) next.tabIndex = -1;
      next?.focus({ preventScroll: isWholePage && !invalid });
    }
    say($("[data-say]")?.textContent);
    showToast();
  });
})();
