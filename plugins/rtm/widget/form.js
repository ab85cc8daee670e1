// A form in the conversation. The gateway checks the answer once more.

const inputTypes = { text: "text", number: "number", email: "email" };

function formOf(m, say, onAnswer) {
  const f = make("form", "ask");
  const fields = Array.isArray(m.form.fields) ? m.form.fields : [];
  if (m.form.title) f.append(make("p", "title", m.form.title));
  const inputs = fields.map((field, i) => {
    const input = inputOf(field, say);
    input.id = "f-" + m.tid + "-" + i;
    input.name = String(field.name);
    input.required = Boolean(field.required);
    input.disabled = Boolean(m.answered);
    const label = make("label", "", (field.label || field.name) + (field.required ? " *" : ""));
    label.htmlFor = input.id;
    f.append(label, input);
    return input;
  });
  const button = make("button", "primary", m.form.submit || say("submit"));
  button.disabled = Boolean(m.answered);
  f.append(button);
  f.addEventListener("submit", (event) => {
    event.preventDefault();
    const filled = inputs.map((input, i) => [fields[i], input.value.trim()]).filter(([, value]) => value !== "");
    const lines = filled.map(([field, value]) => (field.label || field.name) + ": " + value);
    onAnswer(m, Object.fromEntries(filled.map(([field, value]) => [field.name, value])), lines.join("\n") || say("answered"));
  });
  return f;
}

function inputOf(field, say) {
  if (field.type !== "choice") {
    const input = make("input");
    input.type = inputTypes[field.type] ?? "text";
    if (field.type === "number") input.step = "any";
    input.maxLength = 4096;
    return input;
  }
  const select = make("select");
  const none = make("option", "", say("choose"));
  none.value = "";
  select.append(none);
  for (const o of Array.isArray(field.options) ? field.options : []) {
    const option = make("option", "", o);
    option.value = o;
    select.append(option);
  }
  return select;
}

