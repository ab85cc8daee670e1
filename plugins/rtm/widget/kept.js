// What this browser keeps, and what other tabs of it write there meanwhile.

// Kept is what this browser keeps for one channel. Without storage the chat
// works, and is forgotten with the page.
class Kept {
  constructor(prefix) {
    this.prefix = prefix;
    this.off = false; // nothing is kept any more
  }
  read(key) {
    try {
      return JSON.parse(localStorage.getItem(this.prefix + key));
    } catch {
      return null;
    }
  }
  write(key, value) {
    if (this.off) return;
    try {
      if (value === null) localStorage.removeItem(this.prefix + key);
      else localStorage.setItem(this.prefix + key, JSON.stringify(value));
    } catch {
      // full or off
    }
  }
  // watch calls f with the key of what another tab has written.
  watch(f) {
    addEventListener("storage", (event) => event.key?.startsWith(this.prefix) && f(event.key.slice(this.prefix.length)));
  }
}

// insert puts a row where it belongs by its time, behind what came before it.
function insert(log, row) {
  let place = log.length;
  while (place > 0 && Date.parse(log[place - 1].at) > Date.parse(row.at)) place--;
  log.splice(place, 0, row);
}

// merge takes over what another tab knows of the same conversation. Files that are
// on their way from here are not known better there.
function merge(log, theirs, files) {
  for (const m of theirs) {
    const known = log.find((one) => one.tid === m.tid);
    if (!known) {
      insert(log, m);
      continue;
    }
    if (m.state === "sent" || (known.state === "uploading" && !files.has(m.tid))) {
      Object.assign(known, { ...m, got: known.got });
    }
    if (m.got === "read" || !known.got) known.got = m.got;
    known.read ||= m.read;
    known.answered ||= m.answered;
  }
}
