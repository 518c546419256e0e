"""Copies ``conf/`` into the package when a wheel is built; everything else is in ``pyproject.toml``."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfiguration(build_py):
    """Builds the package with the configuration files in ``mlmd/conf``; an editable install reads ``conf/`` itself."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if not self.editable_mode:
            shutil.copytree("conf", Path(self.build_lib, "mlmd", "conf"), dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithConfiguration})
