// The element: a button that opens a panel with the conversation, in a shadow
// tree of its own, so that neither the page's styles nor its scripts meet it.

const markup = [
  ["button", "launch", { type: "button", "aria-haspopup": "dialog", "aria-controls": "panel" }],
  ["section", "panel", { role: "dialog", "aria-labelledby": "title", hidden: "" }, [
    ["header", "", {}, [
      ["h2", "title"], ["p", "link", { role: "status" }],
      ["button", "leave", { type: "button", hidden: "" }], ["button", "close", { type: "button" }],
    ]],
    ["form", "welcome", { hidden: "" }, [
      ["p", "hello"], ["label", "name-label", { for: "name" }],
      ["input", "name", { autocomplete: "name", maxlength: "80" }], ["button", "start", { class: "primary" }],
    ]],
    ["div", "chat", { hidden: "" }, [
      ["ol", "log", { role: "log", "aria-live": "polite", tabindex: "0" }],
      ["p", "typing", { role: "status" }],
      ["div", "choices", { role: "group" }],
      ["form", "write", {}, [
        ["label", "text-label", { for: "text", class: "unseen" }],
        ["textarea", "text", { rows: "1", autocomplete: "off" }],
        ["input", "file", { type: "file", multiple: "", class: "unseen", tabindex: "-1", "aria-hidden": "true" }],
        ["button", "attach", { type: "button" }], ["button", "send", { class: "primary" }],
      ]],
    ]],
    ["p", "drop", { hidden: "", "aria-hidden": "true" }],
    ["p", "problem", { role: "alert" }],
  ]],
];

function build([tag, id, attributes = {}, children = []]) {
  const e = document.createElement(tag);
  if (id) e.id = id;
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children.map(build));
  return e;
}

class ChatElement extends HTMLElement {
  // open begins, once, with the options of the script tag.
  open(options) {
    this.options = options;
    this.say = speak(options.lang, document.documentElement.lang, navigator.language);
    const { user, signature, timestamp, token } = options;
    const proof = token ? { token, userId: user ?? claimsOf(token).sub } : user ? { userId: user, timestamp, signature } : {};
    this.talk = new Talk(options.hook, proof);
    this.talk.looking = () => !this.$("panel").hidden && document.visibilityState === "visible" && document.hasFocus();
    this.shown = new Map(); // tid: row, and what it showed
    this.atEnd = true;
    this.root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet(); // a page's policy need not allow inline styles
    sheet.replaceSync(css);
    this.root.adoptedStyleSheets = [sheet];
    this.root.append(...markup.map(build));
    this.lang = this.say.lang;
    this.paint(options);
    this.label();
    this.listen();
    this.begin();
  }

  $(id) {
    return this.root.getElementById(id);
  }

