import { useChat } from "@ai-sdk/react";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

function Part({ part }) {
  if (part.type === "text") return <p>{part.text}</p>;
  if (part.type === "reasoning") return <p className="reasoning">{part.text}</p>;
  if (part.type === "dynamic-tool" || part.type.startsWith("tool-")) {
    const name = part.toolName ?? part.type.slice("tool-".length);
    return <pre className="tool">{`${name}(${JSON.stringify(part.input)})`}</pre>;
  }
  if (part.type === "source-url") return <a href={part.url}>{part.title ?? part.url}</a>;
  return null;
}

function Chat() {
  const [draft, setDraft] = useState("");
  const { messages, sendMessage, status, stop, error } = useChat();
  const busy = status === "submitted" || status === "streaming";

  function submit(event) {
    event.preventDefault();
    if (!draft.trim()) return;
    sendMessage({ text: draft });
    setDraft("");
  }

  return (
    <main>
      <h1>useChat, served by gai_stream</h1>
      {messages.map((message) => (
        <section key={message.id} className={message.role}>
          {message.parts.map((part, number) => (
            <Part key={number} part={part} />
          ))}
        </section>
      ))}
      {error && <p role="alert">{error.message}</p>}
      <form onSubmit={submit}>
        <input aria-label="Message" value={draft} onChange={(event) => setDraft(event.target.value)} autoFocus />
        <button disabled={busy}>Send</button>
        <button type="button" onClick={stop} disabled={!busy}>Stop</button>
      </form>
      <output data-status={status}>{status}</output>
    </main>
  );
}

createRoot(document.getElementById("root")).render(<StrictMode><Chat /></StrictMode>);
