"""Options that commands share: a dataclass with an annotated field for each.

A command takes the dataclass as one keyword parameter; the command line has an
option for each of its fields.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command for typer with the dataclasses among its parameters unfolded.

    Other parameters come first. All are passed by keyword, as typer does.
    """
    own: list[inspect.Parameter] = []
    unfolded: list[inspect.Parameter] = []
    groups: dict[str, Callable[..., object]] = {}
    for each in inspect.signature(command).parameters.values():
        kind = each.annotation
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            groups[each.name] = kind
            unfolded += inspect.signature(kind).parameters.values()
        else:
            own.append(each.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def run(**values: object) -> None:
        for name, group in groups.items():
            names = inspect.signature(group).parameters
            values[name] = group(**{each: values.pop(each) for each in names})
        command(**values)

    run.__signature__ = inspect.Signature([*own, *unfolded])  # type: ignore[attr-defined]
    return run