  // paint applies data-theme and data-color, with a text colour that can be read on it.
  paint({ theme, color }) {
    if (theme === "light" || theme === "dark") this.style.colorScheme = theme;
    const hex = /^#([0-9a-f]{6})$/i.exec(color ?? "")?.[1];
    if (!hex) return;
    const [r, g, b] = [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    this.style.setProperty("--accent", "#" + hex);
    this.style.setProperty("--on-accent", 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff");
  }

  label() {
    const { say } = this;
    const texts = {
      title: this.options.title || say("title"), hello: say("hello"), "name-label": say("name"), start: say("start"),
      leave: say("afresh"), close: "✕", "text-label": say("message"), attach: "📎", send: say("send"), drop: say("drop"),
    };
    for (const [id, text] of Object.entries(texts)) this.$(id).textContent = text;
    this.$("close").setAttribute("aria-label", say("close"));
    this.$("attach").setAttribute("aria-label", say("attach"));
    this.$("log").setAttribute("aria-label", say("messages"));
    this.$("choices").setAttribute("aria-label", say("choices"));
    this.$("text").placeholder = say("write");
  }

  listen() {
    const on = (id, event, f) => this.$(id).addEventListener(event, f);
    on("launch", "click", () => this.toggle(this.$("panel").hidden));
    on("close", "click", () => this.toggle(false));
    on("panel", "keydown", (event) => this.key(event));
    on("welcome", "submit", (event) => this.welcome(event));
    on("write", "submit", (event) => this.write(event));
    on("text", "keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.$("write").requestSubmit();
    });
    on("text", "input", () => this.talk.typing(this.$("text").value !== ""));
    on("text", "paste", (event) => event.clipboardData?.files.length && this.files(event.clipboardData.files));
    on("leave", "click", () => {
      this.talk.forget();
      this.begin();
    });
    on("attach", "click", () => this.$("file").click());
    on("file", "change", () => {
      this.files(this.$("file").files);
      this.$("file").value = "";
    });
    this.dropping(on);
    on("log", "scroll", () => {
      const list = this.$("log");
      this.atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    });
    new ResizeObserver(() => this.atEnd && this.toEnd()).observe(this.$("log"));
    this.talk.addEventListener("change", () => this.render());
    document.addEventListener("visibilitychange", () => this.talk.seen());
    addEventListener("focus", () => this.talk.seen());
  }

  dropping(on) {
    const isFile = (event) => event.dataTransfer?.types.includes("Files") && !this.$("chat").hidden;
    on("panel", "dragover", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      this.$("drop").hidden = false;
    });
    on("panel", "dragleave", (event) => {
      if (!this.$("panel").contains(event.relatedTarget)) this.$("drop").hidden = true;
    });
    on("panel", "drop", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      this.$("drop").hidden = true;
      this.files(event.dataTransfer.files);
    });
  }

  // begin shows the conversation that is known, or asks who is there.
  begin() {
    const { talk, options } = this;
    if (talk.me?.accessToken) talk.resume();
    else if (options.user || options.token) this.enter({ name: options.name });
    this.render();
    if (options.open !== undefined) this.toggle(true);
  }

  async enter({ name }) {
    try {
      await this.talk.begin({ ...(name ? { name } : {}), locale: navigator.language,
        timezone: Intl.DateTimeFormat().resolvedOptions().timeZone });
      this.focusInside();
    } catch (err) {
      this.talk.set("problem", err instanceof Refused ? err.message : this.say("unreachable"));
    }
  }

  welcome(event) {
    event.preventDefault();
    this.talk.set("problem", "");
    this.enter({ name: this.$("name").value.trim() });
  }

  write(event) {
    event.preventDefault();
    const text = this.$("text").value.trim();
    if (!text) return;
    this.$("text").value = "";
    this.talk.say(text);
  }

  files(list) {
    const { maxFile } = this.talk.config;
    this.talk.set("problem", "");
    for (const file of list) {
      if (file.size > maxFile) this.talk.set("problem", this.say("tooLarge", { name: file.name, size: size(maxFile) }));
      else if (file.size > 0) this.talk.sendFile(file);
    }
  }

  // ---- the panel ----

  toggle(open) {
    this.$("panel").hidden = !open;
    this.render();
    if (open) this.focusInside();
    else this.$("launch").focus();
  }

  focusInside() {
    if (this.$("panel").hidden) return;
    this.toEnd();
    (this.$("chat").hidden ? this.$("name") : this.$("text")).focus();
  }

  // key closes the panel with Escape, and keeps Tab within it.
  key(event) {
    if (event.key === "Escape") return this.toggle(false);
    if (event.key !== "Tab") return;
    const inside = [...this.$("panel").querySelectorAll("button, input, textarea, select, a[href], [tabindex='0']")]
      .filter((e) => !e.disabled && e.tabIndex >= 0 && e.getClientRects().length > 0);
    const [from, to] = event.shiftKey ? [inside[0], inside.at(-1)] : [inside.at(-1), inside[0]];
    if (this.root.activeElement !== from) return;
    event.preventDefault();
    to.focus();
  }

  toEnd() {
    this.$("log").scrollTop = this.$("log").scrollHeight;
  }

  // ---- what is shown ----

  render() {
    const { talk, say } = this;
    const known = Boolean(talk.me?.accessToken);
    this.$("welcome").hidden = known || this.options.user !== undefined || this.options.token !== undefined;
    this.$("chat").hidden = this.$("leave").hidden = !known;
    this.text("link", say(talk.status));
    this.$("link").classList.toggle("up", talk.status === "online");
    this.text("typing", talk.agentTypes ? say("typing") : "");
    this.text("problem", talk.problem);
    this.rows();
    this.choices();
    const unread = talk.unread;
    this.text("launch", unread ? "💬 " + unread : "💬");
    this.$("launch").classList.toggle("unread", unread > 0);
    this.$("launch").setAttribute("aria-label", say("open") + (unread ? ", " + say("unread", { n: unread }) : ""));
    this.$("launch").setAttribute("aria-expanded", String(!this.$("panel").hidden));
    if (unread) talk.seen();
  }

  // text changes a text only if it is another one: what is live is read aloud.
  text(id, text) {
    if (this.$(id).textContent !== text) this.$(id).textContent = text;
  }

  rows() {
    const list = this.$("log");
    const wanted = new Set(this.talk.log.map((m) => m.tid));
    for (const [tid, { li }] of this.shown) {
      if (wanted.has(tid)) continue;
      li.remove();
      this.shown.delete(tid);
    }
    let added = false;
    for (const [i, m] of this.talk.log.entries()) {
      const state = [m.state, m.done, m.answered, m.got].join();
      const before = this.shown.get(m.tid);
      if (before?.state === state) continue;
      let li = before?.li;
      if (li && m.mine) renote(li, m, this.say);
      else li = rowOf(m, this.say, this.options.hook, (row, values, text) => this.talk.answer(row, values, text));
      if (!before) list.insertBefore(li, list.children[i] ?? null);
      else if (li !== before.li) before.li.replaceWith(li);
      added ||= !before;
      this.shown.set(m.tid, { li, state });
    }
    if (added) this.toEnd();
  }

  choices() {
    const last = this.talk.log.findLast((m) => !m.event);
    if (last === this.lastChoices) return;
    this.lastChoices = last;
    const offered = last && !last.mine && Array.isArray(last.quickReplies) ? last.quickReplies : [];
    this.$("choices").replaceChildren(...offered.map((q) => {
      const b = make("button", "", q.title);
      b.type = "button";
      b.addEventListener("click", () => {
        this.talk.say(q.title, q);
        this.$("text").focus();
      });
      return b;
    }));
  }
}

