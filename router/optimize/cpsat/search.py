"""The lexicographic search over the model of record: solve, hold, solve again."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from ortools.sat.python import cp_model

from router.errors import SolverError
from router.model import Objective, Term
from router.optimize.cpsat.limits import Limits
from router.optimize.cpsat.pack import Pack
from router.optimize.cpsat.places import LocationRanking
from router.optimize.cpsat.terms import (
    LOCATION_ORDER,
    ObjectiveLevel,
    ObjectiveTerms,
    location_order,
)
from router.optimize.cpsat.variables import (
    Clock,
    OutOfTimeError,
    SourcingVariables,
    Variable,
    new_solver,
    weighted,
)
from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, Solution, SourcingProblem, check
from router.optimize.score import key_of, score, static_bound

ENGINE = "cp-sat"
FEW_PLACES = 4
"""Most places that share one solve; of more, most are never taken."""

_Make = Callable[[], ObjectiveLevel]


class NoOtherPlanError(Exception):
    """No allowed plan uses other locations than the excluded ones."""


class Search:
    """One call: the best plan so far and its proven bounds.

    With ``excluded`` given, only of plans whose set of used locations is another;
    then, and only then, there may be none: see ``has_plan``.
    """

    def __init__(
        self,
        problem: SourcingProblem,
        limits: SolveLimits,
        hint: tuple[Piece, ...] | None,
        excluded: frozenset[int] | None = None,
    ) -> None:
        self._problem = problem
        self._clock = Clock(limits)
        self._excluded = excluded
        known = [tuple(sorted(problem.frozen))]
        self._has_hint = hint is not None and not check(problem, hint)
        if hint is not None and self._has_hint:
            known.append(tuple(sorted(hint)))
        known = [plan for plan in known if self._is_other(plan)]
        self.has_plan = bool(known)
        self._plan = min(known, key=self._key, default=())
        self._bounds: dict[str, int] = {}
        self._solver = new_solver()

    def _is_other(self, plan: Sequence[Piece]) -> bool:
        """Whether a plan's locations are not the very ones that are excluded."""
        return frozenset(piece.location for piece in plan) != self._excluded

    def _key(self, plan: tuple[Piece, ...]) -> tuple[int, ...]:
        return key_of(self._problem, plan)

    def _worth(self, plan: Sequence[Piece] | None = None) -> dict[str, int]:
        """Return the scores of a plan, or of the best so far, and its tie-break."""
        pieces = self._plan if plan is None else plan
        worth = {each.name: each.value for each in score(self._problem, pieces)}
        return worth | {LOCATION_ORDER: location_order(pieces)}

    def run(self) -> None:
        """Settle all levels.

        Raises
        ------
        OutOfTimeError
            A limit came first.
        """
        self._vars = SourcingVariables(self._problem, self._clock)
        limits = Limits(self._vars)
        limits.add_limits()
        if self._excluded is not None:
            limits.exclude(self._excluded)
        self._terms = ObjectiveTerms(self._vars)
        self._places = LocationRanking(self._vars)
        pack = Pack([])
        for make in self._levels():
            if make is None:
                self._settle(pack)
                pack = Pack([])
                continue
            larger = pack.with_level(make())
            if larger is None:
                self._settle(pack)
                # Made again: what is settled may have made it narrower.
                larger = Pack([make()])
            pack = larger
        if pack.levels:
            pack = pack.with_level(self._terms.location_order()) or pack
        self._settle(pack)

    # --- Which levels, in which order -------------------------------------------

    def _levels(self) -> Iterator[_Make | None]:
        """Yield the levels in order; None: settle what came before.

        They are drawn one by one: what comes next depends on what is settled.
        """
        objectives = self._problem.objectives
        for objective in objectives:
            if objective.term is Term.PRIMARY:
                yield from self._place_levels()
            else:
                yield partial(self._terms.of, objective)
            if objective.tolerant:
                yield None
        for objective in objectives:
            if objective.tolerant:
                yield partial(self._terms.of, Objective(objective.term))

    def _place_levels(self) -> Iterator[_Make | None]:
        """Yield the busiest location, then the next, until none is left."""
        if self._terms.places > FEW_PLACES:
            yield None
        most = self._terms.places
        if most <= FEW_PLACES:
            for place in range(1, most + 1):
                yield partial(self._places.level, place, most)
            return
        for place in range(1, most + 1):
            yield partial(self._places.level, place, place)
            yield None
            if self._all_placed(place):
                return

    def _all_placed(self, places: int) -> bool:
        """Whether no plan that is still wanted uses more locations than that."""
        worth = self._worth()
        units = [worth.get(f"primary.{n}.units", 0) for n in range(1, places + 1)]
        shipped = self._terms.shipped
        most = self._terms.units_most if shipped is None else shipped
        return units[-1] == 0 or sum(units) == most

    # --- One solve --------------------------------------------------------------

    def _settle(self, pack: Pack) -> None:
        """Minimise levels together, and hold all later solves to their best.

        Raises
        ------
        OutOfTimeError
            A limit came first; the plan and its bounds are the best known.
        """
        if not pack.levels:
            return
        expr = pack.expr()
        self._vars.model.minimize(expr)
        # What is given back keeps the bounds of when its turn was.
        bounded = set(self._bounds)
        proven = self._solve()
        self._keep(pack)
        least = int(self._solver.response_proto.inner_objective_lower_bound)
        self._bound(pack, least, bounded)
        if not proven:
            raise OutOfTimeError
        value = int(self._solver.value(expr))
        if least < value:
            value = self._improve(pack, expr, value)
            self._bound(pack, value, bounded)
        best = pack.measure(self._worth())
        if pack.weigh(best) != value:
            raise SolverError(f"{pack}: the model says {value} of a plan at {best}")
        for level, least in zip(pack.levels, best, strict=True):
            self._hold(level, least)

    def _solve(self) -> bool:
        """Return whether the solver's plan is optimal, or only the best in time.

        Raises
        ------
        OutOfTimeError
            A limit came before any plan.
        SolverError
            The model is wrong.
        """
        if self._has_hint and self.has_plan:
            self._vars.hint(self._plan)
        parameters = self._solver.parameters
        parameters.linearization_level = 1 if len(self._places) else 2
        # The solver's clock begins when it has the model.
        load = self._vars.load_seconds
        seconds = self._clock.seconds_left(load) - load
        parameters.max_time_in_seconds = seconds
        parameters.max_deterministic_time = self._clock.work
        status = self._solver.solve(self._vars.model)
        self._clock.work -= self._solver.response_proto.deterministic_time
        self._has_hint = True
        match status:
            case cp_model.OPTIMAL:
                return True
            case cp_model.FEASIBLE:
                return False
            case cp_model.UNKNOWN:
                raise OutOfTimeError
            case cp_model.INFEASIBLE if not self.has_plan:
                raise NoOtherPlanError
            case other:
                reason = self._vars.model.validate()
                raise SolverError(f"{self._solver.status_name(other)} {reason}".strip())

    def _keep(self, pack: Pack) -> None:
        """Keep the solver's plan if the levels do not call it worse."""
        found = self._vars.pieces(self._solver.value)
        worth = pack.measure(self._worth(found))
        if not self.has_plan or worth <= pack.measure(self._worth()):
            self._plan = found
            self.has_plan = True

    def _bound(self, pack: Pack, least: int, bounded: set[str]) -> None:
        """Note what is proven of the levels, save of those bounded before."""
        for name, bound in pack.bounds(least, self._worth()).items():
            if name not in bounded:
                self._bounds[name] = bound

    def _improve(self, pack: Pack, expr: Variable, value: int) -> int:
        """Return the optimum that the solver took ``value`` for.

        It stops when value and bound are equal as floating-point numbers. Beyond
        2**53 that does not make them equal: ask for less until there is none.
        """
        model = self._vars.model
        while True:
            better = model.new_bool_var("")
            model.add(expr < value).only_enforce_if(better)
            model.maximize(better)
            proven = self._solve()
            if self._solver.value(better):
                self._keep(pack)
                value = int(self._solver.value(expr))
            elif proven:
                return value
            else:
                raise OutOfTimeError

    def _hold(self, level: ObjectiveLevel, best: int) -> None:
        """Hold all later solves to the best of a level, or to its tolerance."""
        worst = level.cap(best)
        if worst < level.high:
            expr = weighted(level.variables, level.coefficients)
            self._vars.model.add(expr <= worst)
        if level.objective is None:
            return
        if level.objective.term is Term.UNASSIGNED_UNITS and worst == best:
            self._terms.shipped = -best
        if level.objective.term is Term.SHIPMENTS:
            self._terms.shipments = min(self._terms.shipments, worst)

    # --- The answer -------------------------------------------------------------

    def solution(self, *, proven: bool) -> Solution:
        """Return the best plan so far; there must be one.

        Raises
        ------
        SolverError
            It breaks a limit: the model is wrong.
        """
        breaches = check(self._problem, self._plan)
        if breaches:
            raise SolverError("; ".join(breaches))
        scores = score(self._problem, self._plan)
        if proven and all(self._bounds[name] == value for name, _, value in scores):
            return Solution(self._plan, ENGINE)
        bounds = {}
        for name, maximize, _ in scores:
            static = static_bound(self._problem, name)
            bound = self._bounds.get(name, static)
            # What is no better is left to `judge`, which may know more.
            if proven or (bound < static if maximize else bound > static):
                bounds[name] = bound
        return Solution(self._plan, ENGINE, bounds)
