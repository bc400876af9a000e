import { Answer, readNDJSON, readSSE } from "./client.js";

const $ = (selector, root = document) => root.querySelector(selector);

const STATES = {
  idle: "Ready",
  connecting: "Connecting",
  streaming: "Streaming",
  done: "Complete",
  stopped: "Stopped",
  failed: "Failed",
};

/** The figures of one stream, measured here, where the words arrive. Times are in milliseconds. */
class Figures {
  started = performance.now();
  first = null;
  last = null;
  ended = null;
  gaps = [];
  chunks = 0;
  characters = 0;
  tokens = null;

  chunk(now) {
    this.chunks += 1;
    this.first ??= now;
    if (this.last !== null) {
      this.gaps.push(now - this.last);
    }
    this.last = now;
  }

  shown() {
    const elapsed = (this.ended ?? performance.now()) - this.started;
    const speaking = this.last === null ? 0 : this.last - this.started;
    const sorted = [...this.gaps].sort((a, b) => a - b);
    const median = sorted[Math.ceil(sorted.length / 2) - 1];
    return {
      ttft: this.first === null ? "–" : `${Math.round(this.first - this.started)} ms`,
      rate: speaking === 0 ? "–" : (((this.tokens ?? this.chunks) / speaking) * 1000).toFixed(1),
      latency: median === undefined ? "–" : `${median.toFixed(median < 10 ? 1 : 0)} ms`,
      characters: this.characters.toLocaleString("en"),
      duration: `${(elapsed / 1000).toFixed(2)} s`,
    };
  }
}

/** One half of the page: a transport, its answer and its figures. */
class Panel {
  #root;
  #open;
  #reading = null;
  #figures = null;

  constructor(root, open) {
    this.#root = root;
    this.#open = open;
  }

  /** Ask, show what comes, and resolve when nothing more does. */
  async run(query, provider) {
    const output = $(".answer", this.#root);
    output.replaceChildren();
    output.setAttribute("aria-busy", "true");
    this.#note("");
    this.#state("connecting");
    const answer = new Answer();
    const figures = new Figures();
    this.#figures = figures;
    const ticking = setInterval(() => this.#show(), 100);
    let run = null;
    this.#reading = this.#open(query, provider, (message) => {
      const piece = answer.add(message);
      if (piece !== null) {
        if (figures.chunks === 0) {
          this.#state("streaming");
        }
        figures.chunk(performance.now());
        if (piece.kind === "text" || piece.kind === "refusal") {
          figures.characters += [...piece.text].length;
        }
        run = say(output, run, piece);
      }
      figures.tokens = answer.usage?.output_tokens ?? figures.tokens;
    });
    const { state, message } = await this.#reading.ended;
    clearInterval(ticking);
    this.#reading = null;
    figures.ended = performance.now();
    output.setAttribute("aria-busy", "false");
    const cut = state === "done" && answer.finished === false ? "The answer is not complete." : "";
    const reason = answer.error ?? (message || cut);
    this.#state(reason === "" ? state : "failed");
    this.#note(reason);
    this.#show();
  }

  stop() {
    this.#reading?.stop();
  }

  #state(state) {
    const badge = $(".state", this.#root);
    badge.dataset.state = state;
    badge.textContent = STATES[state];
  }

  #note(text) {
    const note = $(".note", this.#root);
    note.textContent = text;
    note.hidden = text === "";
  }

  #show() {
    for (const [field, value] of Object.entries(this.#figures.shown())) {
      const cell = $(`[data-field="${field}"]`, this.#root);
      if (cell.textContent !== value) {
        cell.textContent = value;
      }
    }
  }
}

/** Append one piece as text, whatever it looks like. Pieces of one part share a text node: a node each would be slow. */
function say(output, run, piece) {
  const following = output.scrollHeight - output.scrollTop - output.clientHeight < 40;
  if (run?.part !== piece.part) {
    const part = document.createElement(piece.kind === "tool" ? "code" : "span");
    part.className = piece.kind;
    run = { part: piece.part, words: document.createTextNode("") };
    part.append(run.words);
    output.append(part);
  }
  run.words.appendData(piece.text);
  if (following) {
    output.scrollTop = output.scrollHeight;
  }
  return run;
}

const panels = {
  sse: new Panel($("#sse"), (query, provider, onMessage) =>
    readSSE(`chat?${new URLSearchParams({ q: query, provider })}`, onMessage)),
  ndjson: new Panel($("#ndjson"), (query, provider, onMessage) =>
    readNDJSON("chat", { query, provider }, onMessage)),
};
const form = $("form");
const prompt = $("#prompt");
const send = $("#send");
const stop = $("#stop");
const choices = $("#choices");
let busy = false;

function chosen() {
  const transport = form.elements.transport.value;
  return transport === "both" ? ["sse", "ndjson"] : [transport];
}

function update() {
  send.disabled = busy || prompt.value.trim() === "";
  stop.disabled = !busy;
  choices.disabled = busy;
  if (!busy) {
    for (const name of ["sse", "ndjson"]) {
      $(`#${name}`).hidden = !chosen().includes(name);
    }
  }
}

async function ask() {
  const query = prompt.value.trim();
  if (busy || query === "") {
    return;
  }
  const clicked = document.activeElement === send;
  busy = true;
  update();
  if (clicked) {
    // A button that is disabled drops the focus to the top of the page.
    stop.focus();
  }
  await Promise.all(chosen().map((name) => panels[name].run(query, form.elements.provider.value)));
  const stopped = document.activeElement === stop;
  busy = false;
  update();
  if (stopped) {
    send.focus();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
form.addEventListener("change", update);
prompt.addEventListener("input", update);
prompt.addEventListener("keydown", (event) => {
  // Enter also ends the composition of a Japanese or Chinese word, which is no wish to send it.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    ask();
  }
});
stop.addEventListener("click", () => {
  for (const panel of Object.values(panels)) {
    panel.stop();
  }
});

async function offer() {
  const info = await (await fetch("api/info")).json();
  for (const { name, model } of info.providers) {
    const option = new Option(model && model !== name ? `${name} · ${model}` : name, name);
    option.selected = name === info.default;
    form.elements.provider.append(option);
  }
  $("#version").textContent = info.version;
  $("#offline").hidden = info.default !== "scripted";
}

offer().catch(() => {
  $("#offline").hidden = false;
  $("#offline").textContent = "The server does not answer. Is it still running?";
}).finally(update);
