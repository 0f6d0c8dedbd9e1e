"""What proves a plan good: the plan, prices, and nothing that must be believed.

The plan is checked and scored, and each bound found again from the data and the
prices, in integers; see `router.optimize.batch.bounds`.
"""

from router.optimize.batch.bounds import bounds_of
from router.optimize.batch.claim import (
    Certificate,
    CertificateError,
    LevelValue,
    level_of,
)
from router.optimize.batch.problem import LEVELS, BatchPlan, BatchProblem, check, score

__all__ = ["Certificate", "CertificateError", "LevelValue", "verify"]


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
