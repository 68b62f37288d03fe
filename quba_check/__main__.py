"""`python -m quba_check` is `quba-check`."""

from quba_check.cli.main import main

raise SystemExit(main())
