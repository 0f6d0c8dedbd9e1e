"""`python -m router.cli`, where the `repartir` script is not installed."""

from router.cli import main

main()
