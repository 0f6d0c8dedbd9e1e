"""What proves a plan good: the plan, prices, and nothing that must be believed.

The plan is checked and scored, and each bound found again from the data and the
prices, in integers; see `router.optimize.batch.proof.bounds`.
"""

from router.optimize.batch.engines.engine import LOCAL, Engine
from router.optimize.batch.problem import (
    LEVELS,
    BatchPlan,
    BatchProblem,
    BatchScore,
    check,
    score,
)
from router.optimize.batch.proof.bounds import (
    Costs,
    costs,
    incomplete_bound,
    moves_bound,
    shipments_bound,
)
from router.optimize.batch.proof.claim import (
    Certificate,
    CertificateError,
    LevelValue,
    level_of,
)
from router.optimize.batch.proof.place_bound import places_bound

__all__ = ["Certificate", "CertificateError", "LevelValue", "bounds_of", "verify"]


def verify(problem: BatchProblem, certificate: Certificate) -> tuple[LevelValue, ...]:
    """Return each level's (value, bound), found again from the data.

    Raises
    ------
    CertificateError
        The plan breaks a limit, a price is negative or of nothing, or a claim is
        better than what is found.
    """
    try:
        plan = BatchPlan.of(certificate.plan)
        breaches = check(problem, plan)
        if breaches:
            raise CertificateError("; ".join(breaches[:5]))
        values = score(problem, plan)
        bounds = bounds_of(problem, certificate, values)
    except (IndexError, OverflowError) as error:
        raise CertificateError(f"out of range: {error}") from error
    if [name for name, _, _ in certificate.claims] != list(LEVELS):
        raise CertificateError("the claims are not one for each level")
    found = []
    for (name, value, bound), true, least in zip(
        certificate.claims, values, bounds, strict=True
    ):
        if value != true:
            raise CertificateError(f"{name}: claims {value}, is {true}")
        if bound > least:
            raise CertificateError(f"{name}: claims the bound {bound}, is {least}")
        found.append(level_of(name, true, least))
    return tuple(found)


def bounds_of(
    problem: BatchProblem,
    certificate: Certificate,
    values: BatchScore,
    found: Costs | None = None,
    engine: Engine = LOCAL,
) -> tuple[int, ...]:
    """Return each level's bound, with the levels before as good as ``values``."""
    waiting, shipments = values.incomplete_orders, values.shipments
    found = found or costs(problem, certificate)
    return (
        incomplete_bound(problem, certificate),
        shipments_bound(problem, certificate, found, waiting),
        moves_bound(problem, certificate, found, waiting, shipments),
        places_bound(problem, certificate, values, engine),
    )
