"""Wire <-> model, and nothing else: no rule, no I/O, no clock.

`decode_*` takes a message and gives a value of `router.model` or
`availability.model`; `encode_*` is its exact inverse. What a model's type cannot
hold (an unknown enum number, an unknown preset, a coordinate that is no
number) is added to the caller's list of violations with its field path.
"""
