"""The clients that are JavaScript: one Node process for all of them, which `tests/node/read.mjs` is."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from typing import Any, Final, Self

from .expectations import Seen

__all__ = ["HERE", "Node", "versions"]

HERE: Final = Path(__file__).resolve().parents[1] / "tests" / "node"

# Target's name: what read.mjs calls its client, and the package behind it.
_CLIENTS: Final = {
    "vercel 5": ("ai5", "ai"),
    "vercel 6": ("ai6", "ai"),
    "vercel 7": ("ai7", "ai"),
    "ag_ui": ("ag_ui", "@ag-ui/client"),
}


class Node:
    """Ask the clients in Node, one question at a time."""

    def __enter__(self) -> Self:
        command = ["node", str(HERE / "read.mjs")]
        self._process = subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._turn = threading.Lock()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def read(self, target: str, url: str) -> Seen:
        """Return what a client saw. Raises RuntimeError with what it threw."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps({"client": _CLIENTS[target][0], "url": f"{url}/"}) + "\n")
            self._process.stdin.flush()
            told = json.loads(self._process.stdout.readline())
        if "thrown" in told and not told.get("errors"):
            raise RuntimeError(told["thrown"])
        return _run(told) if target == "ag_ui" else _message(told)


def _message(told: dict[str, Any]) -> Seen:
    parts = (told["message"] or {"parts": []})["parts"]
    calls = [
        (part.get("toolName") or part["type"].removeprefix("tool-"), part.get("input"))
        for part in parts
        if part["type"].startswith(("tool-", "dynamic-tool")) and not part.get("providerExecuted")
    ]
    finish = told["finish"] or {}
    return Seen(
        "".join(part["text"] for part in parts if part["type"] == "text"),
        "".join(part["text"] for part in parts if part["type"] == "reasoning"),
        calls,
        # Version 5 has no word for it.
        finish.get("finishReason"),
        None,
        "; ".join(told["errors"]) or None,
    )


def _run(told: dict[str, Any]) -> Seen:
    text = reasoning = ""
    calls: list[tuple[str, Any]] = []
    # Those that the provider ran by itself come with their results.
    done = {message["toolCallId"] for message in told["messages"] if message["role"] == "tool"}
    for message in told["messages"]:
        if message["role"] == "reasoning":
            reasoning += message["content"]
        elif message["role"] == "assistant":
            text += message.get("content") or ""
            calls += [
                (call["function"]["name"], _parsed(call["function"]["arguments"]))
                for call in message.get("toolCalls", ())
                if call["id"] not in done
            ]
    finished = next((event for event in told["events"] if event["type"] == "RUN_FINISHED"), None)
    usage = (finished or {}).get("usage")
    counted = (usage[0].get("inputTokens", 0), usage[0].get("outputTokens", 0)) if usage else None
    return Seen(text, reasoning, calls, "finished" if finished else None, counted, "; ".join(told["errors"]) or None)


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def versions() -> dict[str, str]:
    """Return, for each target, its client and the version that is asked for."""
    wanted = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    told = {}
    for target, (alias, package) in _CLIENTS.items():
        told[target] = f"{package} (npm), {wanted.get(alias, wanted.get(package, '')).rpartition('@')[2]}"
    return told
