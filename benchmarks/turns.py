"""CPU of a turn of `mlwb run` with one tool call, early and late, against the SDK's own call with the same history."""

import asyncio
import statistics
import tempfile
from pathlib import Path

from measure import Endpoint, environment, figure, mlwb, python, scratch, stream, thread_ns

TURNS = 510
SDK_CALL = """
import asyncio, json, sys, time
import anthropic

async def main():
    body = json.load(open(sys.argv[1]))
    body.pop("stream", None)
    extra = {k: body.pop(k) for k in ("thinking", "output_config", "cache_control") if k in body}
    spent = []
    async with anthropic.AsyncAnthropic() as client:
        for _ in range(20):
            began = time.process_time()
            async with client.messages.stream(**body, extra_body=extra) as answer:
                await answer.get_final_message()
            spent.append(time.process_time() - began)
    print(sorted(spent[5:])[7])

asyncio.run(main())
"""


async def turns(work: Path, env: dict[str, str], calls: int) -> tuple[list[int], list[bytes], int]:
    """Runs CALLS turns: (CPU ns of the process at each request, the requests' bodies, its peak memory in kB)."""
    at: list[int] = []
    bodies: list[bytes] = []
    process: asyncio.subprocess.Process

    def answer(number: int, body: bytes) -> bytes:
        at.append(thread_ns(process.pid))
        bodies.append(body)
        if number > calls:
            peak.append(_peak(process.pid))
            return stream([{"type": "text", "text": "done"}])
        call = {"type": "tool_use", "id": f"toolu_{number}", "name": "Read", "input": {"file_path": "notes.txt"}}
        return stream([{"type": "text", "text": "Looking."}, call])

    peak: list[int] = []
    async with Endpoint(answer) as endpoint:
        process = await asyncio.create_subprocess_exec(
            *mlwb("run", "task.md"), cwd=work, env=environment(env, endpoint.url), stdout=asyncio.subprocess.DEVNULL
        )
        await process.wait()
    return at, bodies, peak[0]


def _peak(pid: int) -> int:
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1])


async def sdk_call(env: dict[str, str], body: bytes) -> float:
    """CPU seconds of one call of the SDK itself with BODY, median of several."""
    with tempfile.NamedTemporaryFile("wb", suffix=".json") as file:
        file.write(body)
        file.flush()
        async with Endpoint(lambda n, b: stream([{"type": "text", "text": "done"}])) as endpoint:
            process = await asyncio.create_subprocess_exec(
                *python("-c", SDK_CALL, file.name), env=environment(env, endpoint.url), stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
    return float(out)


def per_turn(at: list[int], first: int, last: int) -> float:
    """CPU milliseconds a turn between two turns."""
    return statistics.median((b - a) / 1e6 for a, b in zip(at[first:last], at[first + 1 : last + 1], strict=True))


async def main() -> None:
    """One long session; the early and the late turns of it."""
    notes = "the loss went down a little further\n"
    with scratch({"task.md": "Read the notes.\n", "notes.txt": notes}) as (work, env):
        at, bodies, peak = await turns(work, env, TURNS)
        sdk = await sdk_call(env, bodies[500]) * 1e3
        early, late = per_turn(at, 10, 50), per_turn(at, 480, 505)
    figure("turn 10 to 50, CPU", early, "ms", 25.0, "a zero-latency endpoint, one Read a turn")
    figure("turn 500, CPU", late / sdk, "x", 1.3, "the SDK's own call with that history", ours_ms=late, sdk_ms=sdk)
    sizes = {"first": len(bodies[0]), "51st": len(bodies[50])}
    figure("first request", sizes["first"] / 1e3, "KB", 20.0, "the aim of the peers' table")
    figure("51st request", sizes["51st"] / 1e3, "KB", 35.0, "the aim of the peers' table (other results)")
    figure("peak memory at turn 500", peak / 1e3, "MB", 150.0, "the aim of the peers' table")


if __name__ == "__main__":
    asyncio.run(main())
