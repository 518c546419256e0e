from observables.conftest import harmonic_run  # noqa: F401  # a fixture
