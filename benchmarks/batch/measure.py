"""One instance measured: ``python -m benchmarks.batch.measure tight 10k``.

Prints a line for each phase and one for the result: value, bound, gap, wall and
CPU seconds, and the seconds that `verify` takes to find the bound again. With
``--engine ray`` the CPU seconds of the workers are listed apart from the driver's.
"""

import argparse
import contextlib
import time
from collections.abc import Iterator

from benchmarks.batch.generator import COVER, SIZES, checksum, draw
from router.optimize.batch.engines.engine import LOCAL, Engine
from router.optimize.batch.engines.ray_engine import RayEngine
from router.optimize.batch.proof.certificate import verify
from router.optimize.batch.solve import BatchLimits, Progress, solve_batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("regime", choices=COVER)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--instance", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=75.0)
    parser.add_argument("--neighbourhoods", type=int, default=1_000)
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument(
        "--address", help="host:port of a Ray cluster; else a local one"
    )
    parser.add_argument("--workers", type=int, help="CPUs that Ray prices with")
    chosen = parser.parse_args()
    if chosen.engine == "local" and (chosen.address or chosen.workers):
        parser.error("--address and --workers are of --engine ray")
    with engine_of(chosen) as engine:
        measure(chosen, engine)


@contextlib.contextmanager
def engine_of(chosen: argparse.Namespace) -> Iterator[Engine]:
    if chosen.engine == "local":
        yield LOCAL
        return
    with RayEngine(chosen.address, num_cpus=chosen.workers) as engine:
        yield engine
        spent = ", ".join(f"{about.cpu_seconds:.1f}" for about in engine.about())
        print(f"CPU s of the workers: {spent}")


def measure(chosen: argparse.Namespace, engine: Engine) -> None:
    problem = draw(chosen.regime, SIZES[chosen.size], chosen.instance)
    ratio = problem.stock.sum() / problem.demand.sum()
    print(f"{chosen.regime} {chosen.size} {checksum(problem)} stock/demand {ratio:.2f}")
    wall, cpu = time.monotonic(), time.process_time()

    def tell(step: Progress) -> None:
        spent = (time.monotonic() - wall, time.process_time() - cpu)
        if step.phase != "repair":
            print(f"{spent[0]:8.1f} s {spent[1]:8.1f} CPU s  {step}", flush=True)

    limits = BatchLimits(
        wall_seconds=chosen.seconds, neighbourhoods=chosen.neighbourhoods
    )
    solution = solve_batch(problem, limits, tell, engine=engine)
    taken = time.monotonic() - wall, time.process_time() - cpu
    again = time.process_time()
    assert verify(problem, solution.certificate) == solution.levels
    again = time.process_time() - again
    for level in solution.levels:
        print(*level)
    ships = solution.levels[1]
    gap = 100 * (ships.value - ships.bound) / ships.bound
    print(
        f"gap {gap:.3f} %  {taken[0]:.1f} s  {taken[1]:.1f} CPU s"
        f"  verified in {again:.1f} CPU s"
    )


if __name__ == "__main__":
    main()
