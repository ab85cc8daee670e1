// The script tag: its attributes say what the widget is for.

(() => {
  const tag = document.currentScript;
  const name = "openccsp-chat";
  if (!tag || document.querySelector(name)) return; // one is enough
  if (!customElements.get(name)) customElements.define(name, ChatElement);
  const source = new URL(tag.src, document.baseURI);
  const gateway = source.origin + source.pathname.replace(/\/(hooks\/[^/]+\/)?widget\.js$/, "");
  const chat = document.createElement(name);
  chat.open({ hook: gateway + "/hooks/" + encodeURIComponent(tag.dataset.channel || defaultChannel), ...tag.dataset });
  const add = () => document.body.append(chat);
  if (document.body) add();
  else addEventListener("DOMContentLoaded", add);
})();
