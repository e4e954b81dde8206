"""The checks of drive.py, run where the MCP client is installed."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from world import PATIENCE, Server, World

# Runs until its limits end it, a minute later.
ENDLESS = {"expression": "last(range(1e12))", "data": "null"}

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "drive", "version": "1"}}

TOOLS = ["file-search_search", "http-fetch_fetch", "json-query_query", "text-stats_analyze"]


class Failed(Exception):
    pass


def check(what: str, expected, found) -> None:
    if expected != found:
        raise Failed(f"{what}: expected {expected!r}, found {found!r}")
    print(f"ok  {what}", flush=True)


def text(result) -> str:
    return "".join(block.text for block in result.content if block.type == "text")


async def lists(client: Client) -> None:
    listed = (await client.list_tools()).tools
    tools = {tool.name: tool for tool in listed}
    check("the tools of the four skills are listed", [], [name for name in TOOLS if name not in tools])
    again = (await client.list_tools(cache_mode="bypass")).tools
    check("a second list is the same", listed, again)
    for name in TOOLS:
        tool = tools[name]
        told = bool(tool.title and tool.description and tool.output_schema)
        check(f"{name} has title, description and output schema", True, told)
        check(f"{name} takes an object", "object", tool.input_schema["type"])
        # What reaches the network could write there.
        check(f"{name} is read-only or not", name != "http-fetch_fetch", tool.annotations.read_only_hint)
    check("file-search is closed", False, tools["file-search_search"].annotations.open_world_hint)
    check("http-fetch is open", True, tools["http-fetch_fetch"].annotations.open_world_hint)


async def answers(client: Client, world: World) -> None:
    result = await client.call_tool("text-stats_analyze", {"text": "One two three. Four five."})
    check("text-stats answers", False, bool(result.is_error))
    check("text-stats counts words", 5, result.structured_content["words"])
    check("text-stats counts sentences", 2, result.structured_content["sentences"])
    check("text-stats answers in text too", 5, json.loads(text(result))["words"])
    meta = result.meta
    check("an answer names its call", 32, len(meta["dev.skillhost/invocation"]))
    check("an answer names what ran", "sha256:", meta["dev.skillhost/digest"][:7])
    check("an answer names who signed", True, bool(meta["dev.skillhost/signers"]))
    check("an answer says what it took", True, meta["dev.skillhost/usage"]["fuel"] > 0)

    result = await client.call_tool("json-query_query", {"expression": ".a[]", "value": {"a": [1, {"b": 2}]}})
    check("json-query finds", {"results": [1, {"b": 2}], "truncated": False}, result.structured_content)
    check("json-query prints like jq", '1\n{"b":2}', text(result))

    result = await client.call_tool("file-search_search", {"pattern": "need.e", "glob": "notes.txt"})
    matches = result.structured_content["matches"]
    found = [(match["path"], match["line"], match["column"]) for match in matches]
    check("file-search finds", [("/docs/notes.txt", 2, 5)], found)
    check("no answer names a folder of the host", False, str(world.docs) in result.model_dump_json())

    result = await client.call_tool("http-fetch_fetch", {"url": f"{world.origin}/"})
    page = result.structured_content
    check("http-fetch fetches", (200, "A page"), (page["status"], page["title"]))
    check("http-fetch gives Markdown", True, "# Hello" in page["text"] and "served on loopback" in page["text"])


async def failures(client: Client) -> None:
    result = await client.call_tool("text-stats_analyze", {"text": 5})
    check("wrong arguments are a result", True, result.is_error)
    check("wrong arguments have their kind", "InvalidInput", result.meta["dev.skillhost/kind"])
    check("wrong arguments are named", True, "/text" in text(result) or "`text`" in text(result))
    check("trying again is advised against", True, text(result).endswith("The same call would fail again."))

    result = await client.call_tool("json-query_query", {"expression": ".a[", "data": "{}"})
    check("what a skill refuses is a result", True, result.is_error)
    check("what a skill refuses has its kind", "InvalidInput", result.meta["dev.skillhost/kind"])

    result = await client.call_tool("http-fetch_fetch", {"url": "http://127.0.0.1:1/"})
    check("what is not granted is denied", "Denied", result.meta["dev.skillhost/kind"])
    check("the missing grant is named", True, "--allow-http http://127.0.0.1:1" in text(result))

    for name in ["nothing", "no-such_tool", "text-stats_no-such"]:
        check(f"{name} is no tool", -32602, await error_code(client.session.call_tool(name, {})))
    check("there are no prompts", -32601, await error_code(client.session.list_prompts()))
    check("nothing was too large for a result", [], (await client.list_resources()).resources)


async def error_code(request) -> int | None:
    try:
        await request
    except MCPError as error:
        return error.code
    return None


async def progress(client: Client) -> None:
    reports = []

    async def keep(done: float, total: float | None, message: str | None) -> None:
        reports.append((done, message))

    await client.call_tool("file-search_search", {"pattern": "absent"}, progress_callback=keep)
    check("progress is reported", [(256, "files searched"), (512, "files searched")], reports)


async def cancellation(client: Client, world: World) -> None:
    before = len(world.events())
    call = asyncio.create_task(client.session.call_tool("json-query_query", ENDLESS))
    await eventually(lambda: started(world, before))
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    await eventually(lambda: finished(world, before))
    check("a cancelled call is stopped and recorded", ["Cancelled"], kinds(world, before))
    result = await client.call_tool("text-stats_analyze", {"text": "still here"})
    check("the session goes on", 2, result.structured_content["words"])


async def disconnection(server: Server, with_key: httpx2.AsyncClient, world: World) -> None:
    before = len(world.events())
    params = {"name": "json-query_query", "arguments": ENDLESS}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    call = asyncio.create_task(with_key.post(server.url, json=message, headers=headers))
    await eventually(lambda: started(world, before))
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    await eventually(lambda: finished(world, before))
    check("a call whose client has gone is stopped and recorded", ["Cancelled"], kinds(world, before))


def started(world: World, before: int) -> bool:
    return any(event["event"] == "invocation.started" for event in world.events()[before:])


def finished(world: World, before: int) -> bool:
    return bool(kinds(world, before))


def kinds(world: World, before: int) -> list[str | None]:
    return [event.get("kind") for event in world.events()[before:] if event["event"] == "invocation.finished"]


async def eventually(holds) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise Failed("what was waited for did not happen")
        await asyncio.sleep(0.02)


def end(skillhost: str, world: World, how: str, stop) -> None:
    """A server that is stopped while a call runs."""
    before = len(world.events())
    command = [skillhost, "serve", "--config", world.config]
    call = {"name": "json-query_query", "arguments": ENDLESS}
    with (
        world.log.open("a") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as server,
    ):
        try:
            send(server, {"id": 1, "method": "initialize", "params": HELLO})
            server.stdout.readline()
            send(server, {"id": 2, "method": "tools/call", "params": call})
            asyncio.run(eventually(lambda: started(world, before)))
            stop(server)
            rest = server.stdout.read()
            check(f"{how} ends the server", 0, server.wait(PATIENCE))
        finally:
            server.kill()
    check(f"{how} leaves each call with its event", ["Cancelled"], kinds(world, before))
    answers = [json.loads(line) for line in rest.splitlines()]
    check(f"{how} leaves each call with its answer", [2], [answer["id"] for answer in answers])


def send(server: subprocess.Popen, message: dict) -> None:
    server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
    server.stdin.flush()


# Both eras, without a handshake and with one: how the client is told, and what
# they are called. Left to itself, it takes a server that starts slowly for one of
# the earlier era.
ERAS = [("2026-07-28", "2026-07-28"), ("legacy", "2025-11-25")]


async def over_stdio(skillhost: str, world: World) -> None:
    server = StdioServerParameters(
        command=skillhost, args=["serve", "--config", str(world.config)], env=dict(os.environ)
    )
    for mode, version in ERAS:
        with world.log.open("a") as log:
            async with session(stdio_client(server, log), world, mode, version) as client:
                await cancellation(client, world)


async def over_http(server: Server, world: World) -> None:
    for mode, version in ERAS:
        async with httpx2.AsyncClient(timeout=PATIENCE, headers=server.headers) as with_key:
            transport = streamable_http_client(server.url, http_client=with_key)
            async with session(transport, world, mode, version) as client:
                # A client of the earlier era leaves the request open and sends a
                # notification, of which nobody could say whose call it means.
                if mode != "legacy":
                    await cancellation(client, world)
            await disconnection(server, with_key, world)
    for headers in [{}, {"Authorization": "Bearer wrong"}]:
        async with httpx2.AsyncClient(timeout=PATIENCE, headers=headers) as without_key:
            answer = await without_key.post(server.url, json={})
            check(f"nobody is let in with {headers or 'no key'}", 401, answer.status_code)
            check("what would let them in is named", "Bearer", answer.headers["www-authenticate"].split()[0])


@contextlib.asynccontextmanager
async def session(transport, world: World, mode: str, version: str):
    async with Client(transport, mode=mode, read_timeout_seconds=PATIENCE) as client:
        check(f"the session is of MCP {version}", version, client.protocol_version)
        await lists(client)
        await answers(client, world)
        await failures(client)
        await progress(client)
        yield client


def all_checks(skillhost: str, world: World) -> None:
    print("-- over HTTP", flush=True)
    with Server(skillhost, world) as server:
        asyncio.run(over_http(server, world))
    check("SIGTERM ends the server that listens", 0, server.status)
    check("it never panicked", False, "panicked" in server.log())
    print("-- over standard input and output", flush=True)
    asyncio.run(over_stdio(skillhost, world))
    end(skillhost, world, "the end of input", lambda server: server.stdin.close())
    for number in [signal.SIGTERM, signal.SIGINT]:
        end(skillhost, world, number.name, lambda server, number=number: server.send_signal(number))
    check("the host never panicked", False, "panicked" in world.log.read_text())


def main(skillhost: str, config: str, folder: str) -> int:
    status = 0
    with World(Path(config), Path(folder)) as world:
        try:
            all_checks(skillhost, world)
        # The client passes failures on in groups.
        except* Failed as failures:
            status = 1
            print(f"FAILED  {first(failures)}\n\nStandard error of the server:\n{world.log.read_text()}", flush=True)
    if status == 0:
        print("all checks passed", flush=True)
    return status


def first(failure: BaseException) -> BaseException:
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
