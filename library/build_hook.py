"""Put the modules of `events` that the library needs into its wheel, under its own name.

Others have an `events` too: no import of theirs or ours may find the wrong one.
"""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "redletter_events"
IMPORTED = re.compile(r"^from events\.(\w+) import|^from events import (\w+)$", re.MULTILINE)


class ModulesOfEvents(BuildHookInterface[Any]):
    """Adds them, and what `public.py` offers as the package itself."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the modules down, and name them to the build."""
        self._written = TemporaryDirectory()
        library, written = Path(self.root), Path(self._written.name)
        for module, source in self._modules(library).items():
            target = written / f"{module}.py"
            target.write_text(re.sub(r"^from events\b", f"from {NAME}", source, flags=re.MULTILINE))
            build_data["force_include"][str(target)] = f"{NAME}/{module}.py"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was written down."""
        self._written.cleanup()

    @staticmethod
    def _modules(library: Path) -> dict[str, str]:
        """Return the source of each module that is needed, by its name."""
        found = {
            "__init__": (library / "public.py").read_text(),
            "opening": (library / "opening.py").read_text(),
        }
        to_visit = [*found.values()]
        while to_visit:
            for names in IMPORTED.findall(to_visit.pop()):
                (name,) = filter(None, names)
                if name not in found:
                    found[name] = (library.parent / "events" / f"{name}.py").read_text()
                    to_visit.append(found[name])
        return found
