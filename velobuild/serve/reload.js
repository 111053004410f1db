/// In the preview alone, and never in the output: keeps an open page up to date and shows what is wrong with the build.
(() => {
  "use strict";
  const own = document.currentScript;
  const base = own.src.replace(/[^/]*$/, "");
  const session = own.dataset.session;
  const page = own.dataset.page;
  const styles = JSON.parse(own.dataset.styles);
  const links = [...document.querySelectorAll("link[rel~='stylesheet' i]")];
  let seen = Number(own.dataset.version);
  let asking = false;
  let askAgain = false;
  let source = null;

  function listen() {
    if (source === null && !document.hidden) {
      source = new EventSource(base + "events");
      source.onmessage = (event) => heed(JSON.parse(event.data));
    }
  }

  // A browser keeps but six connections to a host: a tab that nobody looks at gives its own back.
  function rest() {
    source?.close();
    source = null;
  }

  function heed(state) {
    if (state.session !== session) {
      location.reload();
      return;
    }
    show(state.findings);
    if (state.version !== seen) {
      compare(state.assets > seen, state.version);
    }
  }

  // Is this very page another one now? What did not change stays as it is, with whatever was typed or opened in it.
  async function compare(assets, version) {
    if (asking) {
      askAgain = true;
      return;
    }
    asking = true;
    try {
      const answer = await fetch(`${base}page?at=${encodeURIComponent(location.pathname)}`, { cache: "no-store" });
      const now = await answer.json();
      if (now.page !== page) {
        location.reload();
        return;
      }
      if (!restyle(now.styles) && assets) {
        location.reload();
        return;
      }
      seen = Math.max(seen, version);
    } catch {
      // The preview went away; it says what is the matter once it is back.
    } finally {
      asking = false;
    }
    if (askAgain) {
      askAgain = false;
      compare(assets, version);
    }
  }

  // The new sheet is there before the old one goes, so that no page is ever seen without.
  function restyle(now) {
    let changed = false;
    now.forEach(([href, mark], number) => {
      if (mark === styles[number][1] || !links[number]) {
        return;
      }
      changed = true;
      const old = links[number];
      const fresh = old.cloneNode();
      fresh.href = href === styles[number][0] ? `${href}${href.includes("?") ? "&" : "?"}velobuild=${mark}` : href;
      fresh.addEventListener("load", () => old.remove(), { once: true });
      fresh.addEventListener("error", () => location.reload(), { once: true });
      links[number] = fresh;
      styles[number] = [href, mark];
      old.after(fresh);
    });
    return changed;
  }

  // What is wrong.

  const host = document.createElement("velobuild-findings");
  const shadow = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { all: initial; color-scheme: dark; }
    * { box-sizing: border-box; }
    .veil { position: fixed; inset: 0; z-index: 2147483647; overflow: auto; padding: 4vmin;
      background: rgb(10 12 16 / 94%); font: 16px/1.5 system-ui, sans-serif; color: #eceff4; }
    .sheet { max-width: 62rem; margin: 0 auto; }
    .bar { display: flex; flex-wrap: wrap; gap: 1rem; align-items: baseline; justify-content: space-between; }
    h1 { font-size: 1.1rem; margin: 0 0 1rem; color: #ffb4a9; }
    article { background: #191d24; border-left: 4px solid #ff6b5a; border-radius: 6px; padding: 1rem 1.25rem;
      margin-bottom: 1rem; }
    article.warning { border-color: #f2c14e; }
    h2 { font-size: 1.15rem; margin: 0; overflow-wrap: anywhere; }
    .where { margin: .35rem 0 0; color: #9fb3c8; font-family: ui-monospace, monospace; font-size: .9rem;
      overflow-wrap: anywhere; }
    pre { margin: .8rem 0 0; padding: .6rem 0; overflow-x: auto; background: #0f1217; border-radius: 4px;
      font: 14px/1.55 ui-monospace, monospace; tab-size: 2; }
    pre span { display: block; padding: 0 .8rem; white-space: pre; color: #9aa5b1; }
    pre span.at { background: #3b1f1f; color: #fff; }
    .hint { margin: .8rem 0 0; }
    .hint b, code { color: #a3d9a5; }
    code { font-family: ui-monospace, monospace; }
    button { font: inherit; color: #eceff4; background: #2b323c; border: 1px solid #4b5563; border-radius: 4px;
      padding: .35rem .9rem; cursor: pointer; }
    button:focus-visible { outline: 3px solid #8ab4f8; outline-offset: 2px; }
    .pill { position: fixed; z-index: 2147483647; inset-block-end: 1rem; inset-inline-start: 1rem;
      background: #8c2f24; border-color: #ff6b5a; font: 15px/1.4 system-ui, sans-serif; }
  `);
  shadow.adoptedStyleSheets = [sheet];
  let shown = "[]";
  let aside = false;

  function show(findings) {
    const text = JSON.stringify(findings);
    if (text !== shown) {
      shown = text;
      aside = false;
    }
    draw(findings);
  }

  function draw(findings) {
    shadow.replaceChildren();
    if (findings.length === 0) {
      host.remove();
      return;
    }
    const said = findings.length === 1 ? "1 problem" : `${findings.length} problems`;
    const turn = () => {
      aside = !aside;
      draw(findings);
    };
    if (aside) {
      shadow.append(made("button", { class: "pill", type: "button" }, [said], turn));
    } else {
      const close = made("button", { type: "button" }, ["Show the last good page"], turn);
      const bar = made("div", { class: "bar" }, [made("h1", {}, [`The site was not rebuilt: ${said}`]), close]);
      if (findings.every((finding) => finding.severity === "warning")) {
        bar.firstChild.textContent = `Some pages stay as they were: ${said}`;
      }
      const inner = made("div", { class: "sheet" }, [bar, ...findings.map(card)]);
      const veil = made("div", { class: "veil", role: "alertdialog", "aria-label": said }, [inner]);
      veil.addEventListener("keydown", (event) => event.key === "Escape" && turn());
      shadow.append(veil);
    }
    if (!host.isConnected) {
      document.documentElement.append(host);
    }
    shadow.querySelector("button").focus({ preventScroll: true });
  }

  function card(finding) {
    const parts = [made("h2", {}, [finding.what])];
    if (finding.where) {
      parts.push(made("p", { class: "where" }, [finding.where]));
    }
    if (finding.lines.length > 0) {
      const lines = finding.lines.map((line) => made("span", { class: line.marked ? "at" : "" }, [line.text]));
      parts.push(made("pre", {}, lines));
    }
    if (finding.hint) {
      parts.push(made("p", { class: "hint" }, [made("b", {}, ["Hint: "]), finding.hint]));
    }
    parts.push(made("p", { class: "where" }, [finding.code, " · ", made("code", {}, [`velobuild help ${finding.code}`])]));
    return made("article", { class: finding.severity }, parts);
  }

  function made(name, attributes, children, pressed) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      element.setAttribute(key, value);
    }
    element.append(...children);
    if (pressed) {
      element.addEventListener("click", pressed);
    }
    return element;
  }

  // A draft's banner stands in the page as plain text; here it gets a place of its own that moves nothing else.
  const banner = document.querySelector("[data-velobuild-banner]");
  if (banner) {
    Object.assign(banner.style, {
      position: "fixed", zIndex: "2147483646", insetBlockEnd: "0", insetInlineEnd: "0", margin: "0",
      padding: ".45rem .9rem", background: "#3a3f47", color: "#fff", font: "600 14px/1.4 system-ui, sans-serif",
      borderStartStartRadius: "6px", boxShadow: "0 0 6px rgb(0 0 0 / 40%)",
    });
    if (banner.dataset.velobuildBanner === "post") {
      banner.style.background = "#8a4b00";
    }
    banner.querySelectorAll("mark").forEach((words) => Object.assign(words.style, { background: "none", color: "#fff" }));
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
  addEventListener("pagehide", rest);
  addEventListener("pageshow", listen);
  listen();
})();
