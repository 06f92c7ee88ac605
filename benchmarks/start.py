"""From the start of `mlwb run` to its first request, against `import anthropic` alone. Wall time, in pairs."""

import asyncio
import statistics
import time

from measure import Endpoint, environment, figure, mlwb, python, scratch, stream

PAIRS = 7


async def wall(command: list[str], cwd: str, env: dict[str, str]) -> None:
    """Runs COMMAND to its end."""
    process = await asyncio.create_subprocess_exec(*command, cwd=cwd, env=env, stdout=asyncio.subprocess.DEVNULL)
    await process.wait()


async def main() -> None:
    """Measures PAIRS pairs, each of the two in turn, and prints the median ratio."""
    first: list[float] = []

    def answer(number: int, body: bytes) -> bytes:
        first.append(time.perf_counter())
        return stream([{"type": "text", "text": "hi"}])

    ratios, ours, theirs, whole = [], [], [], []
    with scratch({"task.md": "Say hi.\n"}) as (work, env):
        async with Endpoint(answer) as endpoint:
            env = environment(env, endpoint.url)
            for _ in range(PAIRS + 1):
                began = time.perf_counter()
                await wall(python("-c", "import anthropic"), str(work), env)
                theirs.append(time.perf_counter() - began)
                began = time.perf_counter()
                first.clear()
                await wall(mlwb("run", "task.md"), str(work), env)
                ours.append(first[0] - began)
                whole.append(time.perf_counter() - began)
                ratios.append(ours[-1] / theirs[-1])
    figure(
        "mlwb run to its first request, wall", statistics.median(ratios[1:]), "x", 1.15, "import anthropic",
        ours_s=statistics.median(ours[1:]), import_s=statistics.median(theirs[1:]),
        one_shot_s=statistics.median(whole[1:]),
    )  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main())
