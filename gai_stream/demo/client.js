// Read one answer over either transport. Both call onMessage with the same objects: {type, ...}; both return
// {ended, stop}: `ended` resolves to {state, message}, where state is "done", "stopped" or "failed".

const TYPES = [
  "start", "text_delta", "reasoning_delta", "audio_delta", "tool_call_delta", "tool_call", "tool_result",
  "citations", "safety", "finish_step", "finish", "error", "raw", "done",
];

/** Read Server-Sent Events from `url`. */
export function readSSE(url, onMessage) {
  const source = new EventSource(url);
  const { promise: ended, resolve } = deferred();
  const end = (state, message = "") => {
    source.close();
    resolve({ state, message });
  };
  for (const type of TYPES) {
    source.addEventListener(type, (event) => {
      // The stream's own `error` carries data; the browser's, for a connection that failed, has none.
      if (event.data === undefined) {
        return;
      }
      onMessage({ type, ...JSON.parse(event.data) });
      if (type === "done") {
        end("done");
      }
    });
  }
  source.addEventListener("error", (event) => {
    if (event.data !== undefined) {
      return;
    }
    // An EventSource would now reconnect and so ask the model again: it must be told not to.
    const refused = source.readyState === EventSource.CLOSED;
    end("failed", refused ? "The server refused the request. EventSource does not say why." : "The connection was lost.");
  });
  return { ended, stop: () => end("stopped") };
}

/** Post `body` to `url` as JSON and read the NDJSON that comes back. */
export function readNDJSON(url, body, onMessage) {
  const aborter = new AbortController();
  const ended = follow(url, body, onMessage, aborter.signal).catch((error) => {
    if (aborter.signal.aborted) {
      return { state: "stopped", message: "" };
    }
    return { state: "failed", message: error instanceof TypeError ? "The connection was lost." : error.message };
  });
  return { ended, stop: () => aborter.abort() };
}

async function follow(url, body, onMessage, signal) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/x-ndjson" },
    body: JSON.stringify(body),
    signal,
  });
  if (!response.ok) {
    throw new Error(await reasonOf(response));
  }
  let done = false;
  const take = (line) => {
    if (line.trim() !== "" && !done) {
      const message = JSON.parse(line);
      onMessage(message);
      done = message.type === "done";
    }
  };
  // A character, like a line, may be cut in two: both wait for their other half.
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let partial = "";
  for (;;) {
    const { value, done: closed } = await reader.read();
    const lines = (partial + decoder.decode(value, { stream: !closed })).split("\n");
    partial = lines.pop();
    lines.forEach(take);
    if (closed) {
      take(partial);
      return done ? { state: "done", message: "" } : { state: "failed", message: "The connection was lost." };
    }
  }
}

async function reasonOf(response) {
  const text = await response.text();
  try {
    return JSON.parse(text).error.message;
  } catch {
    return `The server answered ${response.status}.`;
  }
}

function deferred() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** Collect what a stream says, in either transport's form. */
export class Answer {
  choices = [];
  transcript = "";
  toolCalls = [];
  finishReason = null;
  usage = null;
  error = null;
  finished = null;
  #begun = new Map();

  get text() {
    return this.choices[0]?.text ?? "";
  }

  /** Take one message. Returns the output in it, {kind, part, text}, or null; pieces of one part belong together. */
  add(message) {
    // NDJSON nests what SSE has flat, and leaves out the prefix of a call's id and name.
    const inner = message[message.type] ?? message;
    switch (message.type) {
      case "text_delta":
        return this.#words(message);
      case "reasoning_delta":
        return piece("reasoning", message.text);
      case "audio_delta": {
        const spoken = message.transcript ?? message.audio.transcript ?? "";
        this.transcript += spoken;
        return { kind: "text", part: "audio", text: spoken };
      }
      case "tool_call_delta":
        return this.#fragment(inner);
      case "tool_call":
        return this.#call(inner);
      case "finish":
        this.finishReason = message.raw_reason ?? message.reason ?? "stop";
        this.usage = message.usage;
        return null;
      case "error":
        this.error = message.error;
        return null;
      case "done":
        this.finished = message.finished;
        return null;
      default:
        return null;
    }
  }

  #words({ text, index = 0, refusal = false }) {
    const kind = refusal ? "refusal" : "text";
    this.choices[index] ??= { text: "", refusal: "" };
    this.choices[index][kind] += text;
    // Further choices are other answers to the same question: kept, and not shown.
    return index === 0 ? piece(kind, text) : { kind, part: kind, text: "" };
  }

  #fragment(delta) {
    let call = this.#begun.get(delta.index);
    const name = delta.name ?? delta.tool_name ?? "";
    if (call === undefined) {
      call = { id: delta.id ?? delta.tool_id, name, arguments: "" };
      this.#begun.set(delta.index, call);
      this.toolCalls.push(call);
    }
    call.arguments += delta.arguments;
    return piece("tool", (name && `${name} `) + delta.arguments, delta.index);
  }

  #call(whole) {
    const id = whole.id ?? whole.tool_id;
    const name = whole.name ?? whole.tool_name;
    const text = whole.arguments ?? JSON.stringify(whole.input);
    const begun = this.toolCalls.find((call) => call.id === id && !("input" in call));
    if (begun !== undefined) {
      begun.input = whole.input;
      begun.arguments = text;
      return null;
    }
    this.toolCalls.push({ id, name, arguments: text, input: whole.input });
    return piece("tool", `${name} ${text}`, id);
  }
}

function piece(kind, text, part = kind) {
  return text === "" ? null : { kind, part, text };
}
