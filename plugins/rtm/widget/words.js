// What the widget says, by language.

const words = {
  en: {
    title: "Chat with us", hello: "Hello! Tell us your name if you like, and ask away.", name: "Your name",
    start: "Start the chat", open: "Open chat", close: "Close chat", afresh: "Start afresh", write: "Write a message",
    message: "Your message", send: "Send", attach: "Attach a file", drop: "Drop files to send them",
    messages: "Messages", choices: "Suggested answers", conversation: "Conversation",
    offline: "offline", connecting: "connecting…", again: "connecting again…", retrying: "offline, trying again",
    online: "online", typing: "Somebody is typing…", sending: "sending…", sent: "sent", delivered: "delivered", read: "read",
    joined: "{name} has joined", left: "{name} has left", failed: "not sent: {why}",
    uploading: "uploading {percent} %", lostFile: "the page was closed too early; choose the file again",
    tooLarge: "The file {name} is too large: at most {size}.", late: "late", agent: "Agent", bot: "Assistant",
    automatic: "Automatic", unread: "{n} unread", file: "file", submit: "Send", required: "This is needed.",
    choose: "Please choose", answered: "answered", unreachable: "The chat cannot be reached. Please try again later.",
    newMessage: "New message from {who}",
  },
  de: {
    title: "Schreiben Sie uns", hello: "Guten Tag! Sagen Sie uns Ihren Namen, wenn Sie mögen, und fragen Sie.", name: "Ihr Name",
    start: "Chat beginnen", open: "Chat öffnen", close: "Chat schliessen", afresh: "Neu beginnen", write: "Nachricht schreiben",
    message: "Ihre Nachricht", send: "Senden", attach: "Datei anhängen", drop: "Dateien hier loslassen",
    messages: "Nachrichten", choices: "Vorschläge", conversation: "Gespräch",
    offline: "offline", connecting: "verbindet…", again: "verbindet erneut…", retrying: "offline, versucht es erneut",
    online: "online", typing: "Jemand schreibt…", sending: "wird gesendet…", sent: "gesendet", delivered: "zugestellt", read: "gelesen",
    joined: "{name} ist jetzt da", left: "{name} hat den Chat verlassen", failed: "nicht gesendet: {why}",
    uploading: "lädt hoch, {percent} %", lostFile: "die Seite wurde zu früh geschlossen; wählen Sie die Datei noch einmal",
    tooLarge: "Die Datei {name} ist zu gross: höchstens {size}.", late: "verspätet", agent: "Agent", bot: "Assistent",
    automatic: "Automatisch", unread: "{n} ungelesen", file: "Datei", submit: "Senden", required: "Das wird gebraucht.",
    choose: "Bitte wählen", answered: "beantwortet", unreachable: "Der Chat ist nicht erreichbar. Bitte versuchen Sie es später.",
    newMessage: "Neue Nachricht von {who}",
  },
};

// speak returns a function from a word's key, and what to fill in, to the word.
function speak(...wanted) {
  const lang = wanted.filter(Boolean).map((l) => l.toLowerCase().split("-")[0]).find((l) => words[l]) ?? "en";
  const say = (key, values = {}) => words[lang][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  return Object.assign(say, { lang });
}

