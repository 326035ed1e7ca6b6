"""Builds the codec's C extension when the project is installed; without a C compiler it is installed all the same."""

import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class AvroBuildHook(BuildHookInterface):
    """An editable install gets the extension in place, a wheel gets it inside."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, or say what its absence means."""
        package = Path(self.root) / "schemas"
        compiler = runpy.run_path(str(package / "build_avro.py"))
        self._scratch = tempfile.TemporaryDirectory(prefix="tradsys-build-")
        try:
            built = compiler["build"](package if version == "editable" else Path(self._scratch.name))
        except compiler["BuildError"] as error:
            self.app.display_warning(f"{error}\n{compiler['WITHOUT']}")
            return
        if version != "editable":
            build_data["force_include"][str(built)] = f"schemas/{built.name}"
            build_data["pure_python"] = False
            build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - hatchling's
        """Remove what a wheel was made from."""
        self._scratch.cleanup()
